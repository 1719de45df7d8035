"""Write docs/data.md: the forms of data that bertkit reads, each with what comes of an example.

    python docs/data.py > docs/data.md

What an example is read as is computed, so that the page says what the program does.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bertkit.data.records import DataSet, Document, Example, Question
from bertkit.tasks.rows import load_data

INTRODUCTION = """\
# The data that bertkit reads

bertkit recognises a file by its contents; the name is only a hint. `train`, `eval`, `predict`, `inspect-data` and
`vocab build` read files and standard input (`-`) with the same code: plain or packed (gzip, bzip2, xz, zstd, a zip
archive of one file), UTF-8, CP949, or UTF-16 with its mark. Columns are found by their usual names (`text`,
`sentence`, `문장`, `본문`, `리뷰`, …; `label`, `score`, `레이블`, `감정`, …); `--columns text=a,label=b` overrides
them. bertkit says what it leaves out or changes. Class columns of parquet and Arrow files and of the hub (`hf:`) are
read as the class names, not as numbers.

A folder is read by the names of its files (`train.csv`, `dev.jsonl`, …); so is one that the datasets library wrote
(`save_to_disk`), and one with its files in `data/`, as on the hub. Folders of splits may hold the files, as AI Hub has
them (`Training/라벨링데이터`, `2.Validation/…/VL1`; `원천데이터` beside them is left out). Test rows without labels, as
competitions give them, are left out of `train` and `eval`. A folder of folders of texts is read with one text per file
and the folder as its label: `pos/1.txt` and `neg/2.txt`, also below `train/` and `test/`.

Each example below shows a file and what bertkit reads from it. `docs/data.py` writes this page, and a test checks it.
"""

ENDING = """\
## What is refused or reported

- **Rows that cannot be used** stop `train` and `eval`. The message lists every kind of fault in the file with its
  first lines. `--on-error skip` of `train`, `tune` and `eval` leaves such rows out and says so. `inspect-data --write
  clean.csv` writes the usable rows, and beside them `clean.left_out.csv` with file, line and reason. `predict` writes
  an error record for each such row, in its place. A blank line is a row to `predict`, too, so that there is one record
  for each line; `train` and `eval` skip blank lines.
- **Lists and objects are not classes**: `["price", "battery"]` are labels of `--task multilabel` (a list of one label
  is that label; a list of 0 and 1 has one position per label). From an object, name the value to use: `--columns
  label=labels.label`. A list of texts is read as one text. From an object with texts, name one:
  `--columns text=text.en`.
- **Labels that look like missing ones** (`-`, `NaN`, `N/A`, -1 beside 0, 1 and 2, 99 beside 1 to 5), labels that differ only in letter
  case, and rows without a text: `inspect-data` and `train` report them with their lines.
- **Labels that are not numbers**, where nearly all others are numbers with fractions, are reported with their lines.
- **What holds no texts**: numbers of features (libsvm, weights of Vowpal Wabbit), and annotations that lie apart from
  their text (tagtog).
- **What is no table**: pages, XML in which several elements could be the rows, YAML, subtitles, spreadsheets, databases
  and archives of several files are named. Read as plain texts, as by `--task mlm` and `predict`, their lines are said
  to be what they are.
- **What is not read and might be meant**: a column that names the split of each row, classes beside entities, another
  column of texts, an answer beside a question and a text, a second column called like labels (`stars` beside
  `category`, `label2` beside `label1`) unless it says the same in other words, what tells rows of one text with
  different labels apart (an aspect), and words of the text that the label is of (WSC, WiC). Labels in a table of their
  own (`train_labels.csv` beside `train.csv`) are named, with the command that joins them.
- **Positions counted differently**: if nearly all entities end before the last letter of a word, or start at its
  second letter, their ends may be inclusive, or they may be counted from 1. bertkit counts from 0, and the end is the
  position after the last character. Positions that count UTF-16 code units (JavaScript, where an emoji is two) or
  bytes are told by the entities behind such characters, and read so.
- **Words without sentences**: a table with one word and its tag per row needs a column that identifies the sentence,
  and the rows of a sentence must be together.
- **Choices by number**: if the answers 1 to 3 for the choices A to D could be counted from 0 or from 1, bertkit does
  not guess.

## What `predict` and `summarize` pass on

