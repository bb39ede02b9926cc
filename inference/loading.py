"""From a signed update to a warm model: the one module here that knows torch and checkpoints.

The bytes whose hash was checked are the bytes that become the model. What is loaded has to answer
a few errors sensibly before anybody is served by it. It decides nothing about versions.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog

from fixstream.inference.reload import Reason, StoreUnavailable, UpdateRefused
from fixstream.inference.served import ErrorText, Prediction, ServedModel, Vectors
from fixstream.schemas.enums import LabelSource
from fixstream.schemas.errors import ArtifactRejected
from fixstream.schemas.records import Label, ModelUpdate
from fixstream.trainer.checkpoint import (
    Artifact,
    CheckpointStore,
    FolderCheckpointStore,
    TrustedKeys,
    open_update,
)
from fixstream.trainer.model import Distribution, TrainedModel
from fixstream.trainer.model import Prediction as ModelPrediction
from fixstream.trainer.precision import Precision

log = structlog.get_logger(__name__)

MANIFEST = "manifest.json"
MIN_AGREEMENT = 0.98
"""Cosine of embeddings, and one minus the largest difference of a probability, that a faster
arithmetic has to keep on every smoke text."""
MIN_SPEED_UP = 1.15
MEASURED_TURNS = 4
SMOKE_TEXTS = (
    ErrorText("connection refused while opening the pool", "ConnectionRefusedError"),
    ErrorText("certificate verify failed: certificate has expired", "SSLCertVerificationError"),
    ErrorText(
        "request failed",
        "TimeoutError",
        'Traceback (most recent call last):\n  File "app/orders.py", line 41, in place\n'
        "    reserve(order)\n" + '  File "app/stock.py", line 7, in reserve\n    call()\n' * 12,
    ),
)


@dataclass(frozen=True, slots=True)
class LoaderConfig:
    """How models are run."""

    precision: str = "auto"
    """`auto`, or the name of a Precision."""


class TorchModel:
    """A `TrainedModel` behind the interface that the service knows."""

    def __init__(self, model: TrainedModel, version: int) -> None:
        """Wraps a model that is ready to use."""
        self._model = model
        self._version = version

    @property
    def version(self) -> int:
        """The version of the update that it came with."""
        return self._version

    @property
    def embedding_dim(self) -> int:
        """S: the length of its embeddings."""
        return self._model.network.config.solution_dim

    @property
    def precision(self) -> str:
        """The number format of its matrix products."""
        return self._model.precision.value

    def predict(self, texts: Sequence[ErrorText]) -> list[Prediction]:
        """One prediction a text, in order."""
        return [self._labelled(one) for one in self._model.predict(texts)]

    def embed_solutions(self, texts: Sequence[str]) -> Vectors:
        """The unit vectors `(N, S)` of N fixes."""
        return self._model.embed([ErrorText(text) for text in texts])

    def close(self) -> None:
        """Nothing to do: the weights go when the last reference does."""

    def _labelled(self, prediction: ModelPrediction) -> Prediction:
        return Prediction(
            model_version=self._version,
            domain=_label(prediction.domain),
            severity=_label(prediction.severity),
            category=_label(prediction.category),
            embedding=prediction.embedding,
        )


class CheckpointLoader:
    """Verifies updates and loads their checkpoints. Called from one thread."""

    def __init__(
        self, store: CheckpointStore, keys: Path, config: LoaderConfig | None = None
    ) -> None:
        """Stores its collaborators.

        Args:
            store: Where checkpoints lie; no other place is ever read.
            keys: File or folder of the trusted public keys; read again when a key is unknown,
                because the trainer may make its key after this service has started.
            config: How models are run.
        """
        self._store = store
        self._keys = keys
        self._config = config or LoaderConfig()
        self._trusted = TrustedKeys({})

    def verify(self, update: ModelUpdate) -> None:
        """Checks the signature over every field. Raises UpdateRefused."""
        if update.key_id not in self._trusted.keys:
            self._trusted = TrustedKeys.load(self._keys)
        try:
            self._trusted.verify_update(update)
        except ArtifactRejected as error:
            raise UpdateRefused(Reason.SIGNATURE, str(error)) from error

    def load(self, update: ModelUpdate) -> ServedModel:
        """The checkpoint as a verified and warm model.

        Raises:
            UpdateRefused: It is missing, altered, does not fit or does not answer sensibly.
            StoreUnavailable: The store itself is not there.
        """
        started = time.perf_counter()
        artifact = self._open(update)
        model = self._warm(artifact)
        log.info(
            "checkpoint loaded",
            model_version=update.version,
            precision=model.precision.value,
            seconds=round(time.perf_counter() - started, 3),
        )
        return TorchModel(model, update.version)

    def _open(self, update: ModelUpdate) -> Artifact:
        store = self._store
        if isinstance(store, FolderCheckpointStore) and not store.root.is_dir():
            raise StoreUnavailable(f"the checkpoint folder {store.root} is not there")
        try:
            store.read(update.artifact_uri, MANIFEST)
        except ArtifactRejected as error:
            raise UpdateRefused(Reason.MISSING, str(error)) from error
        try:
            return open_update(update, store, self._trusted, None)
        except ArtifactRejected as error:
            raise UpdateRefused(Reason.HASH, str(error)) from error
        except OSError as error:
            raise StoreUnavailable(f"the checkpoint cannot be read: {error.strerror}") from error

    def _warm(self, artifact: Artifact) -> TrainedModel:
        try:
            model = TrainedModel.from_tensors(
                artifact.manifest.config, artifact.tokenizer_json, artifact.tensors
            )
        except ArtifactRejected as error:
            raise UpdateRefused(Reason.FORMAT, str(error)) from error
        exact = self._smoke(model)
        if self._config.precision != "auto":
            model.precision = Precision(self._config.precision)
        else:
            _choose(model, exact)
        self._smoke(model)
        return model

    def _smoke(self, model: TrainedModel) -> list[ModelPrediction]:
        """Predictions for the smoke texts; one by one and together, as serving will ask."""
        try:
            together = model.predict(SMOKE_TEXTS)
            model.predict(SMOKE_TEXTS[:1])
        except (RuntimeError, ValueError, IndexError, KeyError) as error:
            raise UpdateRefused(
                Reason.SMOKE, f"the model fails on a plain error: {error}"
            ) from error
        for one in together:
            _check_sane(one)
        return together


def _choose(model: TrainedModel, exact: list[ModelPrediction]) -> None:
    """Takes bfloat16 where it is clearly faster here and answers alike.

    Measured for each model: a machine that was busy the last time must not decide for ever.
    """
    seconds = _fastest_seconds(model)
    exact_s, faster_s = seconds[Precision.FLOAT32], seconds[Precision.BFLOAT16]
    model.precision = Precision.BFLOAT16
    agreement = min(map(_agreement, exact, model.predict(SMOKE_TEXTS)))
    is_worth_it = faster_s * MIN_SPEED_UP < exact_s and agreement >= MIN_AGREEMENT
    model.precision = Precision.BFLOAT16 if is_worth_it else Precision.FLOAT32
    log.info(
        "precision chosen",
        precision=model.precision.value,
        float32_ms=round(exact_s * 1000, 2),
        bfloat16_ms=round(faster_s * 1000, 2),
        agreement=round(agreement, 4),
    )


def _check_sane(prediction: ModelPrediction) -> None:
    for head in (prediction.category, prediction.domain, prediction.severity):
        total = sum(head.probabilities.values())
        if not abs(total - 1.0) < 1e-3:  # Not-a-number compares false, so it is refused as well.
            raise UpdateRefused(Reason.SMOKE, f"probabilities add up to {total}")
    norm = float(np.linalg.norm(prediction.embedding))
    if not abs(norm - 1.0) < 1e-2:
        raise UpdateRefused(Reason.SMOKE, f"an embedding has the length {norm}")


def _agreement(exact: ModelPrediction, faster: ModelPrediction) -> float:
    cosine = float(np.dot(exact.embedding, faster.embedding))
    gaps = [
        abs(p - getattr(faster, head).probabilities[name])
        for head in ("category", "domain", "severity")
        for name, p in getattr(exact, head).probabilities.items()
    ]
    return min(cosine, 1.0 - float(max(gaps)))


def _fastest_seconds(model: TrainedModel) -> dict[Precision, float]:
    """The best time of each format, measured in turns so that a busy moment hits both."""
    best = dict.fromkeys((Precision.FLOAT32, Precision.BFLOAT16), float("inf"))
    for _ in range(MEASURED_TURNS):
        for precision in best:
            model.precision = precision
            started = time.perf_counter()
            model.predict(SMOKE_TEXTS[2:])
            best[precision] = min(best[precision], time.perf_counter() - started)
    return best


def _label(distribution: Distribution) -> Label:
    return Label(distribution.value, LabelSource.MODEL, distribution.confidence)
