"""Tables for the figures of docs/tasks.md, made of research data that you have; none of it comes with bertkit.

    python benchmarks/task_data.py newsgroups DATA/newsgroups20/train.jsonl.gz runs/newsgroups
    python benchmarks/task_data.py xquad DATA/xquad/train.json runs/xquad
    python benchmarks/task_data.py turned DATA/mrpc/msr_paraphrase_train.txt runs/mrpc-turned

`newsgroups`: posts of 20 newsgroups, each with the parts of its group's name as labels (comp.sys.mac.hardware:
comp, sys, mac, hardware). Of the header only the subject is kept, for sender, organization and host name the
group by its people. `xquad`: a fifth of the articles is held out, once as they are and once with another
paragraph in the place of a fifth of the questions' own. `turned`: pairs with 204 labels turned to the other.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

SEED = 20
TRAIN, VALIDATION, TEST = 4000, 800, 3000
TURNED = 204
_SUBJECT = re.compile(r"^Subject:\s*(?:Re:\s*)*(.*)$", re.IGNORECASE | re.MULTILINE)


def newsgroups(source: Path, folder: Path) -> None:
    """Write train, validation and test: text, and labels as a list."""
    with gzip.open(source, "rt", encoding="utf-8") as stream:
        posts = [json.loads(line) for line in stream]
    random.Random(SEED).shuffle(posts)
    rows, seen = [], set()
    for post in posts:
        text = _without_header(post["text"])
        key = " ".join(text.casefold().split())
        if key and key not in seen:  # a post that went to two groups stands there twice
            seen.add(key)
            rows.append({"text": text, "labels": sorted(set(post["label"].split(".")))})
    start = 0
    for name, count in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        _write_lines(folder / f"{name}.jsonl", rows[start : start + count])
        start += count


def _without_header(post: str) -> str:
    """Return the subject, and what stands behind the first blank line."""
    header, _, body = post.partition("\n\n")
    subject = _SUBJECT.search(header)
    return f"{subject[1].strip() if subject else ''}\n{body.strip()}".strip()


def xquad(source: Path, folder: Path) -> None:
    """Write train, test and test-mixed in SQuAD's form; in train every fifth question has a text without its answer."""
    articles = json.loads(source.read_text(encoding="utf-8"))["data"]
    random.Random(SEED).shuffle(articles)
    held = len(articles) // 5
    test, train = articles[:held], articles[held:]
    _write_questions(folder / "train.json", _mixed(train, keep=True))
    _write_questions(folder / "answered.json", train)
    _write_questions(folder / "test.json", test)
    _write_questions(folder / "test-mixed.json", _mixed(test, keep=False))


def _mixed(articles: Sequence[dict[str, Any]], *, keep: bool) -> list[dict[str, Any]]:
    """Give a fifth of the questions to another paragraph that lacks their answers: besides, or instead."""
    rng = random.Random(SEED + 1)
    texts = [(a, p) for a, article in enumerate(articles) for p in range(len(article["paragraphs"]))]
    questions = [(a, p, q) for a, p in texts for q in range(len(articles[a]["paragraphs"][p]["qas"]))]
    found: dict[tuple[int, int], list[dict[str, Any]]] = {place: [] for place in texts}
    moved = set(rng.sample(questions, len(questions) // 5))
    for a, p, q in questions:
        question = articles[a]["paragraphs"][p]["qas"][q]
        if (a, p, q) not in moved or keep:
            found[a, p].append({**question, "is_impossible": False})
        if (a, p, q) in moved:
            answers = [answer["text"].casefold() for answer in question["answers"]]
            others = [
                place
                for place in texts
                if place != (a, p)
                and not any(own in articles[place[0]]["paragraphs"][place[1]]["context"].casefold() for own in answers)
            ]
            # Half of the other texts are of the same article, where there are such.
            near = [place for place in others if place[0] == a]
            place = rng.choice(near if near and rng.random() < 0.5 else others)
            found[place].append({**question, "id": f"{question['id']}-away", "answers": [], "is_impossible": True})
    made = []
    for a, article in enumerate(articles):
        paragraphs = [
            {"context": paragraph["context"], "qas": found[a, p]} for p, paragraph in enumerate(article["paragraphs"])
        ]
        made.append({"title": article.get("title", ""), "paragraphs": paragraphs})
    return made


def turned(source: Path, folder: Path, seed: int = SEED) -> None:
    """Write pairs with a seeded choice of labels turned, and the lines of these."""
    lines = source.read_text(encoding="utf-8-sig").splitlines()[1:]
    wrong = set(random.Random(seed).sample(range(len(lines)), TURNED))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("sentence1", "sentence2", "label"))
        for number, line in enumerate(lines):
            label, _, _, first, second = line.split("\t")
            writer.writerow((first, second, str(1 - int(label)) if number in wrong else label))
    places = sorted(number + 2 for number in wrong)
    (folder / "turned.json").write_text(json.dumps(places) + "\n", encoding="utf-8")


def _write_questions(path: Path, articles: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": "made", "data": list(articles)}, ensure_ascii=False), encoding="utf-8")


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


MAKERS = {"newsgroups": newsgroups, "xquad": xquad, "turned": turned}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", choices=MAKERS, help="which tables to make")
    parser.add_argument("source", type=Path, help="the file to make them of")
    parser.add_argument("folder", type=Path, help="where to write them")
    parser.add_argument("--seed", type=int, default=SEED, help="turned: which labels")
    options = parser.parse_args(argv)
    if options.data == "turned":
        turned(options.source, options.folder, options.seed)
    else:
        MAKERS[options.data](options.source, options.folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
