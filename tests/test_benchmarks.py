"""The benchmarks compare fairly, say what they leave out, and run; their speeds are not tested."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
MODULES = sorted(path.stem for path in BENCHMARKS.glob("*.py"))
SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if "run_script(" in path.read_text(encoding="utf-8"))
SCRIPTS.remove("options")


@pytest.fixture(autouse=True)
def in_benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Import as a script there does, and leave no module of these names behind."""
    before = {name: sys.modules.pop(name, None) for name in MODULES}
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delenv("BERTKIT_TEST_DATA", raising=False)
    yield
    for name in MODULES:
        sys.modules.pop(name, None)
    sys.modules.update({name: module for name, module in before.items() if module is not None})


def module(name: str) -> Any:
    return importlib.import_module(name)


def report_of(name: str, arguments: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Run a script with two rounds and without data, and return what it prints as JSON."""
    code = module(name).main([*arguments.split(), "--repetitions", "2", "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    (line,) = out.splitlines()
    report: dict[str, Any] = json.loads(line)
    return report


def keys(report: dict[str, Any]) -> set[str]:
    return {figure["key"] for figure in report["figures"]}


def course(name: str, *seconds: float, units: float = 1.0) -> Any:
    side = module("sidebyside")
    return side.Course(name, tuple(side.Turn(each, units) for each in seconds))


class TestSideBySide:
    """Turns, rounds and ratios."""

    def contender(self, name: str, log: list[str]) -> Any:
        side = module("sidebyside")

        def take_turn() -> Any:
            log.append(name)
            return side.Turn(1.0, value=len(log))

        return side.Contender(name, take_turn)

    def test_contenders_alternate_in_both_orders_after_a_warm_up(self) -> None:
        log: list[str] = []
        courses = module("sidebyside").alternate([self.contender(name, log) for name in "ab"], 3)

        assert "".join(log) == "ab" + "ab" + "ba" + "ab"
        assert [turn.value for turn in courses["a"].turns] == [3, 6, 7], "the first round does not count"
        assert [turn.value for turn in courses["b"].turns] == [4, 5, 8], "turns of a round stand at the same place"

    @pytest.mark.parametrize(("budget", "rounds"), [(None, 5), (0.0, 2), (25.0, 4), (1000.0, 5)])
    def test_the_budget_ends_the_rounds_but_never_before_two(self, budget: float | None, rounds: int) -> None:
        now = iter(range(0, 1000, 10))
        courses = module("sidebyside").alternate(
            [self.contender("a", [])], 5, budget_s=budget, clock=lambda: float(next(now))
        )
        # The clock is read once before, and before each round from the third on.
        assert len(courses["a"].turns) == rounds

    def test_ratios_are_of_the_same_round(self) -> None:
        """The machine is four times as slow in the second round: no reason for another ratio."""
        ours, others = course("ours", 1.0, 4.0, 1.0), course("reference", 2.0, 8.0, 3.0)
        side = module("sidebyside")

        assert side.speed_ratios(ours, others) == side.Estimate(2.0, 2.0, 3.0, 3)
        assert side.time_ratios(ours, others).median == pytest.approx(0.5)

    def test_speed_counts_the_units(self) -> None:
        ours, others = course("ours", 2.0, units=100), course("reference", 2.0, units=25)
        assert module("sidebyside").speed_ratios(ours, others).median == 4.0

    def test_rounds_that_do_not_match_are_refused(self) -> None:
        with pytest.raises(ValueError, match="zip"):
            module("sidebyside").speed_ratios(course("ours", 1.0), course("reference", 1.0, 1.0))

    def test_unevenness_compares_the_slowest_with_the_fastest(self) -> None:
        courses = {"a": course("a", 1.0, 1.0, 9.0), "b": course("b", 2.0, 2.0, 9.0), "c": course("c", 1.5, 1.0, 9.0)}
        estimate = module("sidebyside").unevenness(courses)
        assert (estimate.median, estimate.low, estimate.high) == (2.0, 1.0, 2.0)

    def test_a_turn_is_timed_as_a_whole(self) -> None:
        turn = module("sidebyside").clocked("a", lambda: "done", units=3).take_turn()
        assert turn.value == "done"
        assert turn.seconds > 0
        assert turn.speed == pytest.approx(3 / turn.seconds)

    def test_equal_share(self) -> None:
        assert module("sidebyside").equal_share("abcd", "abxd") == 0.75


class TestTable:
    """Targets beside results, and the README's table."""

    FIGURE: ClassVar[dict[str, Any]] = {
        "key": "predict.float32",
        "what": "",
        "unit": "×",
        "median": 3.0,
        "low": 2.0,
        "high": 4.0,
        "n": 5,
    }

    def results(self, **changes: Any) -> dict[str, Any]:
        machine = {"processor": "A CPU", "cores": 2, "flags": [], "threads": 2, "versions": {}}
        report = {"job": "predict", "data": "GENERATED", "machine": machine, "figures": [self.FIGURE], "left_out": {}}
        base = {"date": "2000-01-01", "form": "short", "seconds": 60, "skipped": {}, "failed": {}}
        return {**base, "reports": [{**report, **changes}]}

    def line(self, results: dict[str, Any], claim: str) -> Any:
        found = [line for line in module("all").table_lines(results) if line.claim.startswith(claim)]
        assert len(found) == 1
        return found[0]

    @pytest.mark.parametrize(("median", "verdict"), [(3.0, "met"), (2.5, "met"), (2.4, "missed")])
    def test_a_target_is_met_or_missed_by_the_median(self, median: float, verdict: str) -> None:
        results = self.results(figures=[{**self.FIGURE, "median": median}])
        line = self.line(results, "predict, plain head, float32 / pipeline")
        assert (line.target, line.interval) == ("≥ 2.5 ×", "2 .. 4")
        assert line.verdict.partition(":")[0] == verdict  # a miss goes on to say why

    def test_what_was_not_measured_says_why(self) -> None:
        results = self.results(left_out={"predict.bfloat16": "no such processor"})
        results["skipped"]["textrank"] = "sumy is missing"
        results["failed"]["oracle"] = "it broke"

        assert self.line(results, "predict, plain head, bfloat16 / pipeline in float32").verdict == "no such processor"
        assert self.line(results, "TextRank / sumy, news").verdict == "sumy is missing"
        assert self.line(results, "oracle labels").verdict == "it broke"
        assert self.line(results, "whole training, time of tuned").verdict == "not part of this form"

    def test_every_target_has_a_script_and_a_key_of_its_own(self) -> None:
        claims = module("claims")
        jobs = {job.name: job for job in claims.JOBS}
        assert {target.job for target in claims.TARGETS} == set(jobs)
        assert len({target.key for target in claims.TARGETS}) == len(claims.TARGETS)
        assert {Path(job.script).stem for job in claims.JOBS} == set(SCRIPTS)

    def test_the_words_of_every_job_are_flags_of_its_script(self) -> None:
        for job in module("claims").JOBS:
            for words in filter(None, (job.short, job.long)):
                with pytest.raises(SystemExit) as ended:
                    module(Path(job.script).stem).main([*words, "--help"])
                assert ended.value.code == 0, job

    def test_the_readme_is_filled_between_its_marks_and_again(self, tmp_path: Path) -> None:
        everything, readme = module("all"), tmp_path / "README.md"
        readme.write_text((BENCHMARKS / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
        results = self.results()
        texts = []
        for _ in range(2):
            everything.write_readme(readme, list(everything.table_lines(results)), results)
            texts.append(readme.read_text(encoding="utf-8"))

        assert texts[0] == texts[1]
        assert (
            "| predict, plain head, float32 / pipeline at its best batch size | ≥ 2.5 × | 3 × | 2 .. 4 | met |"
            in texts[0]
        )
        assert "on generated rows: predict" in texts[0]
        assert "No results yet." not in texts[0]
        assert texts[0].startswith("# Benchmarks")

    def test_tables_of_other_processors_stay(self, tmp_path: Path) -> None:
        everything, readme = module("all"), tmp_path / "README.md"
        readme.write_text(f"before\n{everything.BEGIN}\n\n{everything.END}\nafter\n", encoding="utf-8")
        for flags, median in ((["AVX2"], 2.0), (["AVX512-BF16", "AVX2"], 3.0), (["AVX512-BF16", "AVX2"], 4.0)):
            machine = {"processor": "A CPU", "cores": 2, "flags": flags, "threads": 2, "versions": {}}
            results = self.results(machine=machine, figures=[{**self.FIGURE, "median": median}])
            everything.write_readme(readme, list(everything.table_lines(results)), results)
        text = readme.read_text(encoding="utf-8")
        assert [line for line in text.splitlines() if line.startswith("### ")] == ["### AVX512-BF16", "### AVX2"]
        newer, older = text.split("### AVX2")
        assert "| ≥ 2.5 × | 4 × |" in newer
        assert "| ≥ 2.5 × | 2 × |" in older
        assert "3 ×" not in text.replace("1.3 ×", "")
        assert text.startswith("before")
        assert text.endswith("after\n")

    def test_a_readme_without_marks_is_left_alone(self, tmp_path: Path) -> None:
        readme = tmp_path / "README.md"
        readme.write_text("nothing", encoding="utf-8")
        with pytest.raises(ValueError, match="no place for results"):
            module("all").write_readme(readme, [], self.results())
        assert readme.read_text(encoding="utf-8") == "nothing"

    def test_scripts_that_ran_again_replace_their_lines(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first, again = self.results(), self.results(figures=[{**self.FIGURE, "median": 1.5}])
        again["date"] = "2000-01-02"
        first["reports"].append({**first["reports"][0], "job": "oracle", "figures": []})
        first["failed"]["predict"] = "it broke"
        files = [tmp_path / f"{name}.json" for name in "ab"]
        for path, results in zip(files, (first, again), strict=True):
            path.write_text(json.dumps(results), encoding="utf-8")

        assert module("all").main(["--from", *map(str, files), "--only", "predict"]) == 0
        shown = capsys.readouterr().out
        assert "1.5 ×" in shown
        assert "again on 2000-01-02: predict" in shown
        joined = module("all").joined([first, again])
        assert [report["job"] for report in joined["reports"]] == ["predict", "oracle"]

    def test_saved_results_are_shown_without_running(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        saved = tmp_path / "results.json"
        saved.write_text(json.dumps(self.results()), encoding="utf-8")
        assert module("all").main(["--from", str(saved), "--only", "predict"]) == 0
        out = capsys.readouterr().out
        assert "predict, plain head, float32 / pipeline at its" in " ".join(out.split())
        assert "TextRank" not in out

    def test_a_job_that_fails_is_told_from_one_that_lacks_a_peer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        everything, claims = module("all"), module("claims")
        codes = {"a": 3, "b": 1, "c": 0}

        def run(job: Any, words: object, options: object) -> subprocess.CompletedProcess[str]:
            out = "noise\n" + json.dumps({"figures": [], "left_out": {}}) if job.name == "c" else ""
            return subprocess.CompletedProcess([], codes[job.name], out, f"first\nlast word of {job.name}\n")

        monkeypatch.setattr(everything, "_run", run)
        jobs = [claims.Job(name, "x.py", (), None) for name in codes]
        results = everything.run_jobs(jobs, everything._parser().parse_args([]))
        assert results["skipped"] == {"a": "last word of a"}
        assert results["failed"] == {"b": "last word of b"}
        assert [report["job"] for report in results["reports"]] == ["c"]


class TestInputs:
    """Generated rows have the lengths of those they stand in for."""

    def test_generated_pairs(self) -> None:
        inputs = module("inputs")
        pairs = inputs.load_pairs(None, 300)
        words = [len(text.split()) for example in pairs.examples for text in example.texts]
        assert len(pairs.examples) == 300
        assert 18 < sum(words) / len(words) < 20
        assert {example.label for example in pairs.examples} == {"0", "1"}
        assert "GENERATED" in pairs.source
        assert inputs.load_pairs(None, 300) == pairs, "the same every time"

    def test_rows_are_lengthened_to_what_is_asked(self) -> None:
        inputs = module("inputs")
        short = inputs.load_pairs(None, 5)
        long = inputs.lengthened(short, 500)
        assert [example.label for example in long.examples] == [example.label for example in short.examples]
        for example in long.examples:
            assert 500 <= sum(len(text.split()) for text in example.texts) < 570

    def test_pairs_are_written_as_bertkit_reads_them(self, tmp_path: Path) -> None:
        from bertkit.tasks.rows import load_data

        inputs = module("inputs")
        pairs = inputs.load_pairs(None, 20)
        read = load_data((str(inputs.write_pairs(pairs, tmp_path / "train.tsv")),), splits=("train",)).splits["train"]
        assert [(example.texts, example.label) for example in read] == [(e.texts, e.label) for e in pairs.examples]

    def test_generated_documents(self) -> None:
        inputs = module("inputs")
        texts = inputs.load_texts(None, 60)
        counts = [len(document.sentences) for document in texts.documents]
        assert 20 < sum(counts) / len(counts) < 36
        (long,) = inputs.long_texts(texts, 400, 1).documents
        assert len(long.sentences) == 400


def absent(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


def test_scripts_ask_for_help_without_torch() -> None:
    program = (
        "import importlib, sys\n"
        f"names = {MODULES!r}\n"
        "[importlib.import_module(name) for name in names]\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'openvino'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=BENCHMARKS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_says_what_is_compared(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        module(name).main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert (module(name).__doc__ or "").splitlines()[0][:40] in " ".join(out.split())
    assert "--json" in out


def test_a_script_without_its_peers_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent(monkeypatch, "sumy", "summa", "sumy.models.dom", "summa.summarizer")
    assert module("textrank").main(["--documents", "1"]) == 3
    assert "pip install '.[bench]'" in capsys.readouterr().err


def stand_in(path: str, monkeypatch: pytest.MonkeyPatch, **contents: Callable[..., Any]) -> None:
    """Put a module in the place of one that may not be installed."""
    names = path.split(".")
    for depth in range(1, len(names) + 1):
        made = ModuleType(".".join(names[:depth]))
        made.__path__ = []
        monkeypatch.setitem(sys.modules, made.__name__, made)
    for name, value in contents.items():
        setattr(sys.modules[path], name, value)


def test_textrank_beside_one_peer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    absent(monkeypatch, "sumy", "sumy.models.dom")
    stand_in("summa.summarizer", monkeypatch, summarize=lambda text, **_: [(text.splitlines()[0], 1.0)])
    report = report_of("textrank", "--documents 3 --sentences 30", capsys)

    assert {"textrank.articles.summa", "textrank.long.summa"} <= keys(report)
    assert set(report["left_out"]) == {"textrank.articles.sumy", "textrank.long.sumy"}
    assert "GENERATED" in report["data"]
    assert report["machine"]["threads"] >= 1


def test_oracle_labels_are_those_of_rouge_score(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("oracle", "--documents 1", capsys)
    assert keys(report) == {"oracle.rouge_score", "oracle.equal"}
    assert report["figures"][1]["median"] == 100


def test_rouge_figures_agree(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("rouge", "--pairs 3", capsys)
    assert keys(report) == {"rouge.speed", "rouge.cores"}
    (note,) = report["notes"]
    assert float(note.split("differ by ")[1].split()[0]) < 1e-9


def test_scratch(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("scratch", "--size tiny --rows 2 --tokens 8 16", capsys)
    assert keys(report) == {f"scratch.{mode}.{tokens}" for mode in ("forward", "backward") for tokens in (8, 16)}


def test_embedding(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("embedding", "--rows 1 --tokens 8 --vocabularies 50 90", capsys)
    assert keys(report) == {"embedding.50", "embedding.90"}


def test_scratch_compares_equal_models_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scratch = module("scratch")
    monkeypatch.setattr(scratch, "CLOSE", -1.0)
    assert scratch.main(["--size", "tiny", "--rows", "2", "--tokens", "8"]) == 3
    assert "no longer the same" in capsys.readouterr().err


def test_deberta(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("deberta", "--layers 1 --hidden 64 --rows 4 --tokens 8", capsys)
    found = {figure["key"]: figure["median"] for figure in report["figures"]}
    assert set(found) == {"deberta.transformers.8", "deberta.bert.8", "deberta.labels.8"}
    assert found["deberta.labels.8"] == 100


def test_long_documents(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("long_documents", "--layers 1 --hidden 32 --tokens 100 400", capsys)
    assert keys(report) == {"long.longformer", "long.windows"}
    assert len(report["speeds"]) == 4


def test_attention(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("attention", "--layers 2 --hidden 32 --tokens 1000 4000", capsys)
    found = {figure["key"]: figure["median"] for figure in report["figures"]}
    assert set(found) == {f"attention.{k}.{w}" for k in ("window", "dilated", "global") for w in ("time", "memory")} | {
        "attention.dilated"
    }
    assert max(found[f"attention.{kind}.memory"] for kind in ("window", "dilated", "global")) <= 1.15


def test_predict_leaves_engines_out_that_are_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent(monkeypatch, "openvino", "onnxruntime")
    report = report_of("predict", "--model tiny --rows 12 --trial 4 --padded 40 --bfloat16 --no-default-run", capsys)
    found = {figure["key"]: figure["median"] for figure in report["figures"]}
    assert {"predict.float32", "predict.bfloat16", "predict.labels_bfloat16"} <= set(found)
    assert found["predict.labels_float32"] == 100
    reasons = report["left_out"]
    assert set(reasons) == {"predict.openvino_float32", "predict.openvino_bfloat16", "predict.onnxruntime_float32"}
    assert ".[bench]" in reasons["predict.openvino_bfloat16"]
    assert 0 < found["predict.padding"] < 100


@pytest.mark.parametrize(
    ("config", "reason"), [('{"architectures": ["BertModel"]}', "--pooling pooler"), (None, "config")]
)
def test_predict_refuses_a_run_the_pipeline_cannot_open(
    config: str | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config, encoding="utf-8")
    assert module("predict").main(["--run", str(tmp_path), "--rows", "4"]) == 3
    assert reason in capsys.readouterr().err


def test_train_beside_both_trainers(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("train", "--model tiny --rows 30 --steps 2 --batch-size 4 --tokens 32", capsys)
    assert keys(report) == {"train.short.recipe", "train.short.tuned"}
    assert "1 counted steps a turn, after 2" in report["notes"]


@pytest.mark.slow
def test_train_whole_compares_the_f1(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("train", "--whole --epochs 1 --model tiny --rows 60 --batch-size 8 --tokens 32", capsys)
    assert {"train.whole.tuned", "train.whole.f1_tuned", "train.whole.f1_recipe"} <= keys(report)
    assert sum("95 % interval" in note for note in report["notes"]) == 3


@pytest.mark.slow
@pytest.mark.slow
def test_large_tables(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("datasets")
    report = report_of("large_tables", "--rows 300 --documents 20", capsys)
    ours = {
        f"large.{work}"
        for work in ("train", "eval", "inspect-data", "train_peers", "ready", "ready_processes", "documents")
    }
    assert keys(report) == ours
    assert all(figure["median"] > 0 for figure in report["figures"])


@pytest.mark.slow
def test_memory(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("memory", "--rows 300", capsys)
    assert keys(report) == {"memory.predict"}
    assert all(speed["median"] > 0 for speed in report["speeds"])


@pytest.mark.slow
def test_dry_run(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("dry_run", "--rows 60 --sizes tiny", capsys)
    assert keys(report) == {"memory.dry_run"}
    assert {speed["name"] for speed in report["speeds"]} == {"tiny, predicted", "tiny, measured"}


@pytest.mark.slow
def test_serve(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("serve", "--rows 48 --request 8 --model tiny --threads 1", capsys)
    assert keys(report) == {"serve.clients_1", "serve.clients_8", "serve.labels_1", "serve.labels_8"}
    equal = [figure["median"] for figure in report["figures"] if "labels" in figure["key"]]
    assert equal == [100.0, 100.0]


@pytest.mark.slow
def test_processes(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("processes", "--rows 60 --size tiny --threads 2", capsys)
    assert keys(report) == {"processes.train", "processes.metrics"}
    (apart,) = (figure["median"] for figure in report["figures"] if figure["key"] == "processes.metrics")
    assert apart < 1e-3


@pytest.mark.slow
def test_predict_with_the_default_run(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("predict", "--model tiny --rows 24 --trial 4 --padded 40 --bfloat16 --no-engines", capsys)
    ours = {
        f"predict.{part}{key}" for part in ("", "default.") for key in ("bfloat16", "both_bfloat16", "labels_bfloat16")
    }
    assert ours <= keys(report)


@pytest.mark.slow
def test_int8(capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    report = report_of("int8", "--model tiny --rows 30", capsys)
    assert "int8.labels.onnx" in keys(report)
    assert {key.split(".")[1] for key in report["left_out"]} & {"bfloat16", "float32"}


@pytest.mark.slow
def test_end_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino")
    report = report_of("end_to_end", "--model tiny --rows 20", capsys)
    found = {figure["key"]: figure["median"] for figure in report["figures"]}
    assert set(found) == {"end_to_end.auto", "end_to_end.labels"}
    assert found["end_to_end.labels"] == 100


@pytest.mark.slow
def test_resident(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("resident", "--model tiny --rows 60 --predicted 20 --threads 1", capsys)
    found = {figure["key"]: figure["median"] for figure in report["figures"]}
    assert set(found) == {"resident.train", "resident.train_mb", "resident.predict"}
    assert 100 < found["resident.train_mb"] < 2000


@pytest.mark.slow
def test_piped(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("piped", "--model tiny --pause 0.1", capsys)
    assert keys(report) == {"piped.plain", "piped.default"}
    assert all(figure["median"] >= 10 for figure in report["figures"]), "a second row is waited for"


@pytest.mark.slow
def test_short_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    script = module("short_pairs")
    if subprocess.run(["git", "-C", str(ROOT), "cat-file", "-e", script.BUILD], check=False).returncode:
        pytest.skip("the history is not here")
    report = report_of("short_pairs", "--rows 200", capsys)
    assert keys(report) == {"short_pairs.before", "short_pairs.cpu", "short_pairs.labels"}


def test_an_earlier_build_that_git_lacks_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert module("short_pairs").main(["--rows", "2", "--build", "0000000"]) == 3
    assert "0000000" in capsys.readouterr().err


@pytest.mark.slow
def test_start(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of("start", "--model tiny", capsys)
    assert keys(report) - {"start.predict_onnx"} == {
        "start.help_seconds",
        "start.tokenize_seconds",
        "start.help",
        "start.help_empty",
        "start.predict",
    }


def test_a_command_that_fails_is_no_figure() -> None:
    contender = module("start")._command("nothing", [sys.executable, "-c", "import sys; sys.exit('no such thing')"])
    with pytest.raises(module("options").Missing, match="no such thing"):
        contender.take_turn()
