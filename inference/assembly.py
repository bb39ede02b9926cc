"""Builds the service's parts from its settings, and starts and stops them in order.

Started: predictor, readers, embedder, responder; stopped the other way round, so that nothing is
asked of a part that has ended. Serving HTTP is `service`'s business.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from confluent_kafka import Consumer

from fixstream.inference.advisor import Advisor, Inquirer
from fixstream.inference.answer_cache import AnswerCache
from fixstream.inference.api import RestConfig, RestParts
from fixstream.inference.embedder import Embedder, ModelEncoder
from fixstream.inference.evidence import Evidence
from fixstream.inference.generation import FixGenerator, GenerationConfig
from fixstream.inference.guard import REFUSED
from fixstream.inference.intake import CE_SOURCE, KafkaIntake
from fixstream.inference.judging import LearnedPartJudge
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.lag import LagProbe, WatchedGroup
from fixstream.inference.loading import CheckpointLoader, LoaderConfig, warm_up
from fixstream.inference.observations import Observations
from fixstream.inference.page_receivers import CausesReceiver, HistoryReceiver
from fixstream.inference.predictor import Predictor, PredictorConfig
from fixstream.inference.rate_limit import RateLimiter, rate_store
from fixstream.inference.readiness import Readiness, ReadinessParts
from fixstream.inference.receivers import (
    FeedbackReceiver,
    GroupsReceiver,
    SolutionsReceiver,
    UpdatesReceiver,
)
from fixstream.inference.reload import ModelFollower
from fixstream.inference.reporting import ReportScrubber
from fixstream.inference.responder import Answerer, Responder, ResponderConfig
from fixstream.inference.sentence_reader import SentenceReader
from fixstream.inference.settings import InferenceSettings
from fixstream.inference.slot import ModelSlot
from fixstream.inference.starter_publishing import StarterPublisher
from fixstream.inference.statistics import Sources, TopicNames
from fixstream.inference.store_choice import vector_stores
from fixstream.inference.submitter_key import submitter_key
from fixstream.inference.suggest import Advice, AdviceKey, Suggester, SuggesterConfig
from fixstream.inference.topic_reader import TopicReader, TopicReceiver
from fixstream.runtime.clock import Clock, SystemClock
from fixstream.runtime.kafka import RecordPublisher, make_consumer, make_producer
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas import topics
from fixstream.schemas.codec import Codec
from fixstream.schemas.topics import Topic
from fixstream.trainer.checkpoint import open_store
from fixstream.triage.scrub import Scrubber
from fixstream.triage.triage import Triager

GROUP = "inference"
MAX_THREADS = 4
POOL_THREADS = 2


@dataclass(frozen=True, slots=True)
class Running:
    """A service whose threads run."""

    parts: RestParts
    rest: RestConfig
    readiness_parts: ReadinessParts

    def readiness(self) -> Readiness:
        """Whether requests may be sent here."""
        return self.readiness_parts.look()


class Assembly:
    """The collaborators of one service, built once; `started` runs them."""

    def __init__(
        self,
        settings: InferenceSettings,
        kafka: KafkaSettings,
        codec: Codec,
        clock: Clock | None = None,
    ) -> None:
        """Builds what needs no connection."""
        self._settings = settings
        self._kafka = kafka
        self._codec = codec
        self._clock = clock or SystemClock()
        self._slot = ModelSlot()
        self._evidence = Evidence()
        self._observations = Observations()
        self._scrubber = Scrubber()
        self._cache: AnswerCache[AdviceKey, Advice] = AnswerCache(
            self._clock, max_size=settings.cache_size, ttl_s=settings.cache_ttl_s
        )

    @contextmanager
    def started(self) -> Iterator[Running]:
        """Starts the threads, and stops them when the block ends."""
        warm_up()
        with ExitStack() as stack:
            stores = vector_stores(self._settings, self._kafka.topic_prefix, self._clock)
            stack.callback(stores.close)
            knowledge = KnowledgeBase(self._scrubber, stores, self._clock)
            stack.callback(knowledge.close)
            stack.callback(self._slot.close)
            loader = self._loader()
            reader = self._reader_of_sentences(stack, loader)
            suggester = Suggester(
                knowledge,
                self._evidence,
                self._cache,
                SuggesterConfig(
                    self._settings.min_confidence,
                    exploration=self._settings.exploration,
                    seed=secrets.randbits(32),
                ),
                reader,
            )
            stack.callback(suggester.close)
            predictor = stack.enter_context(self._predictor())
            follower = ModelFollower(self._slot, loader, self._clock, self._settings.model_name)
            updates = stack.enter_context(
                self._reader([topics.MODEL_UPDATES], UpdatesReceiver(follower, self._codec))
            )
            solutions = stack.enter_context(self._solutions_reader(knowledge, suggester))
            self._start_observers(stack, suggester)
            judge = LearnedPartJudge(knowledge, self._slot, suggester, self._evidence)
            self._start_embedders(stack, knowledge, reader, judge, solutions)
            generator = self._generator(stack)
            responder = stack.enter_context(self._responder(suggester, predictor, generator))
            probe = stack.enter_context(self._probe())
            sources = self._sources(follower, knowledge)
            parts = self._rest_parts(stack, suggester, predictor, generator, sources, probe)
            ready = ReadinessParts(solutions, updates, responder, follower, self._slot, knowledge)
            yield Running(parts, self._rest_config(), ready)

    def _predictor(self) -> Predictor:
        settings = self._settings
        num_threads = settings.num_threads or min(os.cpu_count() or 1, MAX_THREADS)
        config = PredictorConfig(
            max_batch=settings.max_batch,
            company_wait_s=settings.company_wait_ms / 1000,
            max_waiting=settings.max_waiting,
            deadline_s=settings.deadline_s,
            max_wait_s=settings.max_wait_s,
        )
        return Predictor(
            self._slot,
            self._clock,
            config,
            prepare_thread=lambda: torch.set_num_threads(num_threads),
        )

    def _generator(self, stack: ExitStack) -> FixGenerator | None:
        settings = self._settings
        if not settings.generation:
            return None
        config = GenerationConfig(settings.generation_deadline_s)
        return stack.enter_context(
            FixGenerator(
                self._slot,
                self._scrubber,
                self._clock,
                config,
                prepare_thread=lambda: torch.set_num_threads(1),
            )
        )

    def _loader(self) -> CheckpointLoader:
        settings = self._settings
        return CheckpointLoader(
            open_store(settings.checkpoint_dir),
            Path(settings.trusted_keys_path),
            LoaderConfig(settings.precision, sentence_encoder=settings.sentence_encoder),
        )

    def _reader_of_sentences(
        self, stack: ExitStack, loader: CheckpointLoader
    ) -> SentenceReader | None:
        """One encoder is in memory: models and retrieval read with the same."""
        if loader.sentences is None:
            return None
        # One thread, for two that wait for each other are slower than one on a machine under load.
        return stack.enter_context(
            SentenceReader(
                loader.sentences, self._clock, prepare_thread=lambda: torch.set_num_threads(1)
            )
        )

    def _start_embedders(
        self,
        stack: ExitStack,
        knowledge: KnowledgeBase,
        reader: SentenceReader | None,
        judge: LearnedPartJudge,
        solutions: TopicReader,
    ) -> None:
        stack.enter_context(
            Embedder(
                knowledge,
                knowledge.learned,
                ModelEncoder(self._slot),
                may_begin=lambda: solutions.is_caught_up,
                caught_up=judge.look,
                prepare_thread=lambda: torch.set_num_threads(1),
            )
        )
        if reader is not None:
            stack.enter_context(
                Embedder(
                    knowledge,
                    knowledge.sentences,
                    reader,
                    may_begin=lambda: solutions.is_caught_up,
                )
            )

    def _reader(self, followed: Sequence[Topic], receiver: TopicReceiver) -> TopicReader:
        names = [self._kafka.topic(topic) for topic in followed]
        return TopicReader(lambda: self._consumer(f"{GROUP}-reader"), names, receiver)

    def _consumer(self, group: str, **overrides: str) -> Consumer:
        return make_consumer(self._kafka, group, **overrides)

    def _solutions_reader(self, knowledge: KnowledgeBase, suggester: Suggester) -> TopicReader:
        on_caught_up = None
        if self._settings.load_starter:
            on_caught_up = StarterPublisher(
                self._publisher(), self._kafka.topic(topics.SOLUTIONS)
            ).publish_if_missing
        receiver = SolutionsReceiver(knowledge, suggester, self._codec, on_caught_up)
        return self._reader([topics.SOLUTIONS], receiver)

    def _start_observers(self, stack: ExitStack, suggester: Suggester) -> None:
        feedback = FeedbackReceiver(self._evidence, suggester, self._observations, self._codec)
        stack.enter_context(self._reader([topics.FEEDBACK], feedback))
        groups = GroupsReceiver(self._observations)
        stack.enter_context(self._reader([topics.GROUPS], groups))
        seen = self._observations
        causes = CausesReceiver(seen.causes, self._codec)
        stack.enter_context(self._reader([topics.CAUSES], causes))
        stack.enter_context(self._history_reader(suggester))

    def _history_reader(self, suggester: Suggester) -> TopicReader:
        name = self._kafka.topic(topics.ERRORS_TRIAGED)
        receiver = HistoryReceiver(
            self._observations.history, self._codec, self._scrubber, suggester.note_seen
        )
        return TopicReader(
            lambda: self._consumer(f"{GROUP}-reader"),
            [name],
            receiver,
            max_age_s={name: self._settings.page_history_h * 3600},
        )

    def _publisher(self) -> RecordPublisher:
        # No linger: a suggestion is wanted now, and a chunk of them goes out together anyway.
        producer = make_producer(self._kafka, linger_ms=0)
        return RecordPublisher(producer, self._codec, ce_source=CE_SOURCE)

    def _responder(
        self, suggester: Suggester, predictor: Predictor, generator: FixGenerator | None
    ) -> Responder:
        top_k = self._settings.top_k
        return Responder(
            lambda: self._consumer(GROUP, client_id="fixstream-responder"),
            self._publisher(),
            self._codec,
            Answerer(suggester, predictor, self._slot, self._clock, top_k, generator),
            self._observations,
            ResponderConfig(
                self._kafka.topic(topics.ERRORS_TRIAGED), self._kafka.topic(topics.FIXES_SUGGESTED)
            ),
        )

    def _probe(self) -> LagProbe:
        name = self._kafka.topic
        watched = (
            WatchedGroup(
                "processor",
                name(topics.ERRORS_RAW),
                lambda: self._consumer(self._settings.streams_group),
            ),
            WatchedGroup("suggestions", name(topics.ERRORS_TRIAGED), lambda: self._consumer(GROUP)),
        )
        names = self._topic_names()
        followed = [
            names.raw,
            names.triaged,
            names.dlq,
            names.batches,
            names.suggested,
            names.feedback,
        ]
        return LagProbe(followed, watched)

    def _topic_names(self) -> TopicNames:
        name = self._kafka.topic
        return TopicNames(
            raw=name(topics.ERRORS_RAW),
            triaged=name(topics.ERRORS_TRIAGED),
            dlq=name(topics.ERRORS_DLQ),
            batches=name(topics.TRAINING_BATCHES),
            suggested=name(topics.FIXES_SUGGESTED),
            feedback=name(topics.FEEDBACK),
        )

    def _sources(self, follower: ModelFollower, knowledge: KnowledgeBase) -> Sources:
        return Sources(
            self._slot,
            follower,
            knowledge,
            self._evidence,
            self._observations,
            self._cache,
            self._topic_names(),
        )

    def _rest_parts(
        self,
        stack: ExitStack,
        suggester: Suggester,
        predictor: Predictor,
        generator: FixGenerator | None,
        sources: Sources,
        probe: LagProbe,
    ) -> RestParts:
        settings = self._settings
        pool = stack.enter_context(ThreadPoolExecutor(POOL_THREADS, "rest"))
        intake = KafkaIntake(make_producer(self._kafka), self._codec, self._clock)
        stack.enter_context(intake)
        limiter = RateLimiter(
            {
                "predict": settings.rate_limit,
                "errors": settings.rate_limit,
                "feedback": settings.feedback_rate_limit,
                REFUSED: settings.refused_rate_limit,
            },
            rate_store(settings.rate_limit_store.get_secret_value()),
        )
        return RestParts(
            suggester=suggester,
            advisor=Advisor(
                Inquirer(Triager(self._scrubber), self._clock, pool),
                suggester,
                predictor,
                self._slot,
                pool,
                generator,
            ),
            intake=intake,
            reports=ReportScrubber(self._scrubber, self._clock, pool),
            limiter=limiter,
            sources=sources,
            reading=lambda: probe.reading,
            clock=self._clock,
        )

    def _rest_config(self) -> RestConfig:
        settings = self._settings
        return RestConfig(
            raw_topic=self._kafka.topic(topics.ERRORS_RAW),
            feedback_topic=self._kafka.topic(topics.FEEDBACK),
            submitter_key=submitter_key(settings.submitter_key, Path(settings.keys_folder)),
            top_k=settings.top_k,
            topic_prefix=self._kafka.topic_prefix,
        )
