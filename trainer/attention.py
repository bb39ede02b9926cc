"""Self-attention over packed rows, with a backward pass of its own.

Rows of similar length share a rectangle; within it attention is four batched matrix products and a
softmax. PyTorch's fused attention computes the same, but its backward pass on a CPU costs six times
as much in bfloat16 (measured: a third of the whole training step), so it is used on a GPU only.
Outputs and gradients go straight to and from the packed tokens. The module knows no layers.

Shape legend: T tokens of all rows together, D width, H heads, K width of a head, G rows of a group,
L longest row of a group.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TokenGroup:
    """Rows of similar length that share one attention rectangle; their tokens are contiguous."""

    first_token: int
    next_token: int
    num_rows: int
    longest: int
    slots: Tensor
    """[tokens of the group] where each token stands in the flattened [G, L] rectangle."""
    key_mask: Tensor | None
    """[G, 1, 1, L] True at real tokens; None when the rectangle has no padding."""

    def to(self, device: torch.device) -> TokenGroup:
        """The group on a device."""
        mask = None if self.key_mask is None else self.key_mask.to(device)
        return replace(self, slots=self.slots.to(device), key_mask=mask)


def attend(projected: Tensor, groups: Sequence[TokenGroup], num_heads: int) -> Tensor:
    """[T, 3D] queries, keys and values -> [T, D]; each token attends to those of its row."""
    if projected.is_cuda:
        return attend_fused(projected, groups, num_heads)
    attended: Tensor = PackedAttention.apply(projected, groups, num_heads)
    return attended


def attend_fused(projected: Tensor, groups: Sequence[TokenGroup], num_heads: int) -> Tensor:
    """`attend` by PyTorch's fused attention."""
    return torch.cat([_fused(projected, group, num_heads) for group in groups])


_LANES = 32
"""Numbers in bfloat16 that the widest registers of a CPU hold."""

_softmax_backward = torch.ops.aten._softmax_backward_data  # noqa: SLF001 (autograd's own)


class PackedAttention(torch.autograd.Function):
    """`attend` by plain matrix products."""

    @staticmethod
    def forward(
        ctx: Any, projected: Tensor, groups: Sequence[TokenGroup], num_heads: int
    ) -> Tensor:
        """Keeps queries, keys, values and the attention weights for the backward pass."""
        kept: list[Tensor] = []
        attended = projected.new_empty(projected.shape[0], projected.shape[1] // 3)
        with torch.autocast(projected.device.type, enabled=False):
            for group in groups:
                tokens = projected[group.first_token : group.next_token]
                query, key, value = _heads(_rectangle(tokens, group), group, 3, num_heads)
                query = query * _scale(query)
                scores = torch.bmm(query, key.mT)  # [GH, L, L]
                if group.key_mask is not None:
                    square = scores.view(group.num_rows, num_heads, group.longest, group.longest)
                    square.masked_fill_(~group.key_mask, -torch.inf)
                weights = _softmax(scores)
                rows = _tokens(torch.bmm(weights, value)[None], group)
                attended[group.first_token : group.next_token] = rows
                kept += (query, key, value, weights)
        ctx.save_for_backward(*kept)
        ctx.groups, ctx.num_heads = groups, num_heads
        return attended

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """[T, D] -> [T, 3D]."""
        kept: Sequence[Tensor] = ctx.saved_tensors
        of_projected = gradient.new_empty(gradient.shape[0], gradient.shape[1] * 3)
        for index, group in enumerate(ctx.groups):
            query, key, value, weights = kept[4 * index : 4 * index + 4]
            rows = _rectangle(gradient[group.first_token : group.next_token], group)
            (of_output,) = _heads(rows, group, 1, ctx.num_heads)
            of_weights = torch.bmm(of_output, value.mT)
            of_scores = _softmax_backward(of_weights, weights, -1, weights.dtype)
            of_heads = torch.stack(
                (
                    torch.bmm(of_scores, key).mul_(_scale(key)),
                    torch.bmm(of_scores.mT, query),  # The query is scaled already.
                    torch.bmm(weights.mT, of_output),
                )
            )
            of_projected[group.first_token : group.next_token] = _tokens(of_heads, group)
        return of_projected, None, None


def _softmax(scores: Tensor) -> Tensor:
    """Along the last axis, in the same type."""
    if scores.shape[-1] % _LANES == 0:
        return torch.softmax(scores, dim=-1)
    # What is left over at the end of a row is slow in bfloat16: up to three times as long in all.
    return torch.softmax(scores, dim=-1, dtype=torch.float32).to(scores.dtype)


def _scale(query: Tensor) -> float:
    return 1.0 / math.sqrt(query.shape[-1])


def _rectangle(tokens: Tensor, group: TokenGroup) -> Tensor:
    """[tokens of the group, W] -> [GL, W], zeros where a row has ended."""
    if group.key_mask is None:
        return tokens
    num_slots = group.num_rows * group.longest
    return tokens.new_zeros(num_slots, tokens.shape[1]).index_copy_(0, group.slots, tokens)


def _heads(rectangle: Tensor, group: TokenGroup, num_parts: int, num_heads: int) -> Tensor:
    """[GL, parts * D] -> [parts, GH, L, K]."""
    shaped = rectangle.view(group.num_rows, group.longest, num_parts, num_heads, -1)
    split = shaped.permute(2, 0, 3, 1, 4).contiguous()
    return split.view(num_parts, group.num_rows * num_heads, group.longest, -1)


def _tokens(heads: Tensor, group: TokenGroup) -> Tensor:
    """The reverse of `_heads` and `_rectangle`."""
    parts, _, longest, width = heads.shape
    shaped = heads.view(parts, group.num_rows, -1, longest, width).permute(1, 3, 0, 2, 4)
    rows = shaped.reshape(group.num_rows * longest, -1)
    return rows if group.key_mask is None else rows.index_select(0, group.slots)


def _fused(projected: Tensor, group: TokenGroup, num_heads: int) -> Tensor:
    tokens = projected[group.first_token : group.next_token]
    parts = _heads(_rectangle(tokens, group), group, 3, num_heads)
    query, key, value = parts.view(3, group.num_rows, num_heads, group.longest, -1)
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=group.key_mask)
    return _tokens(attended.flatten(0, 1)[None], group)
