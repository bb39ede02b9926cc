"""The whole loop in one process, without Kafka: buffer errors, learn, predict, save, load.

`ContinuousLearningSystem` is put together from the very functions and classes that the services
run: the processor's lane, the trainer's loop with its gate and checkpoints, and inference's
suggester. It decides nothing itself. Calls come from one thread; nothing is learnt while a
prediction is made.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

from fixstream.cli.learning_config import SystemConfig
from fixstream.inference.answer_cache import AnswerCache
from fixstream.inference.arithmetic import Arithmetic
from fixstream.inference.evidence import Evidence
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.loading import TorchModel
from fixstream.inference.served import Prediction
from fixstream.inference.suggest import (
    Advice,
    AdviceKey,
    Inquiry,
    Suggester,
    SuggesterConfig,
    inquiry_from_triage,
    visibility_key,
)
from fixstream.runtime.clock import Clock, SystemClock
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import ClosedBy
from fixstream.schemas.errors import DeadLetter
from fixstream.schemas.records import (
    ErrorEvent,
    FixFeedback,
    ModelUpdate,
    Solution,
    TriagedError,
)
from fixstream.schemas.topics import ERRORS_RAW, TRAINING_BATCHES
from fixstream.streams.dead_letters import DeadLetterRecord, RawMessage
from fixstream.streams.groups import Groups
from fixstream.streams.lane import ClosedWindow, Lane
from fixstream.streams.processor import EventProcessor
from fixstream.trainer.candidate import Start
from fixstream.trainer.checkpoint import (
    CheckpointNotWritten,
    Counts,
    SigningKey,
    open_store,
)
from fixstream.trainer.learner import Learner
from fixstream.trainer.ledger import Ledger, Position, WaitingExample
from fixstream.trainer.recorder import CheckpointRecorder
from fixstream.trainer.resume import resume
from fixstream.trainer.training import TrainingLoop
from fixstream.trainer.updates import UpdateHistory
from fixstream.triage.scrub import Scrubber
from fixstream.triage.triage import Triage, Triager

RAW = (ERRORS_RAW.name(""), 0)
"""The one partition that buffered errors count as; their offsets are their numbers."""
BATCHES = (TRAINING_BATCHES.name(""), 0)
MAX_MOMENTS = 10_000
_SAVE_TIMEOUT_S = 600.0
_FOR_EVER = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the system says about one error."""

    triage: Triage
    inquiry: Inquiry
    prediction: Prediction
    """The model's own word."""
    advice: Advice
    """What a caller of `/predict` would read: labels and fixes."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of the learning history."""

    at: datetime
    steps: int
    examples_seen: int
    model_version: int | None
    """Set where a checkpoint was written."""
    metrics: Mapping[str, float]


@dataclass(slots=True)
class _Closed:
    """What the lane hands out: batches wait here to be learnt, judged errors go on at once."""

    on_triaged: Callable[[TriagedError], None]
    windows: deque[ClosedWindow] = field(default_factory=deque)
    num_dead_lettered: int = 0

    def triaged(self, record: TriagedError) -> None:
        self.on_triaged(record)

    def dead_letter(self, record: DeadLetterRecord) -> None:
        self.num_dead_lettered += 1

    def closed(self, window: ClosedWindow) -> None:
        self.windows.append(window)


