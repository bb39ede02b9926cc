"""What the inference tests share: tiny real checkpoints, fake models, fixes, a wired-up service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from starlette.types import ASGIApp

from fixstream.inference.advisor import Advisor, Inquirer
from fixstream.inference.answer_cache import AnswerCache
from fixstream.inference.api import RestConfig, RestParts
from fixstream.inference.api_keys import KeyRing
from fixstream.inference.application import create_application
from fixstream.inference.evidence import Evidence
from fixstream.inference.gate import GateConfig
from fixstream.inference.generation import FixGenerator, GenerationConfig
from fixstream.inference.host_names import HostNames
from fixstream.inference.intake import Outgoing
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.inference.lag import Reading
from fixstream.inference.observations import Observations
from fixstream.inference.predictor import Predictor, PredictorConfig
from fixstream.inference.rate_limit import RateLimiter
from fixstream.inference.readiness import Readiness, model_details
from fixstream.inference.reload import ModelFollower, ModelLoader
from fixstream.inference.reporting import ReportScrubber
from fixstream.inference.served import ErrorText, Prediction, Rewriting, ServedModel, Vectors
from fixstream.inference.slot import ModelSlot
from fixstream.inference.statistics import Sources, TopicNames
from fixstream.inference.suggest import Advice, AdviceKey, Suggester
from fixstream.runtime.clock import Clock, SystemClock
from fixstream.schemas.enums import EventSource, FixOrigin, LabelSource, UpdateKind
from fixstream.schemas.records import (
    ErrorEvent,
    Fix,
    Label,
    ModelUpdate,
    OffsetRange,
    Origin,
    Provenance,
    Solution,
    SuggestedFix,
    TriagedError,
)
from fixstream.trainer.checkpoint import (
    Content,
    Counts,
    FolderCheckpointStore,
    Manifest,
    SigningKey,
)
from fixstream.trainer.features import HashedTokenizer, TokenizerConfig
from fixstream.trainer.model import ModelConfig, TrainedModel
from fixstream.triage.scrub import Scrubber
from fixstream.triage.triage import Triager

WHEN = datetime(2026, 11, 22, 12, tzinfo=UTC)
TINY = ModelConfig(
    vocab_size=600,
    embedding_dim=32,
    hidden_dim=32,
    num_heads=2,
    num_layers=1,
    max_sequence_length=64,
    solution_dim=16,
    wide_buckets=1024,
)
MODEL = "errors"


class FakeModel:
    """A model whose answers name its version; it notices use after release."""

    def __init__(self, version: int, dim: int = 4) -> None:
        self._version = version
        self._dim = dim
        self.num_closed = 0
        self.batches: list[int] = []
        self.gate: threading.Event | None = None

    @property
    def version(self) -> int:
        return self._version

    @property
    def embedding_dim(self) -> int:
        return self._dim

    @property
    def precision(self) -> str:
        return "fake"

    def predict(self, texts: Sequence[ErrorText]) -> list[Prediction]:
        assert self.num_closed == 0, "used after it was released"
        if self.gate is not None:
            assert self.gate.wait(10)
        self.batches.append(len(texts))
        return [prediction(self._version, dim=self._dim) for _ in texts]

    def embed_solutions(self, texts: Sequence[str]) -> Vectors:
        assert self.num_closed == 0, "used after it was released"
        vectors = np.ones((len(texts), self._dim), np.float32)
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit

    def rewrite(self, error_text: str, fix_text: str) -> Rewriting | None:
        assert self.num_closed == 0, "used after it was released"
        return None

    def close(self) -> None:
        self.num_closed += 1


def prediction(version: int, confidence: float = 0.9, dim: int = 4) -> Prediction:
    """A sure answer of a model of this version."""
    return Prediction(
        model_version=version,
        domain=Label("network", LabelSource.MODEL, confidence),
        severity=Label("high", LabelSource.MODEL, confidence),
        category=Label("connection", LabelSource.MODEL, confidence),
        embedding=np.full(dim, dim**-0.5, np.float32),
    )


def solution(solution_id: str, title: str, text: str = "Do this.", **fields: object) -> Solution:
    """A public fix."""
    made = Solution(
        solution_id=solution_id,
        title=title,
        text=text,
        provenance=Provenance(url=f"https://example.org/{solution_id}", license="CC0-1.0"),
        created_at=WHEN,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


@dataclass
class Publisher:
    """Writes tiny real checkpoints and signs updates about them, as the trainer does."""

    folder: Path
    config: ModelConfig = TINY
    key: SigningKey = field(init=False)
    store: FolderCheckpointStore = field(init=False)

    def __post_init__(self) -> None:
        self.key = SigningKey.load_or_create(self.folder / "keys" / "signing.pem")
        self.store = FolderCheckpointStore(self.folder)

    def promote(self, version: int, *, seed: int | None = None) -> ModelUpdate:
        """A checkpoint of this version, and the signed update that promotes it."""
        tokenizer = HashedTokenizer(
            TokenizerConfig(
                vocab_size=self.config.vocab_size, max_tokens=self.config.max_sequence_length
            )
        )
        model = TrainedModel.fresh(self.config, tokenizer, seed=version if seed is None else seed)
        content = Content(
            {"weights.safetensors": {k: v.contiguous() for k, v in model.tensors().items()}},
            {"tokenizer.json": tokenizer.to_json()},
        )
        manifest = replace(_manifest(version), config=self.config)
        stored = self.store.write(manifest, content, self.key)
        return self.update(
            version,
            artifact_uri=stored.name,
            manifest_sha256=stored.manifest_sha256,
            size_bytes=stored.manifest.size_bytes,
        )

    def update(self, version: int, **fields: object) -> ModelUpdate:
        """A signed update; `fields` say what differs from a plain promotion."""
        plain = ModelUpdate(
            model=MODEL,
            version=version,
            parent=version - 1 or None,
            kind=UpdateKind.PROMOTED,
            artifact_uri=f"checkpoint-{version:08d}",
            manifest_sha256="0" * 64,
            size_bytes=1,
            metrics={"loss": 1.0 / version},
            lineage=(OffsetRange("fixstream.errors.raw.v1", 0, 0, 32 * version),),
            examples_seen=32 * version,
            created_at=WHEN,
            key_id="",
            signature=b"",
        )
        return self.key.sign_update(replace(plain, **fields))  # type: ignore[arg-type]


def _manifest(version: int) -> Manifest:
    return Manifest(
        model=MODEL,
        version=version,
        parent=version - 1 or None,
        champion=version,
        kind=UpdateKind.PROMOTED,
        reason=None,
        created_at=WHEN,
        config=TINY,
        seed=0,
        counts=Counts(),
        batch_offsets=(),
        origin_offsets=(),
        lineage=(),
        metrics={},
        versions={},
    )


class MemoryIntake:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.error: Exception | None = None

    async def send(self, outgoing: Sequence[Outgoing]) -> None:
        if self.error is not None:
            raise self.error
        self.sent += outgoing


class FakeLoader:
    """Loads fake models; `refusals` says which versions end in which exception."""

    def __init__(self) -> None:
        self.refusals: dict[int, Exception] = {}
        self.unsigned: dict[int, Exception] = {}
        self.loaded: list[int] = []

    def verify(self, update: ModelUpdate) -> None:
        if update.version in self.unsigned:
            raise self.unsigned[update.version]

    def load(self, update: ModelUpdate) -> ServedModel:
        self.loaded.append(update.version)
        if update.version in self.refusals:
            raise self.refusals[update.version]
        return FakeModel(update.version)


@dataclass
class Service:
    """The parts of the service without Kafka, wired as the real ones are."""

    app: ASGIApp
    slot: ModelSlot
    follower: ModelFollower
    knowledge: KnowledgeBase
    evidence: Evidence
    suggester: Suggester
    predictor: Predictor
    observations: Observations
    intake: MemoryIntake
    parts: RestParts


@dataclass(frozen=True)
class ServiceOptions:
    """What a test may want otherwise."""

    gate: GateConfig = field(default_factory=GateConfig)
    limits: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys(
            ("predict", "errors", "feedback", "refused"), "100000/minute"
        )
    )
    predictor: PredictorConfig = field(default_factory=PredictorConfig)
    loader: ModelLoader = field(default_factory=FakeLoader)
    clock: Clock = field(default_factory=SystemClock)
    keys: KeyRing | None = None
    hosts: HostNames | None = None
    generation: GenerationConfig | None = None
    reading: Callable[[], Reading] = Reading


@contextmanager
def service(options: ServiceOptions | None = None) -> Iterator[Service]:
    """A service without Kafka; its threads end with the block."""
    options = options or ServiceOptions()
    with ExitStack() as stack:
        scrubber, slot, evidence = Scrubber(), ModelSlot(), Evidence()
        observations, intake = Observations(), MemoryIntake()
        knowledge = KnowledgeBase(scrubber)
        stack.callback(knowledge.close)
        cache: AnswerCache[AdviceKey, Advice] = AnswerCache(options.clock)
        suggester = Suggester(knowledge, evidence, cache)
        stack.callback(suggester.close)
        predictor = stack.enter_context(Predictor(slot, options.clock, options.predictor))
        follower = ModelFollower(slot, options.loader, options.clock)
        follower.caught_up()
        pool = stack.enter_context(ThreadPoolExecutor(2))
        generator = None
        if options.generation is not None:
            generator = stack.enter_context(
                FixGenerator(slot, scrubber, options.clock, options.generation)
            )
        names = TopicNames("raw", "triaged", "dlq", "batches", "suggested", "feedback")
        sources = Sources(slot, follower, knowledge, evidence, observations, cache, names)
        parts = RestParts(
            suggester=suggester,
            advisor=Advisor(
                Inquirer(Triager(scrubber), options.clock, pool),
                suggester,
                predictor,
                slot,
                pool,
                generator,
            ),
            intake=intake,
            reports=ReportScrubber(scrubber, options.clock, pool),
            limiter=RateLimiter(options.limits),
            sources=sources,
            reading=options.reading,
            clock=options.clock,
        )
        app = create_application(
            parts,
            RestConfig("raw", "feedback", b"key"),
            options.gate,
            lambda: Readiness(True, model_details(follower, slot)),
            options.keys,
            options.hosts,
        )
        yield Service(
            app,
            slot,
            follower,
            knowledge,
            evidence,
            suggester,
            predictor,
            observations,
            intake,
            parts,
        )


def triaged(event_id: str, title: str = "database is locked", of: str = "shop") -> TriagedError:
    """A triaged error whose message is its title."""
    label = Label("unknown", LabelSource.RULE, 0.1)
    return TriagedError(
        event=ErrorEvent(
            event_id=event_id,
            occurred_at=datetime.now(UTC),
            service=of,
            environment="test",
            source=EventSource.REST,
            message=title,
        ),
        fingerprint="v1-0123456789abcdef",
        title=title,
        domain=Label("general", LabelSource.RULE, 0.2),
        severity=Label("medium", LabelSource.RULE, 0.2),
        category=label,
        is_new_group=True,
        occurrences=1,
        origin=Origin("fixstream.errors.raw.v1", 0, 0),
        triaged_at=datetime.now(UTC),
        triage_version="test",
    )


def suggested(event_id: str, title: str, url: str) -> SuggestedFix:
    """A suggestion with one fix."""
    label = Label("unknown", LabelSource.RULE, 0.1)
    fix = Fix(
        solution_id="s",
        title=title,
        text=title,
        score=0.9,
        origin=FixOrigin.KNOWLEDGE,
        provenance=Provenance(url=url, author=title, license=title),
        matched_on=(title,),
    )
    return SuggestedFix(
        suggestion_id=event_id,
        event_id=event_id,
        fingerprint="v1-0123456789abcdef",
        service="shop",
        environment="test",
        model_version=0,
        created_at=WHEN,
        domain=label,
        severity=label,
        category=label,
        fixes=(fix,),
    )
