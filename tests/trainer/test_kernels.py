"""Compiled kernels compute what the plain ones do, for any number of tokens."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fixstream.trainer.features import Encoded
from fixstream.trainer.kernels import PLAIN, Kernels, compiled, kernels_for
from fixstream.trainer.learner import Learner
from fixstream.trainer.network import ByteDropout, EncoderLayer, ErrorLearningModel, pack
from support.training import TINY_LEARNER, TINY_MODEL

SHORT = [Encoded((3, 4, 5)), Encoded((6, 7))]
LONG = [Encoded(tuple(range(2, 30)))] * 3 + SHORT

# Traces, and takes derivatives ahead of time, as `inductor` does before it writes code; that needs
# a C++ compiler, which not every machine has.
TRACED = "aot_eager"


def passed(network: ErrorLearningModel, kernels: Kernels, texts: list[Encoded]) -> list[Tensor]:
    """The outputs, and the gradient of every weight."""
    network.compute_with(kernels)
    network.zero_grad()
    output = network(pack(texts), ByteDropout(0.1, torch.Generator().manual_seed(1)))
    found = [*output.logits.values(), output.embedding]
    sum((one.square().sum() for one in found), torch.zeros(())).backward()
    gradients = [one.grad for one in network.parameters() if one.grad is not None]
    return [one.detach().to_dense() for one in (*found, *gradients)]


def kernels_of(network: ErrorLearningModel) -> set[Kernels]:
    return {one.kernels for one in network.layers if isinstance(one, EncoderLayer)}


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # The tracer's own doing.
@pytest.mark.parametrize("texts", [SHORT, LONG])
def test_outputs_and_gradients_are_those_of_the_plain_kernels(texts: list[Encoded]) -> None:
    network = ErrorLearningModel.initialised(TINY_MODEL, seed=1)
    wanted = passed(network, PLAIN, texts)
    found = passed(network, compiled(TRACED), texts)
    assert len(found) == len(wanted) > len(list(network.layers))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_weights_keep_their_names_and_a_copy_its_kernels() -> None:
    network = ErrorLearningModel.initialised(TINY_MODEL, seed=1)
    names = list(network.state_dict())
    network.compute_with(compiled(TRACED))
    assert list(network.state_dict()) == names
    assert kernels_of(copy.deepcopy(network)) == {compiled(TRACED)}


def test_a_gpu_compiles_unless_told_otherwise() -> None:
    cpu, gpu = torch.device("cpu"), torch.device("cuda", 0)
    assert kernels_for(cpu, None) is kernels_for(gpu, False) is PLAIN
    assert kernels_for(gpu, None) is kernels_for(cpu, True) is compiled()


def test_a_learner_computes_with_the_kernels_of_its_configuration() -> None:
    learner = Learner(replace(TINY_LEARNER, kernels=compiled(TRACED)))
    assert kernels_of(learner.model.network) == {compiled(TRACED)}