`--keep id,author` (or `all`) copies input columns into the records, under their own names. A name that records already
use gets the prefix `in_`. You can name several files and folders; each record then has its `file`.
`predict --output-format labelstudio|doccano|conll` writes predictions in a form that these tools import, so that you
can check and correct them; rows that could not be read are left out. In CoNLL, whole words are tagged.

## Any size

A table may be larger than memory. If it has more than 20,000 rows, `train` and `eval` keep the rows they have read,
and `train` also the encoded rows, in a cache folder (`~/.cache/bertkit`, or `BERTKIT_CACHE`). It takes about as much
space as the table. The next command that reads the same file uses the cache. The key is a hash of the file's contents
and of how it is read, so a changed file is read again, and what a killed command has left is never used.
`bertkit cache` shows the folder, its size and its entries; `bertkit cache clear` deletes them. Entries that nobody has
used for 30 days are deleted automatically. `inspect-data` reads row by row and keeps only hashes. Baselines of more
than 200,000 training rows are fitted on 200,000 of them, drawn by the seed, and `train` says so.
"""


@dataclass(frozen=True)
class Form:
    """An example: files by name, the first of them DATA; `task` where it must be said, `shown` rows (0: all)."""

    title: str
    files: dict[str, str]
    task: str = "auto"
    remark: str = ""
    shown: int = 0


_SPAM = [
    ("ham" if place % 2 else "spam", f"{'see you' if place % 2 else 'you won a prize'} at {place} o'clock today")
    for place in range(1, 13)
]
_MANIFEST = (
    '{"source": "good", "mood": 1, "mood-metadata": {"class-name": "pos", "type": "groundtruth/text-classification"}}\n'
)
_FELT = (
    '[{"profile": {"emotion": {"type": "E18"}}, "talk": {"content": '
    '{"HS01": "버스를 놓쳤어.", "SS01": "속상하셨겠어요.", "HS02": "비도 왔고."}}}]\n'
)
_SPACY_2 = (
    '[{"id": 0, "paragraphs": [{"sentences": [{"tokens": ['
    '{"orth": "Mira", "ner": "B-PER"}, {"orth": "Kost", "ner": "L-PER"}, {"orth": "left", "ner": "O"}]}]}]}]\n'
)
_LS = {
    "data": {"text": "Mira Kost left"},
    "annotations": [{"id": 1, "result": [{"type": "labels", "value": {"start": 0, "end": 9, "labels": ["PER"]}}]}],
}
_FEW = {"P17": [{"tokens": ["Arl", "in", "Quay"], "h": ["arl", "Q1", [[0]]], "t": ["quay", "Q2", [[2]]]}]}
_DOCRED = {
    "title": "Arl",
    "sents": [["It", "rained", "."], ["Bo", "left", "Arl", "."]],
    "vertexSet": [
        [{"name": "Bo", "pos": [0, 1], "sent_id": 1, "type": "PER"}],
        [{"name": "Arl", "pos": [2, 3], "sent_id": 1, "type": "LOC"}],
    ],
    "labels": [{"h": 0, "t": 1, "r": "P551", "evidence": [1]}],
}
_COQA = {
    "story": "Ana is nine, and her hat is Blue.",
    "questions": [{"input_text": "Which hat?"}, {"input_text": "Is she old?"}],
    "answers": [
        {"input_text": "blue", "span_text": "her hat is Blue", "span_start": 17, "span_end": 32},
        {"input_text": "no", "span_text": "Ana is nine", "span_start": 0, "span_end": 11},
    ],
}
_HOTPOT = {
    "_id": "1",
    "question": "When did Bo leave?",
    "answer": "1902",
    "supporting_facts": [["Bo", 0]],
    "context": [["Arl", ["Arl opened in 1902."]], ["Bo", ["Bo left Arl in 1902.", " It rained."]]],
}
_NOTED = {"infons": {"type": "Disease"}, "text": "pain", "locations": [{"offset": 18, "length": 4}]}
_BIOC = {"documents": [{"id": "7", "passages": [{"offset": 9, "text": "It eased pain.", "annotations": [_NOTED]}]}]}
_LUIS = {
    "luis_schema_version": "7.0.0",
    "intents": [{"name": "Book"}, {"name": "Greet"}],
    "utterances": [
        {"text": "fly to arl", "intent": "Book", "entities": [{"entity": "Place", "startPos": 7, "endPos": 9}]},
        {"text": "hello", "intent": "Greet", "entities": []},
    ],
}
_CHOICES = [{"label": "A", "text": "a stone"}, {"label": "B", "text": "sunlight"}]
_FEEDS = {"stem": "What feeds plants?", "choices": _CHOICES}


_ASKED = {"id": "1", "question": "When did Arl open?", "answers": [{"text": "1902", "answer_start": 14}]}
_RELATED = {
    "guid": "1",
    "sentence": "한결제약은 수원에 있다.",
    "subject_entity": {"word": "한결제약", "start_idx": 0, "end_idx": 3, "type": "ORG"},
    "object_entity": {"word": "수원", "start_idx": 6, "end_idx": 7, "type": "LOC"},
    "label": "org:place_of_headquarters",
}
_TOKENS = {
    "token": ["Arl", "owns", "Quay", "."],
    "subj_start": 0,
    "subj_end": 0,
    "obj_start": 2,
    "obj_end": 2,
    "subj_type": "ORGANIZATION",
    "obj_type": "ORGANIZATION",
    "relation": "owns",
}


_RECORDS = [
    {"id": "1", "fields": {"text": "good"}, "responses": {"mood": [{"value": "pos", "status": "submitted"}]}},
    {"id": "2", "fields": {"text": "bad"}, "responses": {"mood": [{"value": "neg", "status": "submitted"}]}},
    {"id": "3", "fields": {"text": "new"}, "responses": {"mood": [{"value": "pos", "status": "draft"}]}},
]
_CHATS = [
    [
        {"role": "system", "content": "Rate."},
        {"role": "user", "content": f"It was {w}."},
        {"role": "assistant", "content": a},
    ]
    for w, a in [("good", "pos"), ("bad", "neg"), ("fine", "pos"), ("dull", "neg"), ("fun", "pos"), ("sad", "neg")] * 2
]
_TARGETS = {"choices": ["sunlight", "a stone"], "labels": [1, 0]}
_RASA = """nlu:
- intent: book
  examples: |
    - a train to [Aldby](city)
    - a seat, please
