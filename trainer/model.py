"""The model as its users see it: texts in, distributions and an embedding out.

A `TrainedModel` joins the tokenizer, the network, the paths beside it and their mixture. It is
read-only and safe to share between threads; it does not train, load files or talk to anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fixstream.schemas.errors import ArtifactRejected
from fixstream.trainer.checkpoint import Artifact
from fixstream.trainer.features import (
    MASKED_HINT,
    Encoded,
    ErrorText,
    HashedTokenizer,
    Tokenizer,
    cropped,
)
from fixstream.trainer.lexical_paths import LexicalPaths
from fixstream.trainer.mixture import (
    EXPERTS,
    IDLE_GAIN,
    NETWORK,
    WITH_SENTENCES,
    Mixture,
)
from fixstream.trainer.network import HEADS, ErrorLearningModel, ModelConfig, pack
from fixstream.trainer.precision import Precision
from fixstream.trainer.prefixes import prefixed, under
from fixstream.trainer.rewriter import PREFIX, Rewriter, Rewriting
from fixstream.trainer.sentences import Sentences
from fixstream.trainer.wide import Floats

__all__ = [
    "HEADS",
    "Distribution",
    "ErrorLearningModel",
    "ErrorText",
    "ModelConfig",
    "Prediction",
    "Rewriting",
    "TrainedModel",
]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Calibrated probabilities of the classes of one head; they add up to one."""

    probabilities: Mapping[str, float]
    value: str
    """The answer: not always the most probable class, see `decision`."""
    is_told: bool = False
    """Whether people have labelled enough for the answer to stand against a rule's claim."""

    @property
    def confidence(self) -> float:
        """The probability of `value`."""
        return self.probabilities[self.value]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one error."""

    category: Distribution
    domain: Distribution
    severity: Distribution
    embedding: NDArray[np.float32]
    """[S] of unit norm: errors with one fix, and errors with their fix, lie close together."""


class TrainedModel:
    """Tokenizer, network, the paths beside it and the mixture of one model version."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        network: ErrorLearningModel,
        paths: LexicalPaths,
        mixture: Mixture,
        precision: Precision = Precision.FLOAT32,
    ) -> None:
        self.sentences: Sentences | None = None
        """The frozen encoder of the sentence path; without it, that path has no say."""
        self.rewriter: Rewriter | None = None
        """What adapts a fix to an error; most models have none."""
        self.tokenizer = tokenizer
        self.network = network
        self.paths = paths
        self.mixture = mixture
        self.precision = precision
        self._is_network_idle = False

    @classmethod
    def fresh(cls, config: ModelConfig, tokenizer: Tokenizer, seed: int = 0) -> TrainedModel:
        """A model that has learnt nothing yet."""
        return cls(
            tokenizer,
            ErrorLearningModel.initialised(config, seed),
            LexicalPaths.fresh(config.wide_buckets, config.memory_places, config.sentence_width),
            Mixture.fresh(WITH_SENTENCES if config.sentence_width else EXPERTS),
        )

    @classmethod
    def from_artifact(
        cls, artifact: Artifact, precision: Precision = Precision.FLOAT32
    ) -> TrainedModel:
        """The model of a verified checkpoint, after a smoke prediction.

        Raises:
            ArtifactRejected: its parts do not fit together, or it predicts nonsense.
        """
        model = cls.from_tensors(
            artifact.manifest.config, artifact.tokenizer_json, artifact.tensors, precision
        )
        model.check_prediction()
        return model

    @classmethod
    def from_tensors(
        cls,
        config: ModelConfig,
        tokenizer_json: str | bytes,
        tensors: Mapping[str, Tensor],
        precision: Precision = Precision.FLOAT32,
    ) -> TrainedModel:
        """Rebuilds a model from a checkpoint's parts, without copying the tensors.

        Raises:
            ArtifactRejected: a part is missing, unknown, or of the wrong shape or type.
        """
        tokenizer = HashedTokenizer.from_json(tokenizer_json)
        if (tokenizer.vocab_size, tokenizer.max_tokens) != (
            config.vocab_size,
            config.max_sequence_length,
        ):
            raise ArtifactRejected("tokenizer.json does not fit the model's configuration")
        try:
            network = ErrorLearningModel.from_tensors(config, under("network.", tensors))
            paths = LexicalPaths.from_state(
                {k: v.numpy() for k, v in tensors.items() if not k.startswith("network.")}
            )
            mixture = Mixture.from_state(
                {k: v.numpy() for k, v in under("mixture.", tensors).items()}
            )
            rewriter = _rewriter(config, under(PREFIX, tensors))
        except (KeyError, ValueError, RuntimeError) as error:
            raise ArtifactRejected(f"weights.safetensors does not fit: {error}") from error
        if paths.size != (config.wide_buckets, config.memory_places, config.sentence_width):
            raise ArtifactRejected("a path beside the network is of another size")
        if mixture.has_sentences != bool(config.sentence_width):
            raise ArtifactRejected("the mixture is not of the model's paths")
        model = cls(tokenizer, network, paths, mixture, precision)
        model.rewriter = rewriter
        return model

    def check_prediction(self) -> None:
        """Raises ArtifactRejected unless the model gives finite numbers for a short text."""
        prediction = self.predict([ErrorText("connection refused", "ConnectionError")])[0]
        confidences = [
            distribution.confidence
            for distribution in (prediction.category, prediction.domain, prediction.severity)
        ]
        if not np.isfinite([*confidences, *prediction.embedding]).all():
            raise ArtifactRejected("the model predicts numbers that are not finite")

    def without_idle_network(self) -> TrainedModel:
        """The same model, sharing all state, for callers who need no embedding.

        A network that has earned next to nothing is not run, and its embeddings are zeros.
        """
        light = TrainedModel(self.tokenizer, self.network, self.paths, self.mixture, self.precision)
        light.sentences = self.sentences
        light.rewriter = self.rewriter
        light._is_network_idle = self.mixture.network_gain < IDLE_GAIN
        return light

    def tensors(self) -> dict[str, Tensor]:
        """All weights by name, as `from_tensors` wants them; they are live, not copies."""
        parts = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        mixture = {f"mixture.{name}": array for name, array in self.mixture.state().items()}
        beside = {**self.paths.state(), **mixture}
        tensors = {**parts, **{name: torch.from_numpy(array) for name, array in beside.items()}}
        return {**tensors, **(prefixed(PREFIX, self.rewriter.tensors()) if self.rewriter else {})}

    @property
    def sentence_encoder(self) -> str:
        """Hash of the encoder that the sentence path learnt with; empty without such a path."""
        return self.network.config.sentence_encoder

    def read_with(self, sentences: Sentences | None) -> None:
        """Takes the frozen encoder of the sentence path, or None to go without that path.

        Raises:
            ArtifactRejected: the model learnt with another encoder, or with none.
        """
        if sentences is not None and sentences.digest != self.sentence_encoder:
            learnt = self.sentence_encoder[:12] or "none"
            raise ArtifactRejected(
                f"the sentence encoder is {sentences.digest[:12]}, the model learnt with {learnt}"
            )
        self.sentences = sentences

    def encode(self, text: ErrorText) -> Encoded:
        """A text as `predict_encoded` takes it: its ids, and its embedding where there is one."""
        encoded = self.tokenizer.encode(text)
        if self.sentences is None:
            return encoded
        return replace(encoded, sentence=self.sentences.read(text))

    def predict(self, texts: Sequence[ErrorText]) -> list[Prediction]:
        """One prediction a text, in order; an empty sequence gives an empty list."""
        return self.predict_encoded([self.encode(text) for text in texts])

    def predict_encoded(self, encoded: Sequence[Encoded]) -> list[Prediction]:
        """As `predict`, for texts that were encoded by this model."""
        if not encoded:
            return []
        mixed, embeddings = self._run(encoded)
        return [
            Prediction(
                category=self._distribution("category", mixed["category"][row]),
                domain=self._distribution("domain", mixed["domain"][row]),
                severity=self._distribution("severity", mixed["severity"][row]),
                embedding=embeddings[row],
            )
            for row in range(len(encoded))
        ]

    def probabilities(self, encoded: Sequence[Encoded]) -> dict[str, Floats]:
        """Per head [B, classes]; at least one text."""
        return self._run(encoded)[0]

    def embed(self, texts: Sequence[ErrorText]) -> NDArray[np.float32]:
        """Solution embeddings [B, S] of unit norm."""
        if not texts:
            return np.zeros((0, self.network.config.solution_dim), np.float32)
        return self._run_network([self.tokenizer.encode(text) for text in texts])[1]

    def rewrite(self, error_text: str, fix_text: str) -> Rewriting | None:
        """A fix with the names of this error, where that is likelier right than the fix as it is.

        Args:
            error_text: message of the error, scrubbed.
            fix_text: title, newline and text of the fix, scrubbed.
        """
        if self.rewriter is None:
            return None
        return self.rewriter.rewrite(
            error_text, fix_text, self.network, self.tokenizer, self.precision
        )

    def _run(self, encoded: Sequence[Encoded]) -> tuple[dict[str, Floats], Floats]:
        experts = self.paths.logits(encoded)
        if self._is_network_idle:
            width = self.network.config.solution_dim
            embeddings: Floats = np.zeros((len(encoded), width), np.float32)
        else:
            experts[NETWORK], embeddings = self._run_network(encoded)
        mixed = {
            head: self._mix(head, {name: said[head] for name, said in experts.items()}, encoded)
            for head in HEADS
        }
        return mixed, embeddings

    def _run_network(self, encoded: Sequence[Encoded]) -> tuple[dict[str, Floats], Floats]:
        device = self.network.device
        with torch.inference_mode(), self.precision.autocast(device):
            limit = self.network.config.network_tokens
            output = self.network(pack([cropped(one, limit) for one in encoded]).to(device))
        logits = {head: values.float().cpu().numpy() for head, values in output.logits.items()}
        return logits, output.embedding.float().cpu().numpy()

    def _mix(self, head: str, experts: Mapping[str, Floats], encoded: Sequence[Encoded]) -> Floats:
        mixture = self.mixture.heads[head]
        mixed = mixture.probabilities(experts)
        # While it learnt, the network never had to say what a hint had just told it.
        hinted = [row for row, one in enumerate(encoded) if _is_hinted(head, one)]
        if hinted:
            others = {name: said[hinted] for name, said in experts.items() if name != NETWORK}
            mixed[hinted] = mixture.probabilities(others)
        return mixed

    def _distribution(self, head: str, row: Floats) -> Distribution:
        classes = HEADS[head]
        mixture = self.mixture.heads[head]
        choice = int(mixture.choices(row[None])[0])
        shares = dict(zip(classes, (float(p) for p in row), strict=True))
        return Distribution(shares, classes[choice], mixture.is_told)


def _rewriter(config: ModelConfig, tensors: Mapping[str, Tensor]) -> Rewriter | None:
    return Rewriter.from_tensors(config.embedding_dim, tensors) if tensors else None


def _is_hinted(head: str, encoded: Encoded) -> bool:
    hints = {"domain": encoded.domain_id, "severity": encoded.severity_id}
    return hints.get(head, MASKED_HINT) != MASKED_HINT
