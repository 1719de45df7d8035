"""Forms of research corpora: questions, relations and entities, as tables that every shape reads."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bertkit.data.column_names import TAG_NAMES, TOKEN_NAMES, column_name, first_named, folded
from bertkit.data.values import RowError, cell_of, likely_categories, parse_cell, parse_list

# --- Published forms: what tells the rows of one, and what they are made into ---------------------

Fields = Mapping[str, str]


class Form(NamedTuple):
    """A published form: the columns its rows have, what makes rows of one, what else tells it, what is said of it.

    `said` is what of such rows is not read, as a clause.
    """

    columns: frozenset[str]
    convert: Callable[[Fields], list[dict[str, str]]]
    tells: Callable[[Fields], bool] = lambda _: True
    said: str = ""


# What a value of another kind than those of the first row raises.
MISFIT = (AttributeError, IndexError, KeyError, TypeError, ValueError)


def object_in(fields: Fields, name: str) -> dict[str, Any]:
    """Return the object that a column holds.

    Raises:
        RowError: it holds none.
    """
    found = parse_cell(fields[name])
    if not isinstance(found, dict):
        raise RowError(f"the column {name} is not an object")
    return found


def list_in(fields: Fields, name: str) -> list[Any]:
    """Return the list that a column holds; an empty one where the column is missing or empty.

    Raises:
        RowError: it holds something else.
    """
    found = parse_list(fields.get(name) or "[]")
    if not isinstance(found, list):
        raise RowError(f"the column {name} is not a list")
    return found


def has_keys(name: str, *keys: str) -> Callable[[Fields], bool]:
    """Make what tells whether a column holds an object with some keys."""
    return lambda fields: fields[name].startswith("{") and set(keys) <= set(object_in(fields, name))


def lacks(name: str) -> Callable[[Fields], bool]:
    """Make what tells whether there is no such column."""
    return lambda fields: name not in fields


# --- Questions with choices -----------------------------------------------------------------------


def _distractors(fields: Fields) -> list[dict[str, str]]:
    """Read a right answer among wrong ones, as SciQ has them; their order tells nothing."""
    names = [name for name in fields if name.startswith("distractor")]
    choices = sorted(fields[name] for name in ("correct_answer", *names))
    kept = {name: text for name, text in fields.items() if name not in names}
    return [{**kept, "choices": cell_of(choices)}]


def _wrong_answers(fields: Fields) -> list[dict[str, str]]:
    """Read a right answer beside wrong ones, as GPQA has them; their order tells nothing."""
    names = [name for name in fields if folded(name).startswith("incorrectanswer")]
    right = first_named(fields, ["correct_answer"]) or ""
    listed = [
        text for name in names for text in (list_in(fields, name) if fields[name].startswith("[") else [fields[name]])
    ]
    choices = sorted({fields[right], *map(str, listed)} - {""})
    kept = {n: text for n, text in fields.items() if n not in (*names, right) and not folded(n).startswith(_NOT_ASKED)}
    return [{**kept, "choices": cell_of(choices), "answer": fields[right]}]


def _has_wrong_answers(fields: Fields) -> bool:
    if not isinstance(fields, dict) or first_named(fields, ["choices", "options"]) is not None:
        return False
    names = (["question"], ["correct_answer"], ["incorrect_answer_1", "incorrect_answers", "incorrect_answer"])
    return all(first_named(fields, usual) is not None for usual in names)


def _placeholder(fields: Fields) -> list[dict[str, str]]:
    """Read what may stand for @placeholder as choices, as ReCoRD has them.

    Of several right answers the first is one of them, and the others are left out.
    """
    answers = list(map(str, list_in(fields, "answers")))
    others = [str(entity) for entity in list_in(fields, "entities") if str(entity) not in answers]
    choices = sorted({*others, *answers[:1]})
    kept = {name: text for name, text in fields.items() if name not in ("entities", "answers")}
    return [{**kept, "choices": cell_of(choices), "answer": answers[0] if answers else ""}]


def _stem_and_choices(fields: Fields) -> list[dict[str, str]]:
    """Read a question as CommonsenseQA, ARC and OpenBookQA have it: {"stem": …, "choices": […]}."""
    found = object_in(fields, "question")
    return [{**fields, "question": cell_of(found["stem"]), "choices": cell_of(found["choices"])}]


def _lettered(fields: Fields) -> list[dict[str, str]]:
    """Read a question with its choices behind it, as ARC's tables have them: What is hot? (A) fire (B) ice."""
    question, *parts = _LETTER.split(fields["question"])
    choices = dict(zip(parts[::2], (text.strip() for text in parts[1::2]), strict=True))
    return [{**fields, "question": question.strip(), "choices": cell_of(choices)}]


