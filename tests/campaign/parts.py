"""The parts of the campaign, in the order in which they run."""

from __future__ import annotations

from collections.abc import Mapping

from tests.campaign import cost, disks, folders, forms, fuzz, kills, pairs, streams
from tests.campaign.outcome import Part

PARTS: Mapping[str, Part] = {
    module.PART.name: module.PART for module in (fuzz, forms, folders, kills, disks, streams, pairs, cost)
}
