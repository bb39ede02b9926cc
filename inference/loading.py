"""From a signed update to a warm model: the one module here that knows torch and checkpoints.

The bytes whose hash was checked are the bytes that become the model. What is loaded has to answer
a few errors sensibly before anybody is served by it. All of it happens in a thread of low priority
with one torch thread, in steps that let go of the interpreter, so that requests hardly notice. It
decides nothing about versions.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import structlog
import torch

from fixstream.inference.arithmetic import Arithmetic, Choice, Chooser, Rebuild
from fixstream.inference.reload import Reason, StoreUnavailable, UpdateRefused
from fixstream.inference.served import ErrorText, Prediction, Rewriting, ServedModel, Vectors
from fixstream.inference.weights import tensors_of
from fixstream.runtime.background import run_standing_back
from fixstream.schemas.enums import LabelSource
from fixstream.schemas.errors import ArtifactRejected
from fixstream.schemas.records import Label, ModelUpdate
from fixstream.trainer.checkpoint import (
    Artifact,
    CheckpointStore,
    StoreUnreachable,
    TrustedKeys,
    open_update,
)
from fixstream.trainer.checkpoint_format import check_address
from fixstream.trainer.features import HashedTokenizer, TokenizerConfig
from fixstream.trainer.model import Distribution, ModelConfig, TrainedModel
from fixstream.trainer.model import Prediction as ModelPrediction
from fixstream.trainer.sentences import Sentences

log = structlog.get_logger(__name__)

MANIFEST = "manifest.json"
SMOKE_TEXTS = (
    ErrorText("connection refused while opening the pool", "ConnectionRefusedError"),
    ErrorText("could not write the report: no space left on device", "OSError"),
    ErrorText("token signature rejected for the session of a customer"),
    ErrorText("'sku-1182'", "KeyError"),
    ErrorText("the espresso machine is out of beans; nobody has refilled it since last week"),
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
    """`auto`, or the name of an Arithmetic."""
    niceness: int = 5
    """How far loading stands back for the threads that serve: 0 not at all, 19 altogether."""
    sentence_encoder: Path | None = None
    """The frozen encoder for models that learnt with one; others do without it."""


class TorchModel:
    """A `TrainedModel` behind the interface that the service knows."""

    def __init__(self, model: TrainedModel, version: int, arithmetic: Arithmetic) -> None:
        """Wraps a model that is ready to use."""
        self._model = model
        self._version = version
        self._arithmetic = arithmetic

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
        """The arithmetic of its matrix products."""
        return self._arithmetic.value

    def predict(self, texts: Sequence[ErrorText]) -> list[Prediction]:
        """One prediction a text, in order."""
        return [self._labelled(one) for one in self._model.predict(texts)]

    def embed_solutions(self, texts: Sequence[str]) -> Vectors:
        """The unit vectors `(N, S)` of N fixes."""
        return self._model.embed([ErrorText(text) for text in texts])

    def rewrite(self, error_text: str, fix_text: str) -> Rewriting | None:
        """The fix in the names of the error; None where it stands, or there is no decoder."""
        found = self._model.rewrite(error_text, fix_text)
        if found is None:
            return None
        names = tuple(edit.name for edit in found.edits)
        return Rewriting(found.text, names, found.certainty)

    def close(self) -> None:
        """Lets the weights go."""
        del self._model
        give_memory_back()

    def _labelled(self, prediction: ModelPrediction) -> Prediction:
        return Prediction(
            model_version=self._version,
            domain=_label(prediction.domain),
            severity=_label(prediction.severity),
            category=_label(prediction.category),
            embedding=prediction.embedding,
            told=frozenset(
                head
                for head in ("domain", "severity", "category")
                if getattr(prediction, head).is_told
            ),
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

        Raises:
            Misconfigured: The sentence encoder that was named cannot be used.
        """
        self._store = store
        self._keys = keys
        self._config = config or LoaderConfig()
        self._trusted = TrustedKeys({})
        self._chooser = Chooser(self._config.precision)
        path = self._config.sentence_encoder
        self.sentences = Sentences(path) if path else None

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
        return run_standing_back(
            lambda: self._loaded(update),
            name="model-loader",
            niceness=self._config.niceness,
            prepare=lambda: torch.set_num_threads(1),
        )

    def _loaded(self, update: ModelUpdate) -> ServedModel:
        started = time.perf_counter()
        artifact = self._open(update)
        opened = time.perf_counter()
        choice = self._warm(artifact)
        del artifact
        give_memory_back()
        log.info(
            "checkpoint loaded",
            model_version=update.version,
            arithmetic=choice.arithmetic.value,
            verifying_s=round(opened - started, 3),
            warming_s=round(time.perf_counter() - opened, 3),
        )
        return TorchModel(choice.model, update.version, choice.arithmetic)

    def _open(self, update: ModelUpdate) -> Artifact:
        store = self._store
        reason = Reason.LOCATION
        try:
            check_address(update.artifact_uri, MANIFEST)
            reason = Reason.MISSING
            store.read(update.artifact_uri, MANIFEST)
            reason = Reason.HASH
            return open_update(update, store, self._trusted, None, tensors_of)
        except ArtifactRejected as error:
            raise UpdateRefused(reason, str(error)) from error
        except StoreUnreachable as error:
            raise StoreUnavailable(str(error)) from error
        except OSError as error:
            raise StoreUnavailable(f"the checkpoint cannot be read: {error.strerror}") from error

    def _warm(self, artifact: Artifact) -> Choice:
        config = artifact.manifest.config
        sentences = self._sentences_of(config.sentence_encoder)

        def rebuild() -> TrainedModel:
            model = TrainedModel.from_tensors(config, artifact.tokenizer_json, artifact.tensors)
            model.read_with(sentences)
            return model

        try:
            model = rebuild()
        except ArtifactRejected as error:
            raise UpdateRefused(Reason.FORMAT, str(error)) from error
        return warmed(model, rebuild, self._chooser)

    def _sentences_of(self, digest: str) -> Sentences | None:
        """The encoder that a model learnt with; without it, its other paths answer."""
        held = self.sentences
        if held is not None and held.digest == digest:
            return held
        if digest:
            log.warning(
                "the model answers without its sentence path",
                wanted=digest[:12],
                held=held.digest[:12] if held else None,
                setting="FIXSTREAM_INFERENCE_SENTENCE_ENCODER",
            )
        return None