def _premise(fields: Fields) -> list[dict[str, str]]:
    """Read a premise and what may have caused it or come of it, as COPA's XML has them."""
    names = {"p": "premise", "a1": "choice1", "a2": "choice2"}
    return [{names.get(name, name): text for name, text in fields.items()}]


def _alternatives(fields: Fields) -> list[dict[str, str]]:
    """Read answers of which the label says the place: they are choices, as ReClor and LogiQA have them."""
    names = {"answers": "choices", "correct_answer_id": "label"}
    return [{names.get(name, name): text for name, text in fields.items()}]


def _has_alternatives(fields: Fields, label: str = "label") -> bool:
    answers = parse_list(fields["answers"]) if fields["answers"].startswith("[") else None
    texts = isinstance(answers, list) and len(answers) > 1 and all(isinstance(answer, str) for answer in answers)
    return texts and fields[label].strip().isdigit()


def _race(fields: Fields) -> list[dict[str, str]]:
    """Make a row of each question of a passage, as RACE has them in lists."""
    questions, options, answers = (list_in(fields, name) for name in ("questions", "options", "answers"))
    if len(questions) != len(options) or (answers and len(answers) != len(questions)):
        raise RowError(f"there are {len(questions)} questions, {len(options)} options and {len(answers)} answers")
    kept = {name: text for name, text in fields.items() if name not in ("questions", "options", "answers")}
    return [
        {**kept, "question": cell_of(question), "options": cell_of(options[place])}
        | ({"answer": cell_of(answers[place])} if answers else {})
        for place, question in enumerate(questions)
    ]


def _questions_of_passage(fields: Fields) -> list[dict[str, str]]:
    """Make a row of each question of a text, where they are objects with choices of their own."""
    kept = {name: text for name, text in fields.items() if name != "questions"}
    return list(_questions_of(kept, list_in(fields, "questions")))


def _targets(fields: Fields) -> list[dict[str, str]]:
    """Read choices of which one is marked as right, as TruthfulQA has them; their order tells which, so it is lost."""
    found = object_in(fields, "mc1_targets")
    is_listed = "choices" in found and "labels" in found
    choices, marks = (found["choices"], found["labels"]) if is_listed else (list(found), list(found.values()))
    if not (isinstance(choices, list) and isinstance(marks, list) and marks.count(1) == 1):
        raise RowError("mc1_targets does not have one right answer among its choices")
    kept = {name: text for name, text in fields.items() if not name.startswith("mc")}
    right, ordered = choices[marks.index(1)], sorted(map(str, choices))
    return [{**kept, "choices": cell_of(ordered), "answer": cell_of(ordered.index(str(right)))}]


def _judged_answers(fields: Fields) -> list[dict[str, str]]:
    """Make a pair of each answer, which is right or wrong: a text, and the question with the answer (MultiRC)."""
    passage = object_in(fields, "passage")
    return [
        {"sentence1": cell_of(passage["text"]), "sentence2": f"{asked['question']} {answer['text']}"}
        | ({"label": cell_of(answer["label"])} if "label" in answer else {})
        for asked in passage["questions"]
        for answer in asked["answers"]
    ]


def _judged_answer(fields: Fields) -> list[dict[str, str]]:
    """Read an answer that is right or wrong as a pair, as MultiRC stands on the hub."""
    kept = {name: text for name, text in fields.items() if name not in ("paragraph", "question", "answer", "idx")}
    return [{"sentence1": fields["paragraph"], "sentence2": f"{fields['question']} {fields['answer']}", **kept}]


# --- Questions about a text -----------------------------------------------------------------------


def _questions_of_article(fields: Fields) -> list[dict[str, str]]:
    """Make a row of each question of an article, as SQuAD, KorQuAD and KLUE-MRC have them."""
    found: list[dict[str, str]] = []
    for paragraph in list_in(fields, "paragraphs"):
        if isinstance(paragraph, dict):
            kept = {name: text for name, text in fields.items() if name != "paragraphs"}
            found += _questions_of({**kept, "context": cell_of(paragraph.get("context"))}, paragraph.get("qas"))
    return found


