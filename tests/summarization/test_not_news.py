"""What is chosen of documents that are not news."""

from __future__ import annotations

from bertkit.summarization.methods import SummaryOptions
from tests.summarization.not_news import DOCUMENTS, MAIN_POINTS, habits


def test_there_are_ten_documents_with_a_main_point_each():
    assert len(DOCUMENTS) == 10
    assert set(DOCUMENTS) == set(MAIN_POINTS)


def test_the_lead_is_told():
    found = habits(SummaryOptions("lead"))
    assert (found.leads, found.early, found.main_points) == (1.0, 1.0, 0.0)


def test_textrank_does_not_choose_the_lead_by_habit(any_splitter):
    found = habits(SummaryOptions("textrank"))
    assert found.leads == 0
    assert found.early < 0.4
    assert found.main_points >= 0.7
