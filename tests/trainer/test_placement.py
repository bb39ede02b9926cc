"""Training on a GPU, as far as a machine without one can tell.

A fake GPU's tensors have a place and a shape but no numbers. PyTorch refuses an operation on
tensors of two places, so what was made on the CPU by mistake shows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from fixstream.schemas.errors import Misconfigured
from fixstream.trainer import pretraining
from fixstream.trainer.features import Encoded, ErrorText
from fixstream.trainer.learner import Learner
from fixstream.trainer.network import ByteDropout, ErrorLearningModel, TokenBatch, pack
from fixstream.trainer.optimizer import AdamOptimizerWithWarmup
from fixstream.trainer.passages import PastError, corpus_of
from fixstream.trainer.placement import Device, place
from fixstream.trainer.precision import Precision, fastest_precision
from fixstream.trainer.pretraining import Pretraining, PretrainingConfig
from fixstream.trainer.processes import backend_of
from fixstream.trainer.step import EncodedPair, on_device, pair_loss
from support.training import TINY_LEARNER, TINY_MODEL

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


def test_the_losses_of_pretraining_stay_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def packed(rows: Sequence[Encoded]) -> TokenBatch:
        with unset_fake_temporarily():  # It reads lengths, and a fake tensor has no numbers.
            return pack(rows)

    def contrastive(embedding: Tensor, families: Tensor, fixes: Tensor) -> Tensor:
        assert {families.device, fixes.device} == {GPU}
        return embedding.sum()  # The real one asks whether any two rows belong together.

    monkeypatch.setattr(pretraining, "pack", packed)
    monkeypatch.setattr(pretraining, "contrastive_loss", contrastive)
    monkeypatch.setattr(pretraining, "on_device", lambda generator, _: generator)
    learner = Learner(TINY_LEARNER)
    errors = [PastError(f"e{n}", ErrorText(f"disk {n} is full\nand more"), "g") for n in range(4)]
    corpus = corpus_of(errors, learner.tokenizer, 32)
    teacher = np.ones((4, 3), np.float32)
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device(GPU):
            learner.model.network = ErrorLearningModel(TINY_MODEL)
        config = PretrainingConfig(epochs=1, batch_size=4)
        training = Pretraining(learner, corpus, config, teacher=teacher)
        losses = training.losses(0)
        moments = training.optimizer.state_tensors()
    assert {name: loss.device for name, loss in losses.items()} == dict.fromkeys(
        ("masked", "contrastive", "distilled"), GPU
    )
    assert moments["rows.token_embedding.weight.mean"].device == GPU


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
