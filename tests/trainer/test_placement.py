"""Training on a GPU, as far as a machine without one can tell.

A fake GPU's tensors have a place and a shape but no numbers. PyTorch refuses an operation on
tensors of two places, so what was made on the CPU by mistake shows.
"""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from fixstream.schemas.errors import Misconfigured
from fixstream.trainer.features import Encoded
from fixstream.trainer.network import ByteDropout, ErrorLearningModel, pack
from fixstream.trainer.optimizer import AdamOptimizerWithWarmup
from fixstream.trainer.placement import Device, place
from fixstream.trainer.precision import Precision, fastest_precision
from fixstream.trainer.processes import backend_of
from fixstream.trainer.step import EncodedPair, on_device, pair_loss
from support.training import TINY_MODEL

GPU = torch.device("cuda", 0)
TEXTS = [Encoded((3, 4, 5)), Encoded((6, 7)), Encoded((8, 9, 10, 11), 1, 2), Encoded((5,))]


def test_a_forward_pass_and_its_losses_stay_on_the_gpu() -> None:
    batch = pack(TEXTS)
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device(GPU):
            network = ErrorLearningModel(TINY_MODEL)
        # No generator of a GPU can be made here: this dropout draws on the CPU, then moves.
        output = network(batch.to(GPU), ByteDropout(0.1, torch.Generator().manual_seed(1)))
        pairs = [
            EncodedPair(TEXTS[0], TEXTS[1], 1.0, True),
            EncodedPair(TEXTS[2], TEXTS[3], 1.0, False),
        ]
        loss = pair_loss(output.embedding, pairs)
        found = [loss, output.embedding, *output.logits.values()]
    assert network.device == GPU
    assert {tensor.device for tensor in found} == {GPU}


def test_the_moments_of_a_table_lie_beside_it() -> None:
    with FakeTensorMode():
        table = torch.nn.Parameter(torch.empty(10, 4, device=GPU))
        optimizer = AdamOptimizerWithWarmup([("table", table)], ["table"])
        state = optimizer.state_tensors()
    assert {state[f"rows.table.{name}"].device for name in ("mean", "square", "rows")} == {GPU}


def test_what_is_asked_for_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert place(Device.AUTO) == place(Device.CPU) == torch.device("cpu")
    with pytest.raises(Misconfigured, match="no GPU"):
        place(Device.CUDA)


def test_each_process_gets_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert place(Device.AUTO) == torch.device("cuda", 3)
    assert place(Device.CPU) == torch.device("cpu")
    assert fastest_precision(GPU) is Precision.BFLOAT16


def test_gpus_talk_over_nccl_and_messages_over_gloo() -> None:
    assert backend_of(GPU) == "cpu:gloo,cuda:nccl"
    assert backend_of(torch.device("cpu")) == "gloo"


def test_on_the_cpu_a_step_draws_from_the_generator_that_it_was_given() -> None:
    generator = torch.Generator().manual_seed(5)
    assert on_device(generator, torch.device("cpu")) is generator
