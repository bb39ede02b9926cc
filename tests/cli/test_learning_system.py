"""The loop in one process: what it learns, what it keeps, and that a loaded one goes on alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from fixstream.cli.learning_system import ContinuousLearningSystem
from fixstream.producers.history import record_from
from fixstream.schemas.errors import ArtifactRejected, RetryLater
from fixstream.schemas.records import ErrorEvent, FixFeedback, Provenance, Solution
from fixstream.trainer.checkpoint import WEIGHTS
from support.events import make_event
from support.histories import history, tiny_system

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def events(size: int, seed: int = 0) -> list[ErrorEvent]:
    """Labelled errors."""
    return [
        record_from(line, number, NOW).event for number, line in enumerate(history(size, seed), 1)
    ]


def feed(system: ContinuousLearningSystem, given: Sequence[ErrorEvent]) -> None:
    """Buffers the errors, and learns as soon as there is a batch."""
    for event in given:
        if system.buffer(event):
            system.learn()


def weights(system: ContinuousLearningSystem) -> dict[str, torch.Tensor]:
    """All tensors of the present model."""
    learner = system.learner
    return dict(learner.snapshot(learner.answers()).tensors[WEIGHTS])


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    """Whether two models are equal bit by bit."""
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


def test_it_learns_to_label_what_it_has_seen(tmp_path: Path) -> None:
    asked = [
        replace(event, severity_hint=None, domain_hint=None, attributes={})
        for event in events(40, seed=9)
    ]
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        before = [answer.advice.labels.severity.value for answer in system.predict(asked)]
        feed(system, events(240))
        answers = system.predict(asked)
    truths = [event.severity_hint for event in events(40, seed=9)]
    said = [answer.advice.labels.severity.value for answer in answers]
    assert sum(a == b for a, b in zip(said, truths, strict=True)) > 34
    assert sum(a == b for a, b in zip(before, truths, strict=True)) < 20
    categories = {answer.advice.labels.category.value for answer in answers}
    assert {"quota", "authorization"} <= categories


def test_nothing_is_learnt_from_a_prediction(tmp_path: Path) -> None:
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        feed(system, events(40))
        before = weights(system)
        system.predict(events(20, seed=4))
        assert same(before, weights(system))


def test_a_batch_waits_until_it_is_complete_or_flushed(tmp_path: Path) -> None:
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        assert [system.buffer(event) for event in events(8)] == [False] * 7 + [True]
        assert system.learn() > 0
        system.buffer(events(9)[8])
        assert system.learn() == 0
        system.flush()
        assert system.learn() == 1
        assert system.counts.seen == system.num_buffered == 9


def test_what_cannot_be_used_is_counted_and_the_rest_is_learnt(tmp_path: Path) -> None:
    given = events(16)
    given[3] = replace(given[3], event_id="")
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        feed(system, given)
        system.flush()
        system.learn()
        assert system.num_dead_lettered == 1
        assert system.counts.seen == 15


def test_a_loaded_system_goes_on_as_the_saved_one_does(tmp_path: Path) -> None:
    given = events(96)
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        feed(system, given[:50])
        version = system.save()
        assert system.num_buffered == 50
        with ContinuousLearningSystem(tiny_system(tmp_path)) as loaded:
            assert loaded.load()
            assert loaded.num_buffered == 50
            assert loaded.counts == system.counts
            for one in (system, loaded):
                feed(one, given[50:])
            assert system.counts.steps > 12
            assert same(weights(system), weights(loaded))
            answers = [one.predict(given[:5])[0].prediction for one in (system, loaded)]
            assert answers[0].labels == answers[1].labels
            assert answers[0].model_version == answers[1].model_version == version + 1


def test_saving_again_without_news_writes_nothing(tmp_path: Path) -> None:
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        feed(system, events(16))
        assert system.save() == system.save() == 1
        feed(system, events(24, seed=2))
        assert system.save() == 2


def test_a_fresh_system_can_be_saved(tmp_path: Path) -> None:
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        assert system.save() == 1
    with ContinuousLearningSystem(tiny_system(tmp_path)) as loaded:
        assert loaded.load()
        assert loaded.num_buffered == 0


def test_without_a_checkpoint_loading_changes_nothing(tmp_path: Path) -> None:
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        feed(system, events(16))
        assert not system.load()
        assert system.counts.seen == 16


def test_an_altered_checkpoint_is_refused(tmp_path: Path) -> None:
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        feed(system, events(16))
        system.save()
        (tmp_path / "checkpoint-00000001" / WEIGHTS).write_bytes(b"something else")
        with pytest.raises(ArtifactRejected):
            system.load()
        assert system.counts.seen == 16


def test_a_checkpoint_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        feed(system, events(16))
        # A file where the folder of the checkpoint would be made.
        (tmp_path / ".writing-checkpoint-00000001").write_text("in the way")
        with pytest.raises(RetryLater, match="could be written"):
            system.save()
        (tmp_path / ".writing-checkpoint-00000001").unlink(missing_ok=True)
        assert system.save() == 1


def test_the_history_tells_what_was_learnt_and_saved(tmp_path: Path) -> None:
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        feed(system, events(24))
        system.save()
        moments = system.history
    assert [moment.model_version for moment in moments] == [None, None, None, 1]
    seen = [moment.examples_seen for moment in moments]
    assert seen == [8, 16, 24, 24]
    assert "progressive.severity.macro_f1" in moments[2].metrics


def test_a_confirmed_fix_is_suggested_for_its_group(tmp_path: Path) -> None:
    solution = Solution(
        solution_id="fix-1",
        title="LedgerOops: ledger refused the entry of account",
        text="open the period",
        provenance=Provenance(url="https://example.org/1"),
        created_at=NOW,
    )
    event = make_event("ledger refused the entry of account 17", error_type="LedgerOops")
    with ContinuousLearningSystem(tiny_system(tmp_path)) as system:
        assert not system.predict([event])[0].advice.fixes
        system.add_solution(solution)
        fingerprint = system.predict([event])[0].triage.fingerprint
        worked = FixFeedback(
            feedback_id="f",
            error_id=event.event_id,
            solution_id="fix-1",
            solution_worked=True,
            submitted_at=NOW,
            submitter="someone",
        )
        system.feedback(worked, fingerprint)
        fixes = system.predict([event])[0].advice.fixes
    assert [fix.solution_id for fix in fixes] == ["fix-1"]
    assert "worked for this group" in fixes[0].matched_on