class ContinuousLearningSystem:
    """Learns from errors as they are buffered, and answers with what it has learnt so far.

    A context manager. It starts with a fresh model; `load` goes on from the newest checkpoint.
    """

    def __init__(self, config: SystemConfig, clock: Clock | None = None) -> None:
        """Builds what needs no file: nothing is read or written before the block is entered."""
        self.config = config
        # Time passes only between calls here: `flush` and `learn` stand for it.
        self._window = replace(config.window, max_age_s=math.inf)
        self._pace = replace(config.loop, step_wait_s=0.0)
        self._clock = clock or SystemClock()
        self._codec = Codec()
        self._triager = Triager()
        self._processor = EventProcessor(
            self._triager,
            self._codec,
            max_event_bytes=config.max_event_bytes,
            max_attempts=config.max_attempts,
        )
        self._store = open_store(config.checkpoint_dir)
        self._evidence = Evidence()
        self._moments: deque[Moment] = deque(maxlen=MAX_MOMENTS)
        self._saved: tuple[int, int] | None = None  # Steps and examples of the newest checkpoint.
        self._resources = ExitStack()
        self._key: SigningKey

    def __enter__(self) -> Self:
        """Makes a fresh model.

        Raises:
            Misconfigured: the signing key cannot be used.
        """
        with ExitStack() as stack:
            self._key = SigningKey.load_or_create(self.config.signing_key)
            self._knowledge = KnowledgeBase(Scrubber())
            stack.callback(self._knowledge.close)
            # One answer is kept because the suggester wants a cache; nothing is read from it.
            cache: AnswerCache[AdviceKey, Advice] = AnswerCache(self._clock, max_size=1)
            self._suggester = Suggester(
                self._knowledge, self._evidence, cache, SuggesterConfig(self.config.min_confidence)
            )
            self._recorder = CheckpointRecorder(
                self._store, self._key, self._note_update, self.config.checkpoints_kept
            )
            stack.callback(self._recorder.close)
            self._initialise(Learner(self.config.learner), Position((), ()), Start())
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    @property
    def num_buffered(self) -> int:
        """Errors that were ever buffered; after `load`, those that the checkpoint has learnt."""
        return self._lane.next_offset

    @property
    def num_dead_lettered(self) -> int:
        """Errors that could not be used, and examples that the network could not learn."""
        return self._closed.num_dead_lettered + self._num_set_aside

    @property
    def learner(self) -> Learner:
        """What learns; read its model, but leave learning to `learn`."""
        return self._learner

    @property
    def counts(self) -> Counts:
        """What became of the examples so far."""
        return self._loop.counts

    @property
    def history(self) -> tuple[Moment, ...]:
        """The learning history, oldest first: one moment for each `learn`, one for each save."""
        return tuple(self._moments)

    def buffer(self, event: ErrorEvent) -> bool:
        """Takes one error through the processor.

        Args:
            event: With what is known of it as hints.

        Returns:
            Whether a batch is complete, so that `learn` has something to do.
        """
        try:
            value = self._codec.encode(event)
        except DeadLetter:
            value = None  # No producer would have sent it; the processor sets it aside.
        number = self._lane.next_offset
        self._lane.take(RawMessage(*RAW, number, event.service.encode(), value), self._closed)
        return bool(self._closed.windows)

    def flush(self) -> None:
        """Makes a batch of what waits for more errors, as its age would."""
        self._lane.close(ClosedBy.AGE, self._closed)

    def learn(self) -> int:
        """Trains on all complete batches; returns how many steps that took."""
        before = self._loop.counts
        while self._closed.windows:
            batch = self._closed.windows.popleft().batch
            self._ledger.accept(batch, BATCHES, self._next_batch)
            self._next_batch += 1
            while self._loop.advance() or self._ledger.num_waiting:
                pass
        if self._loop.counts != before:
            counts = self._loop.counts
            self._remember(counts.steps, counts.seen, None, self._learner.metrics())
        return self._loop.counts.steps - before.steps

    def predict(self, events: Sequence[ErrorEvent]) -> list[Answer]:
        """Labels and fixes for each error, from what was learnt so far; changes nothing."""
        triages = [self._triager.triage(event) for event in events]
        inquiries = [inquiry_from_triage(triage, triage.event.service) for triage in triages]
        model = self._learner.model
        served = TorchModel(
            model.without_idle_network(),
            (self._loop.parent or 0) + 1,
            Arithmetic(model.precision.value),
        )
        predictions = served.predict([inquiry.text for inquiry in inquiries])
        return [
            Answer(triage, inquiry, prediction, self._advise(inquiry, prediction))
            for triage, inquiry, prediction in zip(triages, inquiries, predictions, strict=True)
        ]

    def add_solution(self, solution: Solution) -> None:
        """Puts a fix into the knowledge base, or another one in its place."""
        self._knowledge.put(solution)
        self._knowledge.commit()

    def knows_solution(self, solution_id: str) -> bool:
        """Whether a fix is in the knowledge base."""
        return solution_id in self._knowledge

    def feedback(self, feedback: FixFeedback, fingerprint: str | None = None) -> None:
        """Counts one word of feedback on a fix, for the group of its error where that is known."""
        self._evidence.add(feedback, fingerprint)

    def save(self) -> int:
        """Learns what is buffered, and writes a checkpoint; returns its version.

        Raises:
            CheckpointNotWritten: the disk refused; the log says why.
        """
        self.flush()
        self.learn()
        self._loop.finish(_SAVE_TIMEOUT_S)
        if self._loop.parent is None:  # Nothing was learnt yet; a fresh model can be kept as well.
            self._loop.begin_checkpoint()
            self._loop.finish(_SAVE_TIMEOUT_S)
        version = self._loop.parent
        if version is None or self._saved != (self._loop.counts.steps, self._loop.counts.seen):
            raise CheckpointNotWritten(f"no checkpoint could be written to {self._store.place}")
        return version

    def load(self) -> bool:
        """Goes on from the newest checkpoint; False, and nothing changes, if there is none.

        Fixes, feedback and what the rules have earned are no part of a checkpoint; in production
        they are no part of the trainer. Errors from `num_buffered` on were not learnt yet.

        Raises:
            ArtifactRejected: there are checkpoints, but none can be used.
        """
        learner = Learner(self.config.learner)
        resumption = resume(self._store, self._key.trusting(), UpdateHistory(), learner)
        if resumption.checkpoint is None:
            return False
        self._initialise(learner, resumption.position, resumption.start)
        manifest = resumption.checkpoint.manifest
        self._saved = (manifest.counts.steps, manifest.counts.seen)
        self._remember(*self._saved, manifest.version, manifest.metrics)
        return True

    def _initialise(self, learner: Learner, position: Position, start: Start) -> None:
        config = self.config
        self._learner = learner
        self._closed = _Closed(self._suggester.note_reported)
        self._num_set_aside = 0
        self._moments.clear()
        self._saved = None
        self._ledger = Ledger(position)
        self._loop = TrainingLoop(
            learner, self._ledger, self._recorder, self._set_aside, self._clock, self._pace
        )
        self._loop.begin(start)
        raw = {(o.topic, o.partition): o.next_offset for o in position.origin_offsets}
        batches = {(o.topic, o.partition): o.next_offset for o in position.batch_offsets}
        self._next_batch = batches.get(BATCHES, 0)
        self._lane = Lane(
            (*RAW, raw.get(RAW, 0)),
            self._processor.process,
            Groups(config.max_groups, _FOR_EVER),
            self._window,
            self._clock,
        )

    def _advise(self, inquiry: Inquiry, prediction: Prediction) -> Advice:
        key = (prediction.model_version, visibility_key(inquiry.service), inquiry.fingerprint)
        return self._suggester.advise(key, inquiry, prediction)

    def _set_aside(self, examples: Sequence[WaitingExample], reason: str) -> None:
        del reason  # The loop has logged it.
        self._num_set_aside += len(examples)

    def _note_update(self, update: ModelUpdate) -> None:
        # In the recorder's thread: what it tells of itself, not how far the loop has come since.
        self._saved = (round(update.metrics["steps"]), update.examples_seen)
        self._remember(*self._saved, update.version, update.metrics)

    def _remember(
        self, steps: int, seen: int, version: int | None, metrics: Mapping[str, float]
    ) -> None:
        self._moments.append(Moment(self._clock.now(), steps, seen, version, metrics))