- intent: bye
  examples: |
    - see you
"""
_WEBANNO = """#FORMAT=WebAnno TSV 3.3
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value


#Text=Mira Kost left
1-1\t0-4\tMira\t*[1]\tPER[1]\t
1-2\t5-9\tKost\t*[1]\tPER[1]\t
1-3\t10-14\tleft\t_\t_\t
"""
_PUBTATOR = """7|t|Of arin.
7|a|It eased pain.
7\t3\t7\tarin\tChemical\tD1
7\t18\t22\tpain\tDisease\tD2
"""
_CONLL_2012 = """nw/1 0 0 Mira NNP (S* - - - - (PERSON* -
nw/1 0 1 Kost NNP * - - - - *) -
nw/1 0 2 left VBD *) - - - - * -

nw/1 0 0 Aldby NNP (S* - - - - (GPE) -
nw/1 0 1 sleeps VBZ *) - - - - * -
"""


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


SECTIONS: dict[str, tuple[Form, ...]] = {
    "Tables": (
        Form("csv, with commas or semicolons", {"reviews.csv": 'text,label\n"good, and cheap",pos\ntoo loud,neg\n'}),
        Form("tsv: nothing is quoted", {"리뷰.tsv": "번호\t문장\t감정\n1\t정말 좋아요\t긍정\n2\t별로예요\t부정\n"}),
        Form(
            "tsv in which all cells of a column are quoted: it is a csv that tabs part",
            {"quoted.tsv": "text\tlabel\n" + "".join(f'"day {i}, and ""rain"""\t{i % 2}\n' for i in range(5))},
            shown=2,
        ),
        Form(
            "What spreadsheets leave",
            {"sheet.csv": "sep=;\nlabel;text;;\nham;see you at lunch;;\nspam;win a prize;;\n"},
        ),
        Form("A title above the names", {"sheet.csv": "Reviews of May,\ntext,label\ngood,pos\nbad,neg\n"}),
        Form(
            "Columns whose names say nothing, told by what is in them",
            {"spam.csv": "v1,v2,,\n" + "".join(f"{a},{b},,\n" for a, b in _SPAM)},
            remark="If two columns could be the text or the label, bertkit does not guess: the message suggests `--columns`.",
            shown=2,
        ),
        Form("Bars between fields", {"bars.csv": "text|label\ngood, and cheap|pos\ntoo loud|neg\n"}),
        Form("Comments above the names", {"export.csv": "# exported in May\ntext,label\ngood,pos\nbad,neg\n"}),
        Form(
            "What R writes: rows begin with a number, and quotes in texts have a backslash before them",
            {"reviews.txt": '"text" "label"\n"1" "a \\"good\\" one" "pos"\n"2" "too loud" "neg"\n'},
        ),
        Form(
            "A total below the rows",
            {"sheet.csv": "text,stars\nfine,4\nbad,1\ndull,2\ngood,5\nTotal,12\n"},
        ),
        Form("A table of Markdown", {"reviews.md": "| text | label |\n|---|---|\n| good | pos |\n| bad | neg |\n"}),
        Form(
            "XML: an element that comes again is a row; its attributes and what it holds are columns",
            {
                "reviews.xml": '<reviews>\n<review id="1"><text>good</text><label>pos</label></review>\n'
                '<review id="2"><text>bad</text><label>neg</label></review>\n</reviews>\n'
            },
            remark="Text without an element of its own is called `text`; what comes several times is a list.",
        ),
        Form(
            "Vowpal Wabbit: several namespaces are columns", {"train.vw": "1 |text good and cheap\n-1 |text too loud\n"}
        ),
        Form("fastText", {"train.txt": "__label__pos good and cheap\n__label__neg too loud\n"}),
        Form(
            "A label before each line",
            {"questions.txt": "NUM:date When was it ?\nHUM:ind Who came ?\nNUM:date When did they go ?\n"},
            shown=2,
        ),
        Form(
            "A label behind each line",
            {"mood.txt": "".join(f"it rained on day {i};{('joy', 'anger')[i % 2]}\n" for i in range(12))},
            shown=2,
        ),
        Form("Trees of a sentiment treebank", {"train.txt": "(3 (2 It) (4 (2 was) (4 fun)))\n(1 (2 Too) (1 loud))\n"}),
        Form("Intents and their examples (Rasa, in YAML or Markdown)", {"nlu.yml": _RASA}),
        Form("Two files joined by `cat`", {"cat.csv": "text,label\ngood,1\nbad,0\ntext,label\nfine,1\n"}),
        Form("1 and 1.0 are one label", {"gap.csv": "text,label\ngood,1.0\nbad,0\nfine,1\n"}),
        Form("Decimal commas", {"scores.csv": "sentence1;sentence2;score\na shop;a store;4,5\na shop;the sea;0,25\n"}),
        Form("Scores with a unit", {"stars.csv": "text,rating\ngood,4.5/5\ntoo loud,1/5\n"}),
    ),
    "JSON": (
        Form(
            "An object a line",
            {"rows.jsonl": _line({"text": "good", "label": "pos"}) + _line({"text": "bad", "label": "neg"})},
        ),
        Form(
            "One array", {"rows.json": '[\n  {"text": "good", "label": "pos"},\n  {"text": "bad", "label": "neg"}\n]\n'}
        ),
        Form(
            "A list within an object",
            {
                "wrapped.json": '{"version": "1",\n "data": [{"text": "good", "label": "pos"}, {"text": "bad", "label": "neg"}]}\n'
            },
        ),
        Form(
            "The answer of the hub's viewer of data sets, with the names of classes",
            {
                "rows.json": _line(
                    {
                        "features": [
                            {"name": "text", "type": {"dtype": "string"}},
                            {"name": "label", "type": {"names": ["neg", "pos"], "_type": "ClassLabel"}},
                        ],
                        "rows": [
                            {"row_idx": 0, "row": {"text": "good", "label": 1}, "truncated_cells": []},
                            {"row_idx": 1, "row": {"text": "bad", "label": 0}, "truncated_cells": []},
                        ],
                    }
                )
            },
        ),
        Form(
            "Rows that are lists, under a list of names",
            {"values.json": '[["text", "label"], ["good", "pos"], ["bad", "neg"]]\n'},
        ),
        Form(
            "Utterances of LUIS and CLU: their intents, and with `--task ner` their entities",
            {"bot.json": json.dumps(_LUIS, indent=1) + "\n"},
        ),
        Form(
            "Examples listed by their intent",
            {
                "intents.json": _line(
                    {"intents": [{"tag": "bye", "patterns": ["see you"]}, {"tag": "hi", "patterns": ["hi"]}]}
                )
            },
        ),
        Form(
            "Columns, as pandas' `to_json()` writes them",
            {"pandas.json": '{"text": {"0": "good", "1": "bad"}, "label": {"0": "pos", "1": "neg"}}\n'},
        ),
        Form(
            "Text classification of Vertex AI; sentiments and entities, too, also as AutoML has them",
            {"vertex.jsonl": '{"textContent": "good", "classificationAnnotation": {"displayName": "pos"}}\n'},
        ),
        Form("Manifests of SageMaker Ground Truth: names of classes, or entities", {"output.manifest": _MANIFEST}),
        Form("Emotions of people in dialogues (AI Hub)", {"감성대화.json": _FELT}),
        Form("Argilla", {"records.jsonl": "".join(map(_line, _RECORDS))}),
        Form(
            "Conversations with a model whose last answer is the label",
            {"chats.jsonl": "".join(_line({"messages": turns}) for turns in _CHATS)},
            remark="Beside a column of labels the whole conversation is the text.",
            shown=2,
        ),
        Form(
            "Pairs without a majority of labels (SNLI)",
            {
                "snli.jsonl": "".join(
                    _line({"gold_label": label, "sentence1": "It rains.", "sentence2": "It is " + word + "."})
                    for label, word in (("entailment", "wet"), ("-", "dry"), ("neutral", "late"))
                )
            },
        ),
    ),
    "Questions": (
        Form(
            "Answers of which each is right or wrong (MultiRC), also as it stands on the hub",
            {
                "multirc.jsonl": _line(
                    {
                        "passage": {
                            "text": "Ann lit a lamp.",
                            "questions": [
                                {
                                    "question": "What did she light?",
                                    "answers": [{"text": "a lamp", "label": 1}, {"text": "a fire", "label": 0}],
                                }
                            ],
                        }
                    }
                )
            },
        ),
        Form("Choices in columns", {"quiz.csv": "prompt,A,B,C,answer\nWhat feeds plants?,a stone,sunlight,wool,B\n"}),
        Form(
            "Choices in columns without names (MMLU)",
            {
                "quiz.csv": "".join(
                    f"What feeds plant {n}?,a stone,sunlight,wool,{'ABC'[n % 3]}\n" for n in range(1, 13)
                )
            },
            shown=2,
        ),
        Form(
            "TruthfulQA: choices of which one is marked, put in the order of the alphabet",
            {"truthful.jsonl": _line({"question": "What feeds plants?", "mc1_targets": _TARGETS})},
        ),
        Form("CommonsenseQA, ARC, OpenBookQA", {"csqa.jsonl": _line({"answerKey": "B", "question": _FEEDS})}),
        Form(
            "Choices and answers as people write them",
            {"시험.csv": "문제,보기1,보기2,정답\n식물은 무엇으로 자라나?,돌,햇빛,2번\n"},
        ),
        Form(
            "SciQ: a right answer among distractors",
            {
                "sciq.jsonl": _line(
                    {"question": "What feeds plants?", "distractor1": "wool", "correct_answer": "sunlight"}
                )
            },
        ),
        Form(
            "GPQA, Open Trivia: a right answer beside wrong ones",
            {"gpqa.csv": "Question,Correct Answer,Incorrect Answer 1\nWhat feeds plants?,sunlight,wool\n"},
        ),
        Form(
            "MathQA",
            {"mathqa.json": _line([{"Problem": "3 + 4 ?", "options": "a ) 1 , b ) 7", "correct": "b"}])},
        ),
        Form(
            "DREAM: a conversation, what is asked of it, and its id",
            {
                "dream.json": _line(
                    [[["W: Tea?", "M: No."], [{"question": "Who?", "choice": ["W", "M"], "answer": "M"}], "1"]]
                )
            },
        ),
        Form(
            "ReCoRD: what stands for @placeholder; of several right answers the first",
            {
                "record.jsonl": _line(
                    {
                        "passage": "Ana met Bo.",
                        "query": "@placeholder was met",
                        "entities": ["Ana", "Bo"],
                        "answers": ["Bo"],
                    }
                )
            },
        ),
        Form(
            "COPA: answers count from 0",
            {
                "copa.jsonl": "".join(
                    _line(
                        {
                            "premise": "The cup fell.",
                            "choice1": "It broke.",
                            "choice2": "It rained.",
                            "question": word,
                            "label": label,
                        }
                    )
                    for word, label in (("effect", 0), ("cause", 1))
                )
            },
        ),
        Form(
            "PIQA",
            {
                "piqa.jsonl": "".join(
                    _line({"goal": "Open a jar", "sol1": a, "sol2": b, "label": n})
                    for a, b, n in (("twist", "throw", 0), ("throw", "twist", 1))
                )
            },
        ),
        Form(
            "MedMCQA",
            {
                "med.jsonl": "".join(
                    _line({"question": q, "opa": "liver", "opb": "heart", "cop": n})
                    for q, n in (("Which pumps?", 1), ("Which filters?", 0))
                )
            },
        ),
        Form(
            "RACE: several questions of one passage",
            {
                "race.jsonl": _line(
                    {
                        "article": "Ana swam.",
                        "questions": ["What did she do?", "Who?"],
                        "options": [["ran", "swam"], ["Ana", "Bo"]],
                        "answers": ["B", "A"],
                    }
                )
            },
        ),
    ),
    "Questions about a text": (
        Form(
            "SQuAD, KorQuAD, KLUE-MRC",
            {
                "squad.json": json.dumps(
                    {"data": [{"title": "t", "paragraphs": [{"context": "Arl opened in 1902.", "qas": [_ASKED]}]}]}
                )
                + "\n"
            },
        ),
        Form(
            "CoQA: answers count where they stand in the stretch they were taken from",
            {"coqa.json": _line({"data": [_COQA]})},
        ),
        Form(
            "HotpotQA, MuSiQue: paragraphs with titles; of several places that in a supporting sentence counts",
            {"hotpot.json": _line([_HOTPOT])},
            remark="Questions answered with yes or no are left out and counted; `predict` answers all.",
        ),
        Form("A table", {"asked.csv": "question,context,answer\nWhen did Arl open?,Arl opened in 1902.,1902\n"}),
    ),
    "Several labels a row": (
        Form(
            "Parted by a mark",
            {"topics.csv": "text,labels\na match,sport\na sale of shirts,sport|money\nrain,\n"},
            "multilabel",
        ),
        Form(
            "A column of 0 and 1 for each",
            {"flags.csv": "text,sport,money\na match,1,0\na sale of shirts,1,1\nrain,0,0\n"},
        ),
    ),
    "Relations": (
        Form(
            "KLUE-RE: the places of the last characters are inclusive",
            {"re.json": json.dumps([_RELATED], ensure_ascii=False) + "\n"},
            remark="bertkit reads the text with both entities marked, and the type of each if it is known.",
        ),
        Form(
            "A table with the words, where they begin and of what kind they are, as far as that is known",
            {
                "relations.csv": "sentence,subject,subject_start,subject_type,object,object_type,relation\n"
                "Arl said Arl owns Quay.,Arl,9,ORG,Quay,ORG,owns\n"
            },
            remark="Without a position the first occurrence is taken; a position where the word is not found is an error with file and line.",
        ),
        Form(
            "SemEval-2010 task 8: numbered sentences, below each its relation",
            {"TRAIN_FILE.TXT": '1\t"The <e1>burst</e1> came from <e2>pressure</e2>."\nCause-Effect(e2,e1)\nComment:\n'},
        ),
        Form(
            "Texts that carry the marks",
            {"marked.csv": "sentence,label\nThe <e1>burst</e1> came from <e2>pressure</e2>.,Cause-Effect\n"},
        ),
        Form("TACRED", {"tacred.json": json.dumps([_TOKENS]) + "\n"}),
        Form(
            "FewRel: rows listed by their relation (OpenNRE: a head and a tail with `pos`)", {"few.json": _line(_FEW)}
        ),
        Form(
            "DocRED: each related pair of a document's entities, where their mentions are nearest",
            {"docred.json": _line([_DOCRED])},
            remark="A document without `labels` gives `predict` each pair of its entities.",
        ),
    ),
    "Entities": (
        Form(
            "A token and its tag a line (CoNLL)",
            {"train.conll": "Mira B-PER\nKost I-PER\nleft O\n\nAldby B-LOC\nsleeps O\n"},
        ),
        Form(
            "Numbered tokens (WikiNEuRal, CoNLL-U), tags such as PER_B and `-` (Naver)",
            {"naver.txt": "1\t미라\tPER_B\n2\t떠났다\t-\n\n1\t올드비\tLOC_B\n2\t잔다\t-\n"},
        ),
        Form(
            "GermEval: a source above, the outer tag counts",
            {
                "germeval.tsv": "#\tsource [2009-10-17]\n1\tMira\tB-PER\tO\n2\tging\tO\tO\n\n#\tsource [2009-10-18]\n1\tAldby\tB-LOC\tO\n2\tschlief\tO\tO\n"
            },
        ),
        Form("A tag behind each word", {"slashes.txt": "Mira/B-PER left/O\nAldby/B-LOC sleeps/O\n"}),
        Form(
            'Marks in the text: `<PER>…</PER>`, `<ENAMEX TYPE="PER">…`, `[name:PER]`, `<name:PER>`',
            {"marks.txt": "<PER>Mira Kost</PER> left\n<LOC>Aldby</LOC> sleeps\n"},
        ),
        Form("CoNLL-2012: brackets around the words of an entity", {"a.gold_conll": _CONLL_2012}),
        Form("INCEpTION (WebAnno TSV 3)", {"a.tsv": _WEBANNO}),
        Form("BioC, as JSON or XML: each passage is a row", {"bioc.json": _line(_BIOC)}),
        Form("PubTator: titles, abstracts, and the places of entities in both", {"a.txt": _PUBTATOR}),
        Form("The tag first", {"tags.txt": "B-PER\tMira\nO\tleft\n\nB-LOC\tAldby\nO\tsleeps\n"}),
        Form(
            "Tags without letters: neighbours of one label are one entity",
            {"plain.txt": "Mira PER\nKost PER\nleft O\n\nAldby LOC\nsleeps O\n"},
        ),
        Form(
            "A token a row, with the id of its sentence",
            {"words.csv": "sentence_id,words,labels\n0,Mira,B-PER\n0,left,O\n1,Aldby,B-LOC\n1,sleeps,O\n"},
        ),
        Form(
            "The same with the sentence named at its first word",
            {"ner.csv": "Sentence #,Word,Tag\nSentence: 1,Mira,B-PER\n,left,O\nSentence: 2,Aldby,B-LOC\n,sleeps,O\n"},
        ),
        Form(
            "Lists as Python and numpy write them",
            {
                "lists.csv": "tokens,ner_tags\n\"['Mira', 'left']\",\"['B-PER', 'O']\"\n\"['Aldby' 'sleeps']\",\"['B-LOC' 'O']\"\n"
            },
        ),
        Form("doccano", {"doccano.jsonl": _line({"id": 1, "text": "Mira Kost left", "label": [[0, 9, "PER"]]})}),
        Form(
            "Label Studio, the full export",
            {"export.json": json.dumps([_LS], indent=1) + "\n"},
            remark="Texts without annotations are left out and counted. `choices` become labels. Of several annotators the ground truth counts, or else what most of them say; where as many say another, the text is left out and counted.",
        ),
        Form(
            "Label Studio, JSON-MIN (and csv)",
            {
                "min.json": json.dumps(
                    [
                        {
                            "text": "Mira Kost left",
                            "label": [{"start": 0, "end": 9, "labels": ["PER"]}],
                            "annotation_id": 1,
                        },
                        {"text": "Nobody came", "annotation_id": 2},
                    ]
                )
                + "\n"
            },
        ),
        Form(
            "Prodigy: what was rejected or ignored is left out",
            {
                "prodigy.jsonl": "".join(
                    _line(
                        {
                            "text": "Mira Kost left",
                            "spans": [{"start": 0, "end": 9, "label": "PER"}],
                            "answer": answer,
                            "_task_hash": n,
                        }
                    )
                    for n, answer in enumerate(("accept", "reject"))
                )
            },
        ),
        Form(
            "An entity a row, beside its text",
            {"long.csv": "text,start,end,label\nMira left Aldby,0,4,PER\nMira left Aldby,10,15,LOC\nNobody came,,,\n"},
        ),
        Form(
            "Words that are objects with their tags",
            {"words.jsonl": _line({"tokens": [{"text": "Mira", "ner": "B-PER"}, {"text": "left", "ner": "O"}]})},
        ),
        Form(
            "GLiNER, SpERT: places that count words",
            {"gliner.jsonl": _line({"tokenized_text": ["Mira", "Kost", "left"], "ner": [[0, 1, "PER"]]})},
        ),
        Form("spaCy", {"spacy.jsonl": _line(["Mira Kost left", {"entities": [[0, 9, "PER"]]}])}),
        Form(
            "DataTurks",
            {
                "turks.jsonl": _line(
                    {
                        "content": "Mira Kost left",
                        "annotation": [{"label": ["PER"], "points": [{"start": 0, "end": 8, "text": "Mira Kost"}]}],
                    }
                )
            },
        ),
        Form("spaCy 2: paragraphs of sentences of tokens", {"spacy.json": _SPACY_2}),
        Form(
            "Sentences of documents, as Korean corpora have them",
            {
                "corpus.json": json.dumps(
                    {
                        "document": [
                            {
                                "id": "d1",
                                "sentence": [
                                    {"form": "미라가 떠났다", "NE": [{"begin": 0, "end": 2, "label": "PS"}]},
                                    {"form": "비가 왔다", "NE": []},
                                ],
                            }
                        ]
                    },
                    ensure_ascii=False,
                )
                + "\n"
            },
        ),
        Form(
            "CLUENER: by label and string, with the last character",
            {"cluener.json": _line({"text": "미라가 떠났다", "label": {"PS": {"미라": [[0, 1]]}}})},
        ),
        Form(
            "SciERC, DyGIE++: places that count the words of a document",
            {"scierc.jsonl": _line({"sentences": [["It", "rained"], ["Mira", "left"]], "ner": [[], [[2, 2, "PER"]]]})},
        ),
        Form(
            "Pairs of a word and its tag",
            {"pairs.jsonl": _line([["Mira", "B-PER"], ["left", "O"]])},
        ),
        Form(
            "brat: an .ann file beside the text",
            {"a.txt": "Mira Kost left\nNobody came\n", "a.ann": "T1\tPER 0 9\tMira Kost\n"},
        ),
    ),
    "Documents": (
        Form(
            "Texts with summaries",
            {"news.jsonl": _line({"article": "It rained. The river rose.", "highlights": "The river rose."})},
        ),
        Form(
            "Paragraphs of sentences, as Korean summary sets have them",
            {
                "paragraphs.jsonl": _line(
                    {
                        "text": [[{"index": 0, "sentence": "비가 왔다."}], [{"index": 1, "sentence": "강이 불었다."}]],
                        "abstractive": "강이 불었다.",
                    }
                )
            },
            task="extractive",
        ),
    ),
}


