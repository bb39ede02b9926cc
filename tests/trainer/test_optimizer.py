"""The schedule, the clipping, and rows that move alone."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from fixstream.trainer.optimizer import (
    AdamOptimizerWithWarmup,
    NonFiniteGradient,
    OptimizerConfig,
)

CONFIG = OptimizerConfig(peak_rate=0.01, warmup_steps=4, weight_decay=0.1)


def test_the_rate_warms_up_linearly_then_decays_exponentially_to_a_floor() -> None:
    config = OptimizerConfig()
    assert config.rate(1) == pytest.approx(1e-6)
    assert config.rate(500) == pytest.approx(5e-4)
    assert config.rate(1000) == pytest.approx(1e-3)
    assert config.rate(2000) == pytest.approx(0.95e-3)
    assert config.rate(3000) == pytest.approx(0.95**2 * 1e-3)
    assert config.rate(10**6) == pytest.approx(1e-4)


def dense_layer() -> nn.Linear:
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.fill_(0.5)
        layer.bias.fill_(0.5)
    return layer


def test_dense_parameters_move_as_pytorchs_adamw_moves_them() -> None:
    ours, theirs = dense_layer(), dense_layer()
    optimizer = AdamOptimizerWithWarmup(ours.named_parameters(), config=CONFIG)
    reference = torch.optim.AdamW(
        [
            {"params": [theirs.weight], "weight_decay": 0.1},
            {"params": [theirs.bias], "weight_decay": 0.0},
        ],
        lr=1.0,
        betas=(0.9, 0.98),
    )
    for step in range(1, 9):
        x = torch.full((1, 3), 0.1 * step)
        for layer in (ours, theirs):
            layer(x).square().sum().backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), CONFIG.max_gradient_norm)
        for group in reference.param_groups:
            group["lr"] = CONFIG.rate(step)
        optimizer.step()
        reference.step()
        reference.zero_grad()
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


def test_without_weight_decay_every_parameter_moves_once() -> None:
    layer = dense_layer()
    config = OptimizerConfig(peak_rate=0.01, warmup_steps=1, weight_decay=0.0)
    optimizer = AdamOptimizerWithWarmup(layer.named_parameters(), config=config)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    for parameter in layer.parameters():
        torch.testing.assert_close(parameter.detach(), torch.full_like(parameter, 0.49))


def test_training_does_not_load_the_compiler() -> None:
    code = """
import sys
from fixstream.trainer.features import Encoded
from fixstream.trainer.learner import SPARSE_PARAMETERS
from fixstream.trainer.network import ErrorLearningModel, ModelConfig, pack
from fixstream.trainer.optimizer import AdamOptimizerWithWarmup
network = ErrorLearningModel.initialised(ModelConfig(60, 16, 32, 2, 1), 0)
optimizer = AdamOptimizerWithWarmup(network.named_parameters(), SPARSE_PARAMETERS)
network(pack([Encoded((1, 20, 21))])).embedding.sum().backward()
optimizer.step()
print(sorted({"torch._dynamo", "torch._inductor", "triton"} & sys.modules.keys()))
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]", "it takes 174 MB"


def table_with_gradient(rows: list[int], value: float) -> nn.Parameter:
    parameter = nn.Parameter(torch.zeros(5, 2))
    give_gradient(parameter, rows, value)
    return parameter


def give_gradient(parameter: nn.Parameter, rows: list[int], value: float) -> None:
    parameter.grad = torch.sparse_coo_tensor(
        torch.tensor([rows]), torch.full((len(rows), 2), value), (5, 2), check_invariants=True
    )


def test_only_touched_rows_move_and_the_first_touch_moves_by_one_rate() -> None:
    table = table_with_gradient([1, 3], 0.3)
    optimizer = AdamOptimizerWithWarmup([("table", table)], ["table"], CONFIG)
    optimizer.step()
    for _ in range(5):
        give_gradient(table, [1], 0.3)
        optimizer.step()
    untouched = table.detach()[[0, 2, 4]]
    assert not untouched.any()
    before = table.detach()[2].clone()
    give_gradient(table, [2], 0.3)  # Its first touch is the optimizer's seventh step.
    optimizer.step()
    moved = before - table.detach()[2]
    assert moved.tolist() == pytest.approx([optimizer.rate] * 2, rel=1e-4)


def test_a_row_that_comes_twice_in_a_batch_moves_once_by_the_sum() -> None:
    twice, once = table_with_gradient([1, 1], 0.1), table_with_gradient([1], 0.2)
    for table in (twice, once):
        AdamOptimizerWithWarmup([("table", table)], ["table"], CONFIG).step()
    torch.testing.assert_close(twice, once)


def test_long_gradients_are_clipped_over_dense_and_sparse_together() -> None:
    layer, table = dense_layer(), table_with_gradient([0], 40.0)
    layer.weight.grad = torch.full((2, 3), 30.0)
    optimizer = AdamOptimizerWithWarmup(
        [*layer.named_parameters(), ("table", table)], ["table"], CONFIG
    )
    norm = optimizer.step()
    assert norm == pytest.approx(math.sqrt(6 * 30.0**2 + 2 * 40.0**2))
    squares = optimizer.state_tensors()["dense.weight.exp_avg_sq"] / (1 - CONFIG.beta2)
    assert float(squares.sum()) < 1.0


def test_a_gradient_that_is_not_finite_moves_nothing() -> None:
    layer = dense_layer()
    optimizer = AdamOptimizerWithWarmup(layer.named_parameters(), config=CONFIG)
    layer.weight.grad = torch.full((2, 3), math.nan)
    before = layer.weight.detach().clone()
    with pytest.raises(NonFiniteGradient):
        optimizer.step()
    assert torch.equal(layer.weight, before)
    assert optimizer.rate == 0.0
    assert layer.weight.grad is None


def test_norms_biases_and_embeddings_do_not_decay() -> None:
    names = ("layers.0.expand.weight", "layers.0.expand.bias", "final_norm.weight")
    parameters = [(name, nn.Parameter(torch.ones(2))) for name in (*names, "domain_embedding.w")]
    for _, parameter in parameters:
        parameter.grad = torch.zeros(2)
    AdamOptimizerWithWarmup(parameters, config=CONFIG).step()
    moved = [name for name, parameter in parameters if float(parameter.detach().sum()) != 2.0]
    assert moved == ["layers.0.expand.weight"]
