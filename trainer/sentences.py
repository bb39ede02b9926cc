"""The sentence path: a linear head on the embeddings of a frozen encoder, where there is one.

The encoder belongs to the operator: it is given by path, never trained, and never part of a
checkpoint, which only names it by a hash of its files. Whoever loads the checkpoint without that
very encoder does without this path. An embedding travels with the token ids of its text, so that a
text is read once. The module fetches nothing and mixes nothing.

Shape legend: S width of an embedding, C classes of all heads side by side.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.features import Encoded, ErrorText
from fixstream.trainer.sentence_encoder import SentenceEncoder
from fixstream.trainer.wide import COLUMNS, NUM_COLUMNS, Floats, Target, softmax

_RATE = 0.5
"""AdaGrad's rate."""
_SCALE = 4.0
"""Numbers of an embedding of unit norm are small; so many times larger they move at once."""
_STORED = np.dtype("<f2")
"""Half precision is more than the path needs, and hides how an embedding was rounded."""
_CACHED_TEXTS = 4096
_CHUNK_BYTES = 1 << 20
_WEIGHTS = "*.safetensors", "*.bin"
_READING = "*.json", "*.txt"
"""What tells how the weights read a text: sizes, vocabulary, pooling."""


class Sentences:
    """A frozen encoder with its hash, and what it read last."""

    def __init__(self, path: Path) -> None:
        """Loads it.

        Raises:
            Misconfigured: the extra is not installed, or the folder holds no such model.
        """
        encoder = SentenceEncoder(path)
        self.digest = digest_of(path)
        self._encoder = encoder

        reading = threading.Lock()  # The tokenizer must not be entered twice at once.

        @lru_cache(maxsize=_CACHED_TEXTS)
        def cached(words: str) -> bytes:
            # One text at a time: beside others it would be padded, and rounded another way.
            with reading:
                found: bytes = encoder.embed([words])[0].astype(_STORED).tobytes()
            return found

        self._cached = cached
        self.width = len(values_of(cached("error")))

    def read(self, text: ErrorText) -> bytes:
        """The embedding of a text as `Encoded.sentence` holds it; hints are not read."""
        parts = (text.error_type, text.message, text.stack_trace)
        return self._cached("\n".join(part for part in parts if part))


class SentencePath:
    """Softmax regressions on embeddings, by AdaGrad."""

    def __init__(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        self._weights: Floats = np.array(state["weights"], dtype=np.float32)  # [S, C]
        self._bias: Floats = np.array(state["bias"], dtype=np.float32)  # [2, C] and its squares
        squares = state.get("squares", np.zeros(self._weights.shape, np.float32))
        self._squares: Floats = np.array(squares, dtype=np.float32)  # [S, C]
        shape = (self.width, NUM_COLUMNS)
        if (self._weights.shape, self._squares.shape) != (shape, shape) or (
            self._bias.shape != (2, NUM_COLUMNS)
        ):
            raise ValueError(f"the sentence path's weights are {self._weights.shape}")

    @classmethod
    def fresh(cls, width: int) -> SentencePath:
        """A path that has seen nothing, for embeddings of that width."""
        return cls(
            {
                "weights": np.zeros((width, NUM_COLUMNS), np.float32),
                "bias": np.zeros((2, NUM_COLUMNS), np.float32),
            }
        )

    @property
    def width(self) -> int:
        """S: how long the embeddings are."""
        return int(self._weights.shape[0])

    def state(self) -> dict[str, Floats]:
        """The live arrays that predict, by name."""
        return {"weights": self._weights, "bias": self._bias}

    def learning_state(self) -> dict[str, Floats]:
        """The live arrays that only learning needs."""
        return {"squares": self._squares}

    def logits(self, encoded: Sequence[Encoded]) -> dict[str, Floats] | None:
        """Per head [B, K]; None, no say at all, unless every text was read by the encoder."""
        if not all(one.sentence for one in encoded):
            return None
        rows = np.stack([self._row(self._values(one)) for one in encoded])
        return {head: rows[:, columns] for head, columns in COLUMNS.items()}

    def learn(self, encoded: Encoded, targets: Mapping[str, Target]) -> None:
        """One AdaGrad step; a text that was not read teaches nothing."""
        if not encoded.sentence:
            return
        values = self._values(encoded)
        row = self._row(values)
        error = np.zeros(NUM_COLUMNS, np.float32)
        for head, target in targets.items():
            if target.weight > 0.0:
                columns = COLUMNS[head]
                shares = softmax(row[columns])
                shares[target.index] -= 1.0
                error[columns] = shares * target.weight
        if not error.any():
            return
        gradient = values[:, None] * error
        self._squares += gradient * gradient
        self._weights -= _RATE * gradient / np.sqrt(self._squares + 1e-8)
        self._bias[1] += error * error
        self._bias[0] -= 0.2 * _RATE * error / np.sqrt(self._bias[1] + 1e-8)

    def _row(self, values: Floats) -> Floats:
        return np.asarray(self._bias[0] + values @ self._weights, np.float32)

    def _values(self, encoded: Encoded) -> Floats:
        values = values_of(encoded.sentence)
        if len(values) != self.width:
            raise ValueError(f"an embedding of {len(values)} numbers, wanted {self.width}")
        return np.asarray(_SCALE * values, np.float32)


def values_of(sentence: bytes) -> Floats:
    """[S] the embedding, of unit norm, that `Sentences.read` gave."""
    return np.frombuffer(sentence, _STORED).astype(np.float32)


def digest_of(path: Path) -> str:
    """SHA-256 over the weights of an encoder and the files that say how it reads, by name."""
    found = hashlib.sha256()
    files = {file for pattern in (*_WEIGHTS, *_READING) for file in path.rglob(pattern)}
    for file in sorted(files):
        found.update(str(file.relative_to(path).as_posix()).encode() + b"\0")
        found.update(_file_digest(file))
    return found.hexdigest()


def _file_digest(file: Path) -> bytes:
    found = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            found.update(chunk)
    return found.digest()
