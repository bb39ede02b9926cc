"""The decoder of one model with what it has earned: how sure its choices may be taken to be.

Its own probabilities are not believed. Each exercise is answered before it is learnt from, and the
record of these answers says how often a choice of that probability was right; that share is the
certainty. So a decoder that has learnt nothing is sure of nothing, and rewrites nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fixstream.trainer.decoder import FixDecoder
from fixstream.trainer.features import Tokenizer
from fixstream.trainer.network import ErrorLearningModel
from fixstream.trainer.precision import Precision
from fixstream.trainer.prefixes import prefixed, under
from fixstream.trainer.rewriting import Choice, decide, decoder_inputs, draft, rewritten
from fixstream.trainer.words import words_of

LEAST_CERTAINTY = 0.9
"""A name is replaced only if that is so likely right."""
MAX_WORDS = 20_000
"""Of a fix so many are rewritten; a text of the largest size has fewer."""
_EDGES = (0.5, 0.7, 0.85, 0.95)
_DOUBT = 4.0
"""So many answers are needed before the record says much; one of them counts as right."""
_DECAY = 0.998
"""Of the record with each name that was copied: an old answer was another decoder's."""
PREFIX = "decoder."
"""Of its tensors in a checkpoint, which need not have any."""
_WEIGHTS = "layers."
_RECORD = "record"


@dataclass(frozen=True, slots=True)
class Edit:
    """One name of the fix that gives way to one of the error."""

    replaced: str
    name: str
    certainty: float


@dataclass(frozen=True, slots=True)
class Rewriting:
    """A fix as it reads for one error."""

    text: str
    """Title, newline and text, as it was given."""
    edits: tuple[Edit, ...]
    """At least one."""

    @property
    def certainty(self) -> float:
        """How likely every name that was put in is the right one."""
        product = 1.0
        for edit in self.edits:
            product *= edit.certainty
        return product


class Record:
    """How often a copied name was right, by the probability that the decoder gave it."""

    def __init__(self, counts: Tensor | None = None) -> None:
        """Raises ValueError where the counts are none."""
        shape = (len(_EDGES) + 1, 2)
        self.counts = torch.zeros(shape, dtype=torch.float64) if counts is None else counts
        if self.counts.shape != shape or self.counts.dtype != torch.float64:
            raise ValueError(f"the decoder's record is {tuple(self.counts.shape)}")
        if not bool(torch.isfinite(self.counts).all()) or bool((self.counts < 0).any()):
            raise ValueError("the decoder's record holds what is no count")

    def add(self, choices: Sequence[Choice], targets: Sequence[int | None]) -> None:
        """Counts the names that were copied; what was kept makes no claim."""
        for choice, target in zip(choices, targets, strict=True):
            if choice.candidate is not None:
                self.counts *= _DECAY
                is_right = choice.candidate == target
                self.counts[self._row(choice.probability), 0 if is_right else 1] += 1.0

    def certainty(self, probability: float) -> float:
        """The share of such choices that was right, with doubt where there were few."""
        right, wrong = self.counts[self._row(probability)].tolist()
        return float((right + 1.0) / (right + wrong + _DOUBT))

    def metrics(self) -> dict[str, float]:
        """How many names were copied of late, and how many of them rightly."""
        right, wrong = self.counts.sum(dim=0).tolist()
        copied = right + wrong
        return {"decoder.copied": copied, "decoder.copied_right": right / copied if copied else 0.0}

    def _row(self, probability: float) -> int:
        return sum(probability >= edge for edge in _EDGES)


class Rewriter:
    """Decoder and record of one model version. Read-only for whoever only rewrites."""

    def __init__(self, decoder: FixDecoder, record: Record) -> None:
        self.decoder = decoder
        self.record = record

    @classmethod
    def fresh(cls, encoder_width: int, seed: int) -> Rewriter:
        """One that has learnt nothing."""
        return cls(FixDecoder.initialised(encoder_width, seed), Record())

    @classmethod
    def from_tensors(cls, encoder_width: int, tensors: Mapping[str, Tensor]) -> Rewriter:
        """The reverse of `tensors`, without copying; raises KeyError or ValueError."""
        decoder = FixDecoder.from_tensors(encoder_width, under(_WEIGHTS, tensors))
        if len(tensors) != len(decoder.state_dict()) + 1:
            raise ValueError("tensors that are no decoder's stand under its prefix")
        return cls(decoder, Record(tensors[_RECORD]))

    def tensors(self) -> dict[str, Tensor]:
        """All state by name; live tensors, not copies."""
        return {**prefixed(_WEIGHTS, self.decoder.state_dict()), _RECORD: self.record.counts}

    def rewrite(
        self,
        error_text: str,
        fix_text: str,
        network: ErrorLearningModel,
        tokenizer: Tokenizer,
        precision: Precision,
    ) -> Rewriting | None:
        """The fix with this error's names, or None where the fix should stand as it is.

        A name is replaced where that is sure enough: so each is likelier right than the one that
        it replaces, and the whole likelier than the fix as it was.

        Args:
            error_text: message of the error, scrubbed.
            fix_text: title, newline and text of the fix, scrubbed.
            network: the encoder.
            tokenizer: the network's.
            precision: of the encoder's matrix products.
        """
        made = draft(error_text, fix_text, tokenizer)
        if made is None:
            return None
        with torch.no_grad():
            choices = decide(self.decoder(decoder_inputs([made], network, precision)[0]))
        edits = []
        for choice in choices:
            certainty = self.record.certainty(choice.probability)
            if choice.candidate is not None and certainty >= LEAST_CERTAINTY:
                name = made.candidate(choice.candidate)
                edits.append(Edit(made.slot(choice.slot), name, certainty))
        if not edits:
            return None
        names = {edit.replaced: edit.name for edit in edits}
        # Behind what was read, too: a name is the same thing in all its places.
        words = words_of(fix_text, MAX_WORDS)
        text = rewritten(fix_text, words, names, fix_text.find("\n") + 1)
        return Rewriting(text, tuple(edits))