def _questions_of_text(fields: Fields) -> list[dict[str, str]]:
    """Make a row of each question of one text, as MRQA has them."""
    return list(_questions_of({name: text for name, text in fields.items() if name != "qas"}, list_in(fields, "qas")))


def _questions_of(kept: dict[str, str], questions: Any) -> Iterator[dict[str, str]]:
    for question in questions if isinstance(questions, list) else ():
        if isinstance(question, dict):
            own = {column_name(name): cell_of(value) for name, value in question.items()}
            yield {**kept, **({"answers": "[]"} if own.get("is_impossible") == "true" else {}), **own}


def _questions_of_story(fields: Fields) -> list[dict[str, str]]:
    """Make a row of each question of a conversation about a text, as CoQA has them.

    People answered in words of their own: an answer counts where it stands in the stretch they took it from.
    """
    questions = list_in(fields, "questions")
    given = [_answers_to(fields["answers"])] if "answers" in fields else []
    if given and fields.get("additional_answers", "").startswith("{"):
        given += [_answers_to(cell_of(own)) for own in object_in(fields, "additional_answers").values()]
    if any(len(own) != len(questions) for own in given):
        raise RowError(f"it has {len(questions)} questions and {', '.join(str(len(own)) for own in given)} answers")
    kept = {"source": fields["source"]} if "source" in fields else {}
    found = []
    for place, question in enumerate(questions):
        text = question["input_text"] if isinstance(question, dict) else question
        row = {**kept, "id": f"{fields.get('id', '')}_{place + 1}", "context": fields["story"], "question": str(text)}
        answers = [_stretch(fields["story"], *own[place]) for own in given]
        found.append(row | ({"answers": cell_of(_told(answers))} if given else {}))
    return found


def _answers_to(cell: str) -> list[tuple[str, int, int]]:
    """Read the answers to all questions of a text: what was written, and the stretch that it was taken from."""
    found = parse_cell(cell)
    if isinstance(found, dict):  # as it stands on the hub
        return list(zip(found["input_text"], found["answer_start"], found["answer_end"], strict=True))
    return [(item["input_text"], item["span_start"], item["span_end"]) for item in found]


def _stretch(text: str, answer: str, start: int, end: int) -> dict[str, Any] | None:
    """Find an answer in the stretch of a text that it was taken from; None: the text has no answer."""
    if start < 0:
        return None
    bare = answer.strip().rstrip(".")
    at = re.search(rf"(?<!\w){re.escape(bare)}(?!\w)", text[start:end], re.IGNORECASE)
    if at is None or not bare or bare.casefold() in _NO_STRETCH:
        return {"text": answer, "in_text": False}
    return {"text": text[start + at.start() : start + at.end()], "answer_start": start + at.start()}


