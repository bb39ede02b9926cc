"""The decoder: rewrites a fix for one error by pointing at words, over the encoder's states.

It walks the names of a fix (hosts, numbers, paths, whatever may differ between two errors of one
kind) and for each of them either keeps it or copies a name of the error. All other words of the
fix stand. So nothing can be written that neither the error nor the fix says. The module reads no
texts and no files, and trains nothing.

See, Liu and Manning, "Get To The Point: Summarization with Pointer-Generator Networks", 2017, for
copying; Malmi et al., "Encode, Tag, Realize", 2019, for rewriting by keeping and replacing.

Shape legend: E words of the error, F words of the fix, D width of the encoder, W width of the
decoder, S slots (distinct names of the fix that may be replaced), C candidates (distinct names of
the error), R relations between a slot and a candidate, P what is known of a slot by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn

from fixstream.trainer.words import Kind

WIDTH = 128
NUM_HEADS = 4
NUM_RELATIONS = 10
NUM_SLOT_SIGNS = 6
KEEP = 0
"""The column of the logits that leaves a slot as it is; candidate c stands at `c + 1`."""
_KEEPS_AT_FIRST = 1.0
_IMPOSSIBLE = -1e9


@dataclass(frozen=True, slots=True)
class DecoderInput:
    """One error and one fix as the decoder reads them."""

    error: Tensor  # [E, D]
    fix: Tensor  # [F, D]
    error_kinds: Tensor  # [E]
    fix_kinds: Tensor  # [F]
    slots: Tensor  # [S, F] how much of a slot stands at each word of the fix; rows add up to one
    candidates: Tensor  # [C, E] likewise
    relations: Tensor  # [S, C, R]
    slot_signs: Tensor  # [S, P]
    allowed: Tensor  # [S, C] whether the candidate may stand there at all


class FixDecoder(nn.Module):
    """One decoder layer over the words of the fix, and a pointer into the error."""

    def __init__(self, encoder_width: int, width: int = WIDTH) -> None:
        super().__init__()
        self.read = nn.Linear(encoder_width, width)
        # Not drawn: on `meta` that would import torch's compiler, see network.py.
        self.kind_embedding = nn.Embedding(len(Kind), width, _weight=torch.empty(len(Kind), width))
        self.memory_norm = nn.LayerNorm(width)
        self.self_norm = nn.LayerNorm(width)
        self.self_attention = nn.MultiheadAttention(width, NUM_HEADS, batch_first=True)
        self.cross_norm = nn.LayerNorm(width)
        self.cross_attention = nn.MultiheadAttention(width, NUM_HEADS, batch_first=True)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 2 * width)
        self.contract = nn.Linear(2 * width, width)
        self.final_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.relate = nn.Linear(NUM_RELATIONS, 16)
        self.related = nn.Linear(16, 1)
        self.keep = nn.Linear(width + NUM_SLOT_SIGNS, 1)

    @classmethod
    def initialised(cls, encoder_width: int, seed: int, width: int = WIDTH) -> FixDecoder:
        """A decoder with random weights that depend on the seed alone."""
        with torch.device("meta"):
            decoder = cls(encoder_width, width)
        decoder.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in decoder.named_parameters():
                _initialise(name, parameter, generator)
        return decoder

    @classmethod
    def from_tensors(cls, encoder_width: int, tensors: Mapping[str, Tensor]) -> FixDecoder:
        """A decoder that uses the given tensors without copying them.

        Raises:
            ValueError: a tensor is missing, unknown, or of another shape or type.
        """
        read = tensors.get("read.weight")
        if read is None or read.dim() != 2 or read.shape[0] % NUM_HEADS:
            raise ValueError("the decoder's read.weight is missing or no matrix of whole heads")
        with torch.device("meta"):
            decoder = cls(encoder_width, read.shape[0])
        expected = decoder.state_dict()
        if expected.keys() != tensors.keys():
            odd = sorted(expected.keys() ^ tensors.keys())
            raise ValueError(f"the decoder's tensors missing or unknown: {', '.join(odd[:5])}")
        for name, tensor in tensors.items():
            if tensor.shape != expected[name].shape or tensor.dtype != torch.float32:
                raise ValueError(f"the decoder's {name} is {tuple(tensor.shape)} {tensor.dtype}")
        decoder.load_state_dict(dict(tensors), assign=True)
        return decoder

    def forward(self, given: DecoderInput) -> Tensor:
        """[S, 1 + C] logits: to keep each slot, or to copy each candidate into it."""
        error = self.read(given.error) + self.kind_embedding(given.error_kinds)  # [E, W]
        fix = self._decode(given, self.memory_norm(error))
        slots = given.slots @ fix  # [S, W]
        candidates = given.candidates @ self.memory_norm(error)  # [C, W]
        pointed = self.query(slots) @ self.key(candidates).T / self.query.out_features**0.5
        related = self.related(torch.tanh(self.relate(given.relations)))[:, :, 0]
        copied = (pointed + related).masked_fill(~given.allowed, _IMPOSSIBLE)
        kept = self.keep(torch.cat((slots, given.slot_signs), dim=1)) + _KEEPS_AT_FIRST
        return torch.cat((kept, copied), dim=1)

    def _decode(self, given: DecoderInput, error: Tensor) -> Tensor:
        """[F, W] the words of the fix, each with what the others and the error say of it."""
        x = (self.read(given.fix) + self.kind_embedding(given.fix_kinds))[None]
        own = self.self_norm(x)
        x = x + self.self_attention(own, own, own, need_weights=False)[0]
        asked = self.cross_norm(x)
        x = x + self.cross_attention(asked, error[None], error[None], need_weights=False)[0]
        hidden = F.gelu(self.expand(self.feed_forward_norm(x)), approximate="tanh")
        decoded: Tensor = self.final_norm(x + self.contract(hidden))[0]
        return decoded


def _initialise(name: str, parameter: Tensor, generator: torch.Generator) -> None:
    """Normal weights that keep the scale of what comes in, zero biases."""
    if name.endswith("bias"):
        parameter.zero_()
    elif "norm" in name:
        parameter.fill_(1.0)
    else:
        parameter.normal_(0.0, parameter.shape[1] ** -0.5, generator=generator)