def page() -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for title, forms in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += ["\n".join(_described(form)) for form in forms]
    return "\n".join([*parts, ENDING])


def _described(form: Form) -> Iterator[str]:
    yield f"### {form.title}\n"
    for name, text in form.files.items():
        yield f"`{name}`\n"
        yield f"```\n{text}```\n"
    dataset, notes = _loaded(form)
    task = f"`--task {form.task}`" if form.task != "auto" else f"`{dataset.task}`"
    yield f"Read as {task}:\n"
    rows = dataset.splits["train"]
    yield from (f"- {_row(row)}" for row in rows[: form.shown or len(rows)])
    yield from ["- …"] if 0 < form.shown < len(rows) else []
    yield ""
    for note in notes:
        yield f"Said: {note}\n"
    if form.remark:
        yield f"{form.remark}\n"


def _loaded(form: Form) -> tuple[DataSet, list[str]]:
    """Read an example, and return what is said of it apart from the reason for a task."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in form.files.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        dataset = load_data([str(Path(folder, next(iter(form.files))))], task=form.task)
        said = [*dataset.notes, *dataset.warnings]
        return dataset, [note.replace(f"{folder}/", "") for note in said if not note.startswith("task: ")]


def _row(row: Example) -> str:
    texts = " + ".join(f"“{' ⏎ '.join(text.splitlines())}”" for text in row.texts).replace("<", r"\<")
    if isinstance(row, Question):
        choices = ", ".join(f"{name}: {text}" for name, text in zip(row.names, row.choices, strict=True))
        return f"{texts} ({choices}) → {row.label}"
    if isinstance(row, Document):
        return f"{texts} → “{row.summary}”"
    return f"{texts} → {json.dumps(row.answer, ensure_ascii=False)}"


if __name__ == "__main__":
    sys.stdout.write(page())