def _told(answers: Sequence[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """Return the answers that count: those that are stretches of the text, or else the first one alone."""
    if answers[0] is None:
        return []
    others = [answer for answer in answers if answer is not None]
    return [answer for answer in others if "answer_start" in answer] or others[:1]


def _question_of_paragraphs(fields: Fields) -> list[dict[str, str]]:
    """Read a question about several paragraphs, each a title and its sentences, as HotpotQA has them.

    Where the answer stands more than once, that in a sentence it follows from counts.
    """
    supporting = _supporting(fields.get("supporting_facts", ""))
    text, answer, start = "", fields.get("answer", ""), None
    for title, sentences in _titled(fields["context"]):
        text += f"{title}\n" if not text else f"\n{title}\n"
        for place, sentence in enumerate(sentences):
            text += "" if text.endswith("\n") else " "
            at = sentence.strip().find(answer) if answer and (title, place) in supporting and start is None else -1
            start = len(text) + at if at >= 0 else start
            text += sentence.strip()
    kept = {name: cell for name, cell in fields.items() if name not in ("context", "answer", "supporting_facts")}
    row = {**kept, "context": text}
    if not answer:
        return [row]
    found = {"text": answer, "in_text": False} if answer.casefold() in _NO_STRETCH else {"text": answer}
    return [row | {"answers": cell_of([found | ({} if start is None or len(found) > 1 else {"answer_start": start})])}]


def _question_of_texts(fields: Fields) -> list[dict[str, str]]:
    """Read a question about paragraphs that say whether the answer follows from them, as MuSiQue has them."""
    found = list_in(fields, "paragraphs")
    titled = [[f"{own['title']}", [own["paragraph_text"]]] for own in found]
    facts = [[own["title"], 0] for own in found if own.get("is_supporting")]
    kept = {name: cell for name, cell in fields.items() if name != "paragraphs"}
    made = {**kept, "context": cell_of(titled), "supporting_facts": cell_of(facts)}
    (row,) = _question_of_paragraphs(made)
    return [row | {"answers": "[]"} if fields.get("answerable") == "false" else row]


def _supporting(cell: str) -> set[tuple[str, int]]:
    found = parse_cell(cell)
    if isinstance(found, dict):  # as it stands on the hub
        return set(zip(found["title"], found["sent_id"], strict=True))
    return {(fact[0], fact[1]) for fact in found} if isinstance(found, list) else set()


def _titled(cell: str) -> list[tuple[str, list[str]]]:
    """Read paragraphs, each a title and a list of sentences; none where the cell holds something else."""
    found = parse_cell(cell) if cell.startswith(("[[", "{")) else None
    if isinstance(found, dict) and {"title", "sentences"} <= set(found):  # as it stands on the hub
        found = list(zip(found["title"], found["sentences"], strict=True))
    if not isinstance(found, list) or not all(isinstance(own, list | tuple) and len(own) == 2 for own in found):
        return []
    are_titled = all(type(title) is str and isinstance(sentences, list) for title, sentences in found)
    are_texts = are_titled and all(type(sentence) is str for _, sentences in found for sentence in sentences)
    return [(title, sentences) for title, sentences in found] if are_texts else []


def _questions_of_drop(fields: Fields) -> list[dict[str, str]]:
    """Make a row of each question of a passage, as DROP has them; a number or a date may be no stretch of it."""
    found = []
    for asked in list_in(fields, "qa_pairs"):
        answer = asked.get("answer") or {}
        date = " ".join(part for part in (answer.get("date") or {}).values() if part)
        written = answer.get("spans") or [text for text in (answer.get("number"), date) if text][:1]
        row = {
            "context": fields["passage"],
            "question": cell_of(asked["question"]),
            "id": cell_of(asked.get("query_id")),
        }
        answers = [
            {"text": str(text)} | ({} if str(text) in fields["passage"] else {"in_text": False}) for text in written
        ]
        found.append(row | ({"answers": cell_of(answers)} if "answer" in asked else {}))
    return found


# --- Relations ------------------------------------------------------------------------------------


def _head_and_tail(fields: Fields) -> list[dict[str, str]]:
    """Read a text with a head and a tail, as FewRel and OpenNRE have them; of several mentions the first counts."""
    names = ("h", "t") if "h" in fields else ("head", "tail")
    head, tail = (parse_cell(fields[name]) for name in names)
    kept = {name: cell for name, cell in fields.items() if name not in names}
    if first_named(fields, ("tokens", "token")) is None:
        ends = {
            name: {"word": end["name"], "start": end["pos"][0]} for name, end in (("subject", head), ("object", tail))
        }
        return [{**kept, **{name: cell_of(end) for name, end in ends.items()}}]
    return [{**kept, **_places("subj", *_words_of(head)), **_places("obj", *_words_of(tail))}]


def _is_head_or_tail(cell: str) -> bool:
    """Tell {"name", "pos": [start, end]}, {"text", "indices": [[word, …], …]}, or [name, id, [[word, …], …]]."""
    found = parse_cell(cell) if cell.startswith(("[", "{")) else None
    if isinstance(found, dict):
        return {"name", "pos"} <= set(found) or {"text", "indices"} <= set(found)
    return isinstance(found, list) and len(found) == 3 and isinstance(found[2], list) and isinstance(found[2][0], list)


def _words_of(end: Any) -> tuple[int, int]:
    """Return the first and the last word of a head or a tail."""
    if isinstance(end, dict) and "pos" in end:
        return end["pos"][0], end["pos"][1] - 1
    first = (end["indices"] if isinstance(end, dict) else end[2])[0]
    return first[0], first[-1]


def _places(part: str, first: int, last: int) -> dict[str, str]:
    """Write places as TACRED has them."""
    return {f"{part}_start": str(first), f"{part}_end": str(last)}


def _pairs_of_document(fields: Fields) -> list[dict[str, str]]:
    """Make a row of each pair of a document's entities that is related, as DocRED has them.

    Of a document without annotations it is each pair. Marked are those mentions of both that are nearest.
    """
    sentences, entities = list_in(fields, "sents"), list_in(fields, "vertexSet")
    starts = list(itertools.accumulate(map(len, sentences), initial=0))
    kept = {"doc_id": fields["title"]} if "title" in fields else {}
    kept["tokens"] = cell_of([word for words in sentences for word in words])
    found = []
    for head, tail, relation in _related(fields, len(entities)):
        pairs = itertools.product(*([_placed(own, starts) for own in entities[end]] for end in (head, tail)))
        one, other = min(pairs, key=lambda pair: abs(pair[0][0] - pair[1][0]))
        row = kept | _places("subj", *one[:2]) | _places("obj", *other[:2])
        row |= {"subj_type": one[2], "obj_type": other[2]} | (
            {} if relation is None else {"relation": cell_of(relation)}
        )
        found.append(row)
    return found


def _are_sentences(fields: Fields) -> bool:
    return fields["sents"].startswith("[[")


def _related(fields: Fields, entities: int) -> list[tuple[int, int, str | None]]:
    if "labels" not in fields:
        return [(head, tail, None) for head, tail in itertools.permutations(range(entities), 2)]
    found = parse_cell(fields["labels"] or "[]")
    if isinstance(found, dict):  # as it stands on the hub
        return list(zip(found["head"], found["tail"], found["relation_id"], strict=True))
    return [(item["h"], item["t"], item["r"]) for item in found]


def _placed(mention: Mapping[str, Any], starts: Sequence[int]) -> tuple[int, int, str]:
    """Return the first and the last word of a mention among those of its document, and its type."""
    start, end = mention["pos"]
    begin = starts[mention["sent_id"]]
    return begin + start, begin + end - 1, str(mention.get("type", ""))


# --- What people feel -----------------------------------------------------------------------------


def _felt(fields: Fields) -> list[dict[str, str]]:
    """Read what a person says in a dialogue with an emotion, as AI Hub has them: HS01, HS02, …; SS01 are answers."""
    said = object_in(fields, "talk")["content"]
    lines = [said[key] for key in sorted(said) if key.startswith("HS") and str(said[key]).strip()]
    return [{"text": cell_of("\n".join(lines)), "label": cell_of(object_in(fields, "profile")["emotion"]["type"])}]


# --- Entities -------------------------------------------------------------------------------------


def _labelled_places(fields: Fields) -> list[dict[str, str]]:
    """Read {label: {string: [[first, last], …]}}, as CLUENER has entities."""
    spans = [
        {"start": place[0], "end": place[1] + 1, "label": label, "text": string}
        for label, strings in object_in(fields, "label").items()
        for string, places in strings.items()
        for place in places
    ]
    return [{**{name: text for name, text in fields.items() if name != "label"}, "entities": cell_of(spans)}]


def _has_labelled_places(fields: Fields) -> bool:
    found = object_in(fields, "label") if fields["label"].startswith("{") else {}
    strings = [places for own in found.values() if isinstance(own, dict) for places in own.values()]
    return bool(strings) and all(
        isinstance(places, list) and all(isinstance(p, list) and len(p) == 2 for p in places) for places in strings
    )


def _sentences_of_document(fields: Fields) -> list[dict[str, str]]:
    """Make a row of each sentence of a document whose entities count its words, as SciERC and DyGIE++ have them."""
    found: list[dict[str, str]] = []
    begin = 0
    kept = {name: text for name, text in fields.items() if name in ("doc_key", "id", "doc_id")}
    related = list_in(fields, "relations")
    for words, entities in zip(list_in(fields, "sentences"), list_in(fields, "ner"), strict=False):
        starts = list(itertools.accumulate((len(word) + 1 for word in words), initial=0))
        spans = [
            {"start": starts[first - begin], "end": starts[last - begin + 1] - 1, "label": label}
            for first, last, label in entities
        ]
        begin += len(words)
        own = {"text": " ".join(words), "entities": cell_of(spans)}
        own |= {"relations": cell_of(related[len(found)])} if len(found) < len(related) else {}
        found.append({**kept, **own})
    return found


def _are_sentences_of_document(fields: Fields) -> bool:
    sentences, entities = (
        list_in(fields, name) if fields[name].startswith("[[") else [] for name in ("sentences", "ner")
    )
    words = all(isinstance(own, list) and all(isinstance(word, str) for word in own) for own in sentences)
    places = (entity for own in entities if isinstance(own, list) for entity in own)
    of_words = all(isinstance(e, list) and len(e) == 3 and all(type(place) is int for place in e[:2]) for e in places)
    return bool(sentences) and words and of_words and len(sentences) == len(entities)


def _paragraphs_of_spacy(fields: Fields) -> list[dict[str, str]]:
    """Make a row of each sentence of paragraphs as spaCy's second version has them; of one with classes it is one."""
    found = []
    for paragraph in list_in(fields, "paragraphs"):
        sentences = [sentence["tokens"] for sentence in paragraph.get("sentences") or ()]
        shares = {own["label"]: own["value"] for own in paragraph.get("cats") or ()}
        if shares and not any(token.get("ner", "O") not in ("O", "-") for tokens in sentences for token in tokens):
            found.append({"text": cell_of(paragraph["raw"]), "label": cell_of(likely_categories(shares))})
            continue
        for tokens in sentences:
            words = {TOKEN_NAMES[0]: cell_of([token["orth"] for token in tokens])}
            tags = [token["ner"] for token in tokens if "ner" in token]
            found.append(words | ({TAG_NAMES[0]: cell_of(tags)} if tags else {}))
    return found


def _passages(fields: Fields) -> list[dict[str, str]]:
    """Make a row of each passage of a document, as BioC has them in JSON and in XML; or of its sentences.

    Places are those in the document.
    """
    if "documents" in fields:  # a collection among others
        every = [{name: cell_of(value) for name, value in own.items()} for own in list_in(fields, "documents")]
        return [row for own in every for row in _passages(own)]
    kept = {"doc_id": fields["id"]} if "id" in fields else {}
    whole = {name: parse_cell(fields[name]) for name in _OF_DOCUMENT if name in fields}
    parts: list[tuple[int, Any, list[Any]]] = []
    for passage in _several(whole, "passage"):
        sentences = _several(passage, "sentence")
        for part in [passage] if passage.get("text") else sentences:
            own = _several(part, "annotation")
            own += [item for inner in sentences if part is passage for item in _several(inner, "annotation")]
            if part.get("text"):
                parts.append((int(part.get("offset") or passage.get("offset") or 0), part["text"], own))
    for item in _several(whole, "annotation"):  # told of the document
        start = min((int(place["offset"]) for place in _several(item, "location")), default=0)
        max(parts, key=lambda part: (part[0] <= start, part[0]))[2].append(item)
    related = [tie for passage in (whole, *_several(whole, "passage")) for tie in _several(passage, "relation")]
    kept |= {"relations": cell_of(related)} if related else {}
    return [
        {**kept, "text": cell_of(text), "entities": cell_of([_annotation(item, begin) for item in own])}
        for begin, text, own in parts
    ]


def _are_passages(cell: str) -> bool:
    return cell.startswith(("[{", "{")) and '"offset"' in cell and '"text"' in cell


def _several(item: Mapping[str, Any], name: str) -> list[Any]:
    """Return what is listed in JSON, or stands once or several times in XML."""
    found = item.get(f"{name}s", item.get(name)) or []
    return list(found) if isinstance(found, list) else [found]


def _annotation(item: Mapping[str, Any], begin: int) -> dict[str, Any]:
    """Read an annotation; the places of one in several pieces stay lists."""
    told = item.get("infons") or {own["key"]: own.get("text") for own in _several(item, "infon")}
    label = next((told[key] for key in ("type", "label", "class", "entity_type") if told.get(key)), None)
    places = [(int(own["offset"]) - begin, int(own["length"])) for own in _several(item, "location")]
    starts, ends = [start for start, _ in places], [start + length for start, length in places]
    one = len(places) == 1
    place = {"start": starts[0] if one else starts, "end": ends[0] if one else ends} if places else {}
    return {**place, "label": label, "text": item.get("text") if one or not places else None}


_NOT_ASKED = ("prerevision", "extrarevised")  # GPQA's questions before and after they were revised
_LETTER = re.compile(r"\(([A-H1-8])\)")
_OF_DOCUMENT = ("passages", "passage", "annotations", "annotation", "relations", "relation")
# Answers that are no stretches of a text, whatever letters it has.
_NO_STRETCH = frozenset({"yes", "no", "noanswer"})
CORPORA = (
    Form(frozenset({"question", "correct_answer", "distractor1"}), _distractors, lacks("choices")),
    Form(frozenset({"question"}), _stem_and_choices, has_keys("question", "stem", "choices")),
    Form(frozenset({"question", "mc1_targets"}), _targets, lacks("choices")),
    Form(frozenset({"p", "a1", "a2", "asks-for"}), _premise),
    Form(frozenset({"question", "AnswerKey"}), _lettered, lambda fields: len(_LETTER.split(fields["question"])) > 3),
    Form(frozenset({"question", "answers", "label"}), _alternatives, _has_alternatives),
    Form(
        frozenset({"question", "answers", "correct_answer_id"}),
        _alternatives,
        lambda fields: _has_alternatives(fields, "correct_answer_id"),
    ),
    Form(
        frozenset({"story", "questions"}),
        _questions_of_story,
        lambda fields: '"input_text"' in fields["questions"] or '"input_text"' in fields.get("answers", ""),
        "what was asked and answered before each question",
    ),
    Form(frozenset({"questions"}), _questions_of_passage, lambda fields: '"question"' in fields["questions"]),
    Form(frozenset({"paragraphs"}), _questions_of_article, lambda fields: '"qas"' in fields["paragraphs"]),
    Form(
        frozenset({"paragraphs"}),
        _paragraphs_of_spacy,
        lambda f: any({"sentences"} <= {*own} or {"raw", "cats"} <= {*own} for own in list_in(f, "paragraphs")[:1]),
    ),
    Form(frozenset({"context", "qas"}), _questions_of_text),
    Form(frozenset({"passage", "qa_pairs"}), _questions_of_drop, lambda fields: fields["qa_pairs"].startswith("[{")),
    Form(
        frozenset({"profile", "talk"}),
        _felt,
        lambda fields: '"type"' in fields["profile"] and '"HS01"' in fields["talk"],
        "what the system says (SS01, …)",
    ),
    Form(frozenset({"question", "context"}), _question_of_paragraphs, lambda fields: bool(_titled(fields["context"]))),
    Form(
        frozenset({"question", "paragraphs"}),
        _question_of_texts,
        lambda fields: '"paragraph_text"' in fields["paragraphs"],
    ),
    Form(frozenset({"questions", "options"}), _race, lambda fields: fields["questions"].startswith("[")),
    Form(frozenset({"text", "label"}), _labelled_places, _has_labelled_places),
    Form(frozenset({"sentences", "ner"}), _sentences_of_document, _are_sentences_of_document),
    Form(frozenset(), _wrong_answers, _has_wrong_answers),
    Form(frozenset({"query", "entities", "answers"}), _placeholder, lambda fields: "@placeholder" in fields["query"]),
    Form(frozenset({"h", "t"}), _head_and_tail, lambda fields: all(_is_head_or_tail(fields[name]) for name in "ht")),
    Form(
        frozenset({"tokens", "head", "tail"}),
        _head_and_tail,
        lambda fields: all(_is_head_or_tail(fields[name]) for name in ("head", "tail")),
    ),
    Form(
        frozenset({"sents", "vertexSet", "labels"}),
        _pairs_of_document,
        _are_sentences,
        "pairs of a document's entities of which no relation is told",
    ),
    Form(frozenset({"sents", "vertexSet"}), _pairs_of_document, _are_sentences),
    Form(frozenset({"passage"}), _judged_answers, has_keys("passage", "text", "questions")),
    Form(
        frozenset({"paragraph", "question", "answer", "idx"}),
        _judged_answer,
        has_keys("idx", "paragraph", "question", "answer"),
    ),
    Form(frozenset({"passages"}), _passages, lambda fields: _are_passages(fields["passages"])),
    Form(frozenset({"documents"}), _passages, lambda fields: '"passages"' in fields["documents"]),
    Form(frozenset({"passage"}), _passages, lambda fields: _are_passages(fields["passage"])),
)
