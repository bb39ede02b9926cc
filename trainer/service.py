"""The trainer as a service: puts the parts together, runs the loop, and stops in order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
import torch

from fixstream.runtime.clock import Clock, SystemClock
from fixstream.runtime.heap import share_one_heap
from fixstream.runtime.kafka import RecordPublisher, make_producer
from fixstream.runtime.metrics import Health, serve_metrics
from fixstream.runtime.priority import stand_back
from fixstream.runtime.registry import make_codec
from fixstream.runtime.settings import KafkaSettings, load_settings
from fixstream.runtime.stopping import StopSignal
from fixstream.runtime.topics_admin import wait_until_ready
from fixstream.runtime.tracing import configure_tracing
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import ArtifactRejected, Misconfigured, RetryLater
from fixstream.schemas.records import OffsetRange
from fixstream.trainer.checkpoint import (
    CheckpointStore,
    SigningKey,
    TrustedKeys,
    keys_beside,
    open_store,
)
from fixstream.trainer.dead_letters import DeadLetters
from fixstream.trainer.feedback import FeedbackBook
from fixstream.trainer.intake import TopicIntake, batch_intake, feedback_intake
from fixstream.trainer.kernels import kernels_for
from fixstream.trainer.leading import LeadingStep, RunStep, follow
from fixstream.trainer.learner import SPARSE_PARAMETERS, Learner, LearnerConfig
from fixstream.trainer.lease import LeaseLost, TrainerLease
from fixstream.trainer.ledger import Ledger
from fixstream.trainer.placement import place
from fixstream.trainer.precision import fastest_precision
from fixstream.trainer.processes import ProcessLost, meeting
from fixstream.trainer.recorder import CheckpointRecorder
from fixstream.trainer.resume import Resumption, resume
from fixstream.trainer.rollback import (
    NotPossible,
    blocked_after,
    newest_before,
    promoted,
    rolled_back,
)
from fixstream.trainer.sentences import Sentences
from fixstream.trainer.settings import LearningSettings, TrainerSettings
from fixstream.trainer.step import train_step
from fixstream.trainer.success import Fall
from fixstream.trainer.training import LoopConfig, TrainingLoop
from fixstream.trainer.update_log import Superseded, UpdateLog
from fixstream.trainer.update_watch import UpdateWatch
from fixstream.trainer.updates import read_history, update_of
from fixstream.trainer.warm_start import begun_warm

log = structlog.get_logger(__name__)

__all__ = ["LearningSettings", "TrainerSettings", "run"]

_POLL_S = 0.2
_COMPILED_PRODUCTS = "128"
"""Compiled matrix products that oneDNN keeps; of 1,024, its default, each step adds forty."""
_READY_TIMEOUT_S = 60.0
_FINISH_TIMEOUT_S = 60.0


def run(
    settings: TrainerSettings | None = None,
    kafka: KafkaSettings | None = None,
    learning: LearningSettings | None = None,
    stop: StopSignal | None = None,
) -> None:
    """Trains until a signal asks it to stop; then writes a last checkpoint.

    Args:
        settings: None reads them from the environment, as for the others.
        kafka: how to reach Kafka.
        learning: the specification's settings.
        stop: None takes over SIGTERM and SIGINT.

    Raises:
        Stop: it cannot go on; the message says why.
    """
    settings = settings or load_settings(TrainerSettings)
    kafka = kafka or load_settings(KafkaSettings)
    learning = learning or load_settings(LearningSettings)
    _set_up_torch(settings)
    with ExitStack() as stack:
        # A follower leaves signals to the leader, which tells it when to end.
        stop = stop or stack.enter_context(StopSignal())
        stack.enter_context(configure_tracing("trainer"))
        processes = stack.enter_context(meeting(place(settings.device)))
        if not processes.is_first:
            config = learner_config(settings, learning)
            num_steps = follow(
                processes,
                config.model,
                config.optimizer,
                SPARSE_PARAMETERS,
                config.device,
                config.kernels,
            )
            log.info("follower ends", steps=num_steps)
            return
        run_step: RunStep = train_step
        if not processes.is_alone:
            run_step = leading = LeadingStep(processes)
            stack.callback(leading.end)
        service = TrainerService(settings, kafka, learning, SystemClock(), run_step)
        stack.enter_context(
            serve_metrics(settings.metrics_port, settings.metrics_host, service.health)
        )
        service.train(stop)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What outlasts a single tenure."""

    config: LearnerConfig
    store: CheckpointStore
    key: SigningKey
    trusted: TrustedKeys
    codec: Codec
    watch: UpdateWatch


