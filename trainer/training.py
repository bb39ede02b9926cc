"""The training loop's decisions: when to step, on what, when a checkpoint is due, what it says.

Everything from the outside comes in as a collaborator, so that the loop runs in a test without a
broker, a thread or a real clock. It reads no Kafka itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from fixstream.runtime.clock import Clock
from fixstream.schemas.enums import UpdateKind
from fixstream.trainer.admission import Admission, Admitted
from fixstream.trainer.candidate import Candidate, Moment, Start, versions_of
from fixstream.trainer.checkpoint import Counts, Manifest, StoredCheckpoint
from fixstream.trainer.feedback import FeedbackBook
from fixstream.trainer.gate import Cost, CostLimits
from fixstream.trainer.learner import Learner, Learnt
from fixstream.trainer.ledger import Ledger, WaitingExample
from fixstream.trainer.metrics import (
    EXAMPLES,
    SNAPSHOT_SECONDS,
    VERSION,
    WAITING,
    count_step,
    show_drift,
    show_scores,
)
from fixstream.trainer.recorder import CheckpointRecorder, Recorded
from fixstream.trainer.snapshot import Spare
from fixstream.trainer.step import NonFiniteLoss
from fixstream.trainer.substitution import TextPair, told_apart
from fixstream.trainer.success import Fall, fall_of_success
from fixstream.trainer.update_log import Superseded

log = structlog.get_logger(__name__)

_BACKLOG_BATCHES = 4
"""With more batches than this waiting, steps take new examples only."""
_LOSS_KEEP = 0.95
_MAX_FEEDBACK_OF_STEP = 8
_RELEASED_SHARE = 0.25
"""At most so much of a step comes out of quarantine: crawled texts are not to drown our own."""

SetAside = Callable[[Sequence[WaitingExample], str], None]


@dataclass(frozen=True, slots=True)
class LoopConfig:
    """How the loop paces itself."""

    model: str = "error-learning"
    batch_size: int = 32
    replay_share: float = 0.5
    step_wait_s: float = 2.0
    checkpoint_every_steps: int = 100
    checkpoint_interval_s: float = 300.0
    cost_limits: CostLimits = field(default_factory=CostLimits)


class TrainingLoop:
    """Drives one learner."""

    def __init__(
        self,
        learner: Learner,
        ledger: Ledger,
        recorder: CheckpointRecorder,
        set_aside: SetAside,
        clock: Clock,
        config: LoopConfig,
    ) -> None:
        self._learner = learner
        self._ledger = ledger
        self._recorder = recorder
        self._set_aside = set_aside
        self._clock = clock
        self._config = config
        self._start = Start()
        self._counts = Counts()
        self._candidate: Candidate | None = None
        self._waiting_since: float | None = None
        self._last_checkpoint_s = clock.monotonic()
        self._last_recorded = self._stored = Counts()
        self._mean_loss: float | None = None
        self._skipped_before = self._blocked_before = 0
        self._has_failed = False
        self._feedback = FeedbackBook()
        self._has_heard = False
        self._spare = Spare()
        self._admission = Admission(learner, ledger.blocked)

    @property
    def counts(self) -> Counts:
        """What became of the examples so far."""
        return self._counts

    @property
    def parent(self) -> int | None:
        """Version of the last checkpoint."""
        return self._start.parent

    def begin(self, start: Start, feedback: FeedbackBook | None = None) -> None:
        """Takes up the lineage, and the feedback; called once, before the first `advance`."""
        self._start = start
        self._feedback = feedback or self._feedback
        self._counts = self._last_recorded = self._stored = start.counts
        self._skipped_before = start.counts.skipped
        self._blocked_before = start.counts.blocked
        VERSION.set(start.next_version - 1)
        self._learner.captured(self._spare)  # So that its memory is there when the steps wait.

    def advance(self) -> bool:
        """Does what is due: at most one step, and the begin or the end of a checkpoint.

        Returns:
            Whether a step was taken, so that the caller may come back at once.
        """
        recorded = self._recorder.collect()
        if recorded is not None:
            self._settle(recorded)
        has_stepped = self._step_if_due()
        if self._is_checkpoint_due():
            self.begin_checkpoint()
        return has_stepped

    def fall(self) -> Fall | None:
        """The promotion since which fixes work less, once votes that say so were learnt from."""
        if not self._has_heard or self._recorder.is_busy:
            return None
        self._has_heard = False
        in_force = self._start.in_force
        votes = {made: said for made, said in self._feedback.votes.items() if made in in_force}
        return fall_of_success(votes, self._start.promotions[1:])

    def finish(self, timeout_s: float) -> None:
        """Ends in order: the running checkpoint first, then one of everything learnt since."""
        self._await_recorder(timeout_s)
        if not self._recorder.is_busy and self._counts != self._last_recorded:
            self.begin_checkpoint()
            self._await_recorder(timeout_s)

    def begin_checkpoint(self) -> None:
        """Hands a copy of the present state to the recorder, which has it judged and written."""
        started = time.perf_counter()
        start, position = self._start, self._ledger.position()
        manifest = Manifest(
            model=self._config.model,
            version=start.next_version,
            parent=start.parent,
            champion=start.champion,
            kind=UpdateKind.REJECTED,
            reason=None,
            created_at=self._clock.now(),
            config=self._learner.config.model,
            seed=self._learner.config.seed,
            counts=self._counts,
            batch_offsets=position.batch_offsets,
            origin_offsets=position.origin_offsets,
            lineage=self._ledger.lineage(),
            metrics={"loss": self._mean_loss or 0.0},
            versions=versions_of(start),
            feedback_offsets=self._feedback.offsets(),
        )
        moment = Moment(manifest, start, self._feedback.to_json(), self._config.cost_limits)
        snapshot = self._learner.captured(self._spare)  # The one before is written by now.
        self._candidate = Candidate(snapshot, moment, position)
        self._recorder.submit(self._candidate.draft)
        self._last_recorded = self._counts
        self._last_checkpoint_s = self._clock.monotonic()
        SNAPSHOT_SECONDS.set(time.perf_counter() - started)

    def _step_if_due(self) -> bool:
        num_waiting = self._ledger.num_waiting
        WAITING.set(num_waiting)
        num_new, num_replayed = self._share_of_step(num_waiting)
        if num_new == 0:
            return False
        self._step(num_new, num_replayed)
        self._waiting_since = None
        return True

    def _share_of_step(self, num_waiting: int) -> tuple[int, int]:
        """How many new and replayed examples the next step takes; none while it is not due."""
        size = self._config.batch_size
        if num_waiting > size * _BACKLOG_BATCHES:
            return size, 0
        fresh = max(1, size - int(size * self._config.replay_share))
        if num_waiting >= fresh:
            return fresh, size - fresh
        now = self._clock.monotonic()
        if num_waiting and self._waiting_since is None:
            self._waiting_since = now
        if num_waiting and now - (self._waiting_since or 0.0) >= self._config.step_wait_s:
            return num_waiting, size - num_waiting
        return 0, 0

    def _step(self, num_new: int, num_replayed: int) -> None:
        max_released = max(1, int(self._config.batch_size * _RELEASED_SHARE))
        admitted = self._admission.admit(self._ledger.take(num_new), max_released)
        self._count(admitted)
        examples = admitted.examples
        if not examples:
            return
        started = time.perf_counter()
        self._has_heard = self._has_heard or self._feedback.num_waiting > 0
        pairs = self._feedback.take(_MAX_FEEDBACK_OF_STEP)
        try:
            num_old = max(num_replayed - len(admitted.released), 0)
            num_released = len(admitted.released)
            texts = _texts(admitted) if self._learner.config.generation else []
            learnt = self._learner.learn(examples, num_old, pairs, num_released, texts)
            show_drift(self._learner.drift.signals())
        except NonFiniteLoss as error:
            # Of those out of quarantine there is no text left that could be set aside.
            self._set_aside([waiting for waiting, _ in admitted.fresh], str(error))
            num_set_aside = self._counts.set_aside + len(examples)
            self._counts = replace(self._counts, set_aside=num_set_aside)
            EXAMPLES.labels("set_aside").inc(len(examples))
            return
        self._note(learnt, time.perf_counter() - started)

    def _count(self, admitted: Admitted) -> None:
        counts = self._counts
        self._blocked_before += admitted.num_blocked
        self._counts = replace(
            counts,
            held_out=counts.held_out + admitted.num_held_out,
            skipped=self._skipped_before + self._ledger.num_skipped,
            blocked=self._blocked_before + self._ledger.num_blocked,
            quarantined=len(self._learner.quarantine),
            dropped=counts.dropped + admitted.num_dropped,
        )

    def _note(self, learnt: Learnt, seconds: float) -> None:
        self._counts = replace(
            self._counts, steps=learnt.step, trained=self._counts.trained + learnt.num_new
        )
        count_step(learnt, seconds)
        if learnt.result is None:  # The network rested.
            return
        total = learnt.result.losses["total"]
        before = total if self._mean_loss is None else self._mean_loss
        self._mean_loss = before * _LOSS_KEEP + total * (1 - _LOSS_KEEP)
        log.debug("step taken", step=learnt.step, loss=round(total, 4), seconds=round(seconds, 3))

    def _is_checkpoint_due(self) -> bool:
        if self._recorder.is_busy or self._counts == self._last_recorded:
            return False
        num_steps = self._counts.steps - self._last_recorded.steps
        waited_s = self._clock.monotonic() - self._last_checkpoint_s
        if waited_s >= self._config.checkpoint_interval_s:
            return True
        # A disk that refused the last one gets its time to recover.
        return not self._has_failed and num_steps >= self._config.checkpoint_every_steps

    def _await_recorder(self, timeout_s: float) -> None:
        if self._recorder.is_busy:
            recorded = self._recorder.collect(timeout_s)
            if recorded is not None:
                self._settle(recorded)

    def _settle(self, recorded: Recorded) -> None:
        candidate, self._candidate = self._candidate, None
        assert candidate is not None, "a checkpoint ended that was never begun"
        if recorded.is_superseded:
            raise Superseded(recorded.failure or "")
        if recorded.stored is None:
            # Everything stays as it was: the next one will cover what this one would have.
            self._last_recorded = self._stored
            self._has_failed = True
            return
        self._adopt(recorded.stored, candidate)

    def _adopt(self, stored: StoredCheckpoint, candidate: Candidate) -> None:
        manifest = stored.manifest
        assert candidate.answers is not None, "a checkpoint was stored that was never judged"
        if manifest.kind is UpdateKind.PROMOTED:
            self._learner.validation.crown(candidate.answers)
        self._ledger.start_lineage(candidate.position)
        show_scores(manifest.metrics)
        self._stored = manifest.counts
        self._has_failed = False
        self._start = replace(
            self._start,
            next_version=manifest.version + 1,
            parent=manifest.version,
            champion=manifest.champion,
            champion_cost=Cost.of(manifest.metrics, "champion_cost"),
            in_force=self._start.in_force | {manifest.version},
            promotions=(*self._start.promotions, manifest.version)
            if manifest.kind is UpdateKind.PROMOTED
            else self._start.promotions,
        )
        log.info(
            "checkpoint stored",
            model_version=manifest.version,
            kind=manifest.kind.value,
            reason=manifest.reason,
            step=manifest.counts.steps,
            size_bytes=manifest.size_bytes,
        )


def _texts(admitted: Admitted) -> list[TextPair]:
    """The reports of a step that have more than a title, for the decoder to practise on."""
    reports = [waiting.example for waiting, _ in admitted.fresh]
    told = [told_apart(report.message, report.error_type) for report in reports]
    return [pair for pair in told if pair is not None]
