"""The packed transformer: padding and company change nothing, seeds decide everything."""

from __future__ import annotations

import pytest
import torch

from fixstream.trainer.features import Encoded
from fixstream.trainer.network import (
    ByteDropout,
    EncoderLayer,
    ErrorLearningModel,
    ModelConfig,
    pack,
)
from support.training import TINY_MODEL

NETWORK = ErrorLearningModel.initialised(TINY_MODEL, seed=1)
TEXTS = [Encoded(tuple(range(1, length + 1))) for length in (9, 3, 30, 1, 12)]


def test_the_specifications_sizes_are_the_default() -> None:
    with torch.device("meta"):
        network = ErrorLearningModel(ModelConfig())
    assert network.token_embedding.weight.shape == (50_000, 512)
    assert len(network.layers) == 6
    assert sum(parameter.numel() for parameter in network.parameters()) == 38_367_513


@pytest.mark.parametrize("group_tokens", [1, 40, 10_000])
def test_a_text_alone_and_in_company_give_the_same(group_tokens: int) -> None:
    together = NETWORK(pack(TEXTS, group_tokens=group_tokens))
    for row, text in enumerate(TEXTS):
        alone = NETWORK(pack([text]))
        for head, logits in together.logits.items():
            torch.testing.assert_close(logits[row], alone.logits[head][0])
        torch.testing.assert_close(together.embedding[row], alone.embedding[0])


def test_it_computes_what_pytorchs_encoder_layer_computes() -> None:
    ours = NETWORK.layers[0]
    assert isinstance(ours, EncoderLayer)
    theirs = torch.nn.TransformerEncoderLayer(
        16, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True
    )
    theirs.load_state_dict(
        {
            "self_attn.in_proj_weight": ours.query_key_value.weight,
            "self_attn.in_proj_bias": ours.query_key_value.bias,
            "self_attn.out_proj.weight": ours.attention_out.weight,
            "self_attn.out_proj.bias": ours.attention_out.bias,
            "linear1.weight": ours.expand.weight,
            "linear1.bias": ours.expand.bias,
            "linear2.weight": ours.contract.weight,
            "linear2.bias": ours.contract.bias,
            "norm1.weight": ours.attention_norm.weight,
            "norm1.bias": ours.attention_norm.bias,
            "norm2.weight": ours.feed_forward_norm.weight,
            "norm2.bias": ours.feed_forward_norm.bias,
        }
    )
    x = torch.randn(7, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x, pack([Encoded((1,) * 7)]), None), theirs(x[None])[0])


def test_hints_change_the_answer_and_the_seed_the_weights() -> None:
    plain = NETWORK(pack([Encoded((1, 20, 30))]))
    hinted = NETWORK(pack([Encoded((1, 20, 30), domain_id=2)]))
    assert not torch.equal(plain.logits["category"], hinted.logits["category"])
    same = ErrorLearningModel.initialised(TINY_MODEL, seed=1)
    other = ErrorLearningModel.initialised(TINY_MODEL, seed=2)
    assert torch.equal(same.token_embedding.weight, NETWORK.token_embedding.weight)
    assert not torch.equal(other.token_embedding.weight, NETWORK.token_embedding.weight)


def test_dropout_keeps_the_mean_and_repeats_with_its_generator() -> None:
    x = torch.ones(1000, 33)
    once = ByteDropout(0.1, torch.Generator().manual_seed(5))(x)
    again = ByteDropout(0.1, torch.Generator().manual_seed(5))(x)
    assert torch.equal(once, again)
    assert float((once == 0).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert float(once.mean()) == pytest.approx(1.0, abs=0.01)


def test_tensors_of_another_shape_are_refused() -> None:
    tensors = {name: tensor.clone() for name, tensor in NETWORK.state_dict().items()}
    tensors["final_norm.weight"] = torch.zeros(3)
    with pytest.raises(ValueError, match=r"final_norm\.weight is \(3,\)"):
        ErrorLearningModel.from_tensors(TINY_MODEL, tensors)
    del tensors["final_norm.weight"]
    with pytest.raises(ValueError, match=r"missing or unknown: final_norm\.weight"):
        ErrorLearningModel.from_tensors(TINY_MODEL, tensors)


def test_nothing_to_pack_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nothing"):
        pack([])