class TrainerService:
    """One training process: from the newest checkpoint to the last one."""

    def __init__(
        self,
        settings: TrainerSettings,
        kafka: KafkaSettings,
        learning: LearningSettings,
        clock: Clock,
        run_step: RunStep = train_step,
    ) -> None:
        self._settings = settings
        self._kafka = kafka
        self._learning = learning
        self._clock = clock
        self._run_step = run_step
        self._loop: TrainingLoop | None = None
        self._last_turn_s = clock.monotonic()
        self._has_stepped = False

    def health(self) -> Health:
        """Healthy once it reads batches, while the loop turns; a huge step may take its time."""
        if self._loop is None:
            return Health(is_healthy=False, details={"state": "starting"})
        silent_s = self._clock.monotonic() - self._last_turn_s
        counts = self._loop.counts
        details: dict[str, object] = {
            "silent_s": round(silent_s, 1),
            "steps": counts.steps,
            "model_version": self._loop.parent,
        }
        return Health(silent_s < self._settings.max_silence_s, details)

    def train(self, stop: StopSignal) -> None:
        """Resumes, and turns the loop until it is asked to stop.

        Raises:
            Stop: it cannot go on; the message says why.
        """
        wait_until_ready(self._kafka, _READY_TIMEOUT_S)
        settings, kafka = self._settings, self._kafka
        config = learner_config(settings, self._learning)
        log.info(
            "trainer starts",
            precision=config.precision.value,
            device=str(config.device),
            num_threads=torch.get_num_threads(),
        )
        key_path = signing_key_path(settings, self._learning)
        key = SigningKey.load_or_create(key_path)
        store = open_store(self._learning.checkpoint_dir)
        with ExitStack() as stack:
            holder_id = stack.enter_context(store.exclusively())
            lease = stack.enter_context(
                TrainerLease(kafka, settings.model, settings.lease_wait_s, holder_id)
            )
            store.clear_unfinished()  # A remote store is ours by the lease alone.
            codec = make_codec(kafka)
            trusted = key.trusting(beside=key_path.parent)
            updates = UpdateLog(kafka, codec, settings.model, self._clock)
            watch = UpdateWatch(lease, updates, codec, settings.model, trusted)
            parts = _Parts(config, store, key, trusted, codec, watch)
            while not stop.is_set():
                self._tenure(parts, stop)

    def _tenure(self, parts: _Parts, stop: StopSignal) -> None:
        """Learns until it is asked to stop, or until somebody else appends to the updates."""
        try:
            history = parts.watch.begin(
                lambda trusted: read_history(
                    self._kafka, parts.codec, self._settings.model, trusted
                )
            )
            learner = Learner(parts.config, self._run_step)
            resumption = resume(parts.store, parts.trusted, history, learner)
            resumption = begun_warm(resumption, learner, self._settings.warm_start)
            if resumption.unpublished is not None:
                parts.watch.publish(update_of(resumption.unpublished, parts.key))
            with ExitStack() as stack:
                self._learn(stack, parts, learner, resumption, history.blocked, stop)
        except Superseded as error:
            parts.watch.check_lease()
            log.warning("an update that is not ours: taking up again", reason=str(error))

    def _learn(
        self,
        stack: ExitStack,
        parts: _Parts,
        learner: Learner,
        resumption: Resumption,
        blocked: tuple[OffsetRange, ...],
        stop: StopSignal,
    ) -> None:
        settings, kafka = self._settings, self._kafka
        publisher = RecordPublisher(
            make_producer(kafka), parts.codec, ce_source="fixstream/trainer", clock=self._clock
        )
        ledger = Ledger(resumption.position, accept_gaps=settings.accept_gaps, blocked=blocked)
        dead_letters = DeadLetters(publisher, kafka, self._clock)
        recorder = CheckpointRecorder(
            parts.store, parts.key, parts.watch.publish, settings.checkpoints_kept
        )
        stack.callback(recorder.close)
        loop = TrainingLoop(
            learner,
            ledger,
            recorder,
            dead_letters.put_examples,
            self._clock,
            loop_config(settings, self._learning),
        )
        manifest = resumption.checkpoint.manifest if resumption.checkpoint else None
        book = FeedbackBook(manifest.feedback_offsets if manifest else (), blocked)
        if resumption.feedback_json is not None:
            book.load_json(resumption.feedback_json)
        loop.begin(resumption.start, book)
        intakes = [
            stack.enter_context(batch_intake(kafka, parts.codec, ledger, dead_letters)),
            stack.enter_context(feedback_intake(kafka, parts.codec, book, dead_letters)),
        ]
        self._last_turn_s = self._clock.monotonic()
        self._loop = loop
        with _finishing(loop):
            while not stop.is_set():
                self._turn(loop, intakes, ledger, parts)

    def _turn(
        self, loop: TrainingLoop, intakes: Sequence[TopicIntake], ledger: Ledger, parts: _Parts
    ) -> None:
        """Takes in what has come, and does what is due."""
        self._last_turn_s = self._clock.monotonic()
        parts.watch.look()
        batches, feedback = intakes
        if ledger.num_waiting < self._settings.max_waiting_examples:
            batches.poll(0.0 if self._has_stepped else _POLL_S)
        feedback.poll(0.0)
        self._has_stepped = loop.advance()
        fall = loop.fall()
        if fall is not None:
            self._go_back(parts, fall)

    def _go_back(self, parts: _Parts, fall: Fall) -> None:
        """Rolls back to before a promotion since which fixes work less.

        Raises:
            Superseded: it is done, and the trainer has to take up the older model.
        """
        history = read_history(self._kafka, parts.codec, self._settings.model, parts.trusted)
        target = newest_before(history, fall.version)
        if target is None:
            log.error("fixes work less, and nothing was promoted before", reason=fall.reason)
            return
        try:
            stored = promoted(parts.store, parts.trusted, history, target)
        except (NotPossible, ArtifactRejected) as error:
            log.error("fixes work less, but there is no way back", reason=str(error))  # noqa: TRY400
            return
        blocked = blocked_after(history, target)
        update = rolled_back(stored, history, blocked, fall.reason, self._clock)
        try:
            parts.watch.publish(parts.key.sign_update(update))
        except RetryLater as error:
            # Whether it stands there or not, a new look at the log will tell.
            raise Superseded(str(error)) from error
        raise Superseded(fall.reason)