def warmed(model: TrainedModel, rebuild: Rebuild, chooser: Chooser | None = None) -> Choice:
    """The model after a few predictions, in the arithmetic that it will be served in.

    Args:
        model: In float32.
        rebuild: Makes another one over the same tensors.
        chooser: What is known of this machine; None measures.

    Raises:
        UpdateRefused: It does not answer sensibly.
    """
    exact = _smoke(model, SMOKE_TEXTS)
    choice = (chooser or Chooser()).choose(model, exact, rebuild, SMOKE_TEXTS)
    _smoke(choice.model, SMOKE_TEXTS[:1])  # Alone as well, as serving will ask.
    return choice


def warm_up() -> None:
    """Makes torch load all that a first model would make it load: seconds that nobody may wait.

    Call it before requests are taken.
    """
    config = ModelConfig(
        vocab_size=600,
        embedding_dim=32,
        hidden_dim=32,
        num_heads=2,
        num_layers=1,
        max_sequence_length=64,
        solution_dim=16,
        wide_buckets=1024,
    )
    tokenizer = HashedTokenizer(
        TokenizerConfig(vocab_size=config.vocab_size, max_tokens=config.max_sequence_length)
    )
    fresh = TrainedModel.fresh(config, tokenizer)
    as_json, tensors = tokenizer.to_json(), fresh.tensors()

    def rebuild() -> TrainedModel:
        return TrainedModel.from_tensors(config, as_json, tensors)

    warmed(rebuild(), rebuild, Chooser(Arithmetic.INT8.value))


def _smoke(model: TrainedModel, texts: Sequence[ErrorText]) -> list[ModelPrediction]:
    """Predictions for plain errors, which have to be sane. Raises UpdateRefused."""
    try:
        predictions = model.predict(texts)
    except (RuntimeError, ValueError, IndexError, KeyError) as error:
        raise UpdateRefused(Reason.SMOKE, f"the model fails on a plain error: {error}") from error
    for one in predictions:
        _check_sane(one)
    return predictions


def give_memory_back() -> None:
    """Returns freed weights to the system: glibc keeps them, and each reload would add to that."""
    if _LIBC is not None:
        _LIBC.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:  # Another C library: it keeps memory its own way.
        return None
    return libc if hasattr(libc, "malloc_trim") else None


_LIBC = _glibc()


def _check_sane(prediction: ModelPrediction) -> None:
    for head in (prediction.category, prediction.domain, prediction.severity):
        total = sum(head.probabilities.values())
        if not abs(total - 1.0) < 1e-3:  # Not-a-number compares false, so it is refused as well.
            raise UpdateRefused(Reason.SMOKE, f"probabilities add up to {total}")
    norm = float(np.linalg.norm(prediction.embedding))
    if not abs(norm - 1.0) < 1e-2:
        raise UpdateRefused(Reason.SMOKE, f"an embedding has the length {norm}")


def _label(distribution: Distribution) -> Label:
    return Label(distribution.value, LabelSource.MODEL, distribution.confidence)
