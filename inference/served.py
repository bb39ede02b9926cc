"""What the service asks of a model, so that nothing here depends on how the network is built.

Refuses to know torch: arrays are numpy, and the adapter in `loading` is the only one that does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fixstream.schemas.records import Label, Labels
from fixstream.trainer.features import ErrorText

__all__ = ["ErrorText", "Prediction", "Rewriting", "ServedModel", "Vectors"]

Vectors = NDArray[np.float32]
"""Unit vectors: `(D,)` for one text, `(N, D)` for several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One model's answer to one error: its most likely labels, and where the error lies."""

    model_version: int
    domain: Label
    severity: Label
    category: Label
    embedding: Vectors
    told: frozenset[str] = frozenset()
    """Heads that people have labelled enough for the answer to stand against a rule's claim."""

    @property
    def labels(self) -> Labels:
        """The three labels as one record."""
        return Labels(domain=self.domain, severity=self.severity, category=self.category)


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A fix as it reads for one error."""

    text: str
    """Title, newline and text."""
    names: tuple[str, ...]
    """What was put in, all of it from the error; at least one."""
    certainty: float
    """How likely all of them are right, 0 to 1."""


class ServedModel(Protocol):
    """A loaded, verified and warm model. Called from one thread at a time."""

    @property
    def version(self) -> int:
        """The version of the update that it came with; at least 1."""

    @property
    def embedding_dim(self) -> int:
        """D: the length of its embeddings."""

    @property
    def precision(self) -> str:
        """The arithmetic that was chosen, in words."""

    def predict(self, texts: Sequence[ErrorText]) -> list[Prediction]:
        """One prediction a text, in order."""

    def embed_solutions(self, texts: Sequence[str]) -> Vectors:
        """The unit vectors `(N, D)` of N fixes, in the space of the errors' embeddings."""

    def rewrite(self, error_text: str, fix_text: str) -> Rewriting | None:
        """The fix (title, newline, text) in the names of the error; None: it stands as it is."""

    def close(self) -> None:
        """Releases what it holds; it is not called again afterwards."""
