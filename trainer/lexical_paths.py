"""The paths beside the network, taken together: each quick, each learning from its first example.

Every text is cut into weighted n-grams once, and all paths read those. This module only keeps them
together and in order; what a path does is its own module's matter, and the mixture weighs them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fixstream.trainer.bayes import BayesPath
from fixstream.trainer.features import Encoded
from fixstream.trainer.memory import Memory
from fixstream.trainer.mixture import SENTENCES
from fixstream.trainer.prefixes import under
from fixstream.trainer.sentences import SentencePath
from fixstream.trainer.tallies import Tallies
from fixstream.trainer.wide import Floats, Grams, Target, WidePath, grams

Labelled = tuple[Encoded, Mapping[str, Target]]
_Arrays = Mapping[str, NDArray[np.generic]]
_SENTENCES = "sentences."


@dataclass(frozen=True, slots=True)
class LexicalPaths:
    """All paths beside the network of one model version; most have no sentence path."""

    wide: WidePath
    memory: Memory
    bayes: BayesPath
    tallies: Tallies
    sentences: SentencePath | None = None

    @classmethod
    def fresh(cls, num_buckets: int, num_places: int, sentence_width: int = 0) -> LexicalPaths:
        """Paths that have learnt nothing.

        Args:
            num_buckets: hash buckets of the n-grams.
            num_places: recent examples that the memory holds.
            sentence_width: length of a sentence encoder's embeddings; 0 without one.
        """
        return cls(
            WidePath.fresh(num_buckets),
            Memory.fresh(num_places, num_buckets),
            BayesPath.fresh(num_buckets),
            Tallies.fresh(),
            SentencePath.fresh(sentence_width) if sentence_width else None,
        )

    @classmethod
    def from_state(cls, arrays: _Arrays) -> LexicalPaths:
        """The reverse of `state`; raises KeyError or ValueError where the arrays do not fit."""
        wide = WidePath(under("wide.", arrays))
        sentences = under(_SENTENCES, arrays)
        return cls(
            wide,
            Memory(under("memory.", arrays), wide.num_buckets),
            BayesPath(under("bayes.", arrays), wide.num_buckets),
            Tallies(under("tallies.", arrays)),
            SentencePath(sentences) if sentences else None,
        )

    @property
    def size(self) -> tuple[int, int, int]:
        """Hash buckets, places of the memory, and the width of a sentence embedding or 0."""
        width = self.sentences.width if self.sentences else 0
        return self.wide.num_buckets, self.memory.num_places, width

    def state(self) -> dict[str, NDArray[np.generic]]:
        """The live arrays that predict, by name."""
        parts: dict[str, Mapping[str, NDArray[np.generic]]] = {
            "wide.": self.wide.state(),
            "memory.": self.memory.state(),
            "bayes.": self.bayes.state(),
            "tallies.": self.tallies.state(),
            _SENTENCES: self.sentences.state() if self.sentences else {},
        }
        return {p + name: array for p, arrays in parts.items() for name, array in arrays.items()}

    def learning_state(self) -> dict[str, Floats]:
        """The live arrays that only learning needs, by name."""
        found = {f"wide.{name}": array for name, array in self.wide.learning_state().items()}
        beside = self.sentences.learning_state() if self.sentences else {}
        return {**found, **{_SENTENCES + name: array for name, array in beside.items()}}

    def logits(self, encoded: Sequence[Encoded]) -> dict[str, dict[str, Floats]]:
        """What each path says: path -> head -> [B, classes]."""
        texts = self._grams(encoded)
        valued = [(text.ids, self.wide.values(text)) for text in texts]
        said = {
            "wide": self.wide.logits(texts),
            "memory": self.memory.logits(valued),
            "bayes": self.bayes.logits(valued),
            **self.tallies.logits(encoded),
        }
        read = self.sentences.logits(encoded) if self.sentences else None
        return said if read is None else {**said, SENTENCES: read}

    def learn(self, new: Sequence[Labelled], replayed: Sequence[Labelled]) -> None:
        """Learns new examples; replayed ones teach the wide path alone, for the others count."""
        texts = self._grams([encoded for encoded, _ in new])
        for text, (encoded, targets) in zip(texts, new, strict=True):
            values = self.wide.values(text)
            self.memory.add(text.ids, values, targets)
            self.bayes.add(text.ids, targets)
            self.tallies.add(encoded, targets)
            if self.sentences:
                self.sentences.learn(encoded, targets)
        again = self._grams([encoded for encoded, _ in replayed])
        self.wide.learn([*texts, *again], [targets for _, targets in (*new, *replayed)])
        self.wide.count(texts)

    def _grams(self, encoded: Sequence[Encoded]) -> list[Grams]:
        return [grams(one, self.wide.num_buckets) for one in encoded]
