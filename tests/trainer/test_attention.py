"""Attention on packed rows: the hand-written backward pass beside PyTorch's fused attention."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fixstream.trainer.attention import attend, attend_fused
from fixstream.trainer.features import Encoded
from fixstream.trainer.network import TokenBatch, pack

WIDTH, HEADS = 12, 3


def batch_of(lengths: list[int], group_tokens: int) -> TokenBatch:
    return pack([Encoded(tuple(range(1, n + 1))) for n in lengths], group_tokens=group_tokens)


def projections(batch: TokenBatch, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(len(batch.token_ids))
    drawn = torch.randn(batch.num_tokens, 3 * WIDTH, generator=generator, dtype=torch.float64)
    return drawn.to(dtype).requires_grad_()


@pytest.mark.parametrize("lengths", [[1], [4, 4], [1, 3, 7], [2, 9, 9, 5, 1, 14]])
@pytest.mark.parametrize("group_tokens", [1, 20, 2048])
def test_outputs_and_gradients_are_those_of_the_fused_attention(
    lengths: list[int], group_tokens: int
) -> None:
    batch = batch_of(lengths, group_tokens)
    mine, theirs = (projections(batch, torch.float64) for _ in range(2))
    attended = attend(mine, batch.groups, HEADS)
    wanted = attend_fused(theirs, batch.groups, HEADS)
    torch.testing.assert_close(attended, wanted)
    direction = torch.linspace(-1.0, 1.0, wanted.numel(), dtype=torch.float64).view_as(wanted)
    torch.testing.assert_close(
        torch.autograd.grad(attended, mine, direction),
        torch.autograd.grad(wanted, theirs, direction),
    )


def test_in_bfloat16_under_autocast_everything_stays_bfloat16() -> None:
    batch = batch_of([3, 8, 8], 2048)
    low, exact = (projections(batch, dtype) for dtype in (torch.bfloat16, torch.float64))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        attended = attend(low, batch.groups, HEADS)
    (gradient,) = torch.autograd.grad(attended, low, torch.ones_like(attended))
    wanted = attend(exact, batch.groups, HEADS)
    (exact_gradient,) = torch.autograd.grad(wanted, exact, torch.ones_like(wanted))
    assert attended.dtype is gradient.dtype is torch.bfloat16
    torch.testing.assert_close(attended.double(), wanted, atol=0.05, rtol=0.05)
    torch.testing.assert_close(gradient.double(), exact_gradient, atol=0.1, rtol=0.1)