@contextmanager
def _finishing(loop: TrainingLoop) -> Iterator[None]:
    """A last checkpoint, also when a gap stops the trainer: what was learnt was learnt.

    Not so when it is not ours to write any more, or when a step broke off with its process.
    """
    try:
        yield
    except (Superseded, LeaseLost, ProcessLost):
        raise
    except BaseException:
        loop.finish(_FINISH_TIMEOUT_S)
        raise
    loop.finish(_FINISH_TIMEOUT_S)


def learner_config(settings: TrainerSettings, learning: LearningSettings) -> LearnerConfig:
    """The learner's configuration, with the number format that is faster here.

    Raises:
        Misconfigured: the sizes do not fit together, or there is no such sentence encoder.
    """
    device = place(settings.device)
    sentences = Sentences(settings.sentence_encoder) if settings.sentence_encoder else None
    try:
        model, tokenizer = (
            learning.model_size(settings.wide_buckets, settings.memory_places, sentences),
            learning.tokenizer_config(),
        )
    except ValueError as error:
        raise Misconfigured(str(error)) from error
    return LearnerConfig(
        model=model,
        tokenizer=tokenizer,
        optimizer=learning.optimizer_config(),
        batch_size=learning.learning_batch_size,
        replay_capacity=settings.replay_capacity,
        max_training_tokens=settings.max_training_tokens,
        validation_size=settings.validation_size,
        held_out_share=settings.held_out_share,
        promotion_margin=settings.promotion_margin,
        seed=settings.seed,
        precision=settings.precision or fastest_precision(device),
        device=device,
        kernels=kernels_for(device, settings.compiled),
        generation=settings.generation,
        sentences=sentences,
    )


def loop_config(settings: TrainerSettings, learning: LearningSettings) -> LoopConfig:
    """How the loop paces itself."""
    return LoopConfig(
        model=settings.model,
        batch_size=learning.learning_batch_size,
        replay_share=settings.replay_share,
        step_wait_s=settings.step_wait_s,
        checkpoint_every_steps=settings.checkpoint_every_steps,
        checkpoint_interval_s=settings.checkpoint_interval_s,
    )


def signing_key_path(settings: TrainerSettings, learning: LearningSettings) -> Path:
    """Where the private key lies; raises Misconfigured where a remote store leaves that open."""
    if settings.signing_key is not None:
        return settings.signing_key
    return keys_beside(learning.checkpoint_dir, "FIXSTREAM_TRAINER_SIGNING_KEY") / "signing.pem"


def _set_up_torch(settings: TrainerSettings) -> None:
    stand_back(settings.niceness)
    share_one_heap()
    # Before the first product: each number of tokens is compiled for, and hardly one comes back.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _COMPILED_PRODUCTS)
    if settings.num_threads:
        torch.set_num_threads(settings.num_threads)
