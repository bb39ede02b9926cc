"""The decoder: it says nothing that was not said, learns to put names back, and travels along."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fixstream.runtime.clock import SettableClock
from fixstream.schemas.enums import UpdateKind
from fixstream.schemas.errors import ArtifactRejected
from fixstream.schemas.records import ModelUpdate
from fixstream.trainer.candidate import Start
from fixstream.trainer.checkpoint import (
    OPTIMIZER,
    WEIGHTS,
    FolderCheckpointStore,
    SigningKey,
    read_artifact,
    stored_checkpoint,
)
from fixstream.trainer.checkpoint import TOKENIZER as TOKENIZER_FILE
from fixstream.trainer.examples import learning_example
from fixstream.trainer.gate import CostLimits, within
from fixstream.trainer.learner import Learner
from fixstream.trainer.ledger import Ledger, WaitingExample
from fixstream.trainer.model import TrainedModel
from fixstream.trainer.pairs import TrainingPair
from fixstream.trainer.recorder import CheckpointRecorder
from fixstream.trainer.rewriter import Record, Rewriter
from fixstream.trainer.rewriting import Choice, decide, draft, rewritten
from fixstream.trainer.service import LearningSettings, TrainerSettings, learner_config
from fixstream.trainer.snapshot import Spare
from fixstream.trainer.substitution import TextPair, exercise, told_apart
from fixstream.trainer.training import LoopConfig, TrainingLoop
from fixstream.trainer.words import Kind, words_of
from support.rewriting import (
    ADAPTED,
    ERROR,
    FIX,
    SMALL_MODEL,
    TOKENIZER,
    taught_model,
    text_pair,
)
from support.training import TINY_ENVIRONMENT, TINY_LEARNER, training_batch, training_example

GENERATING = replace(TINY_LEARNER, generation=True)
TEXTS = [text_pair(number) for number in range(5)]


@pytest.fixture(scope="module")
def taught() -> TrainedModel:
    return taught_model()


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("5432", Kind.NUMBER),
        ("v1.2.3", Kind.VERSION),
        ("0xdeadbeef", Kind.CODE),
        ("/var/lib/app", Kind.PATH),
        ("C:\\logs\\app", Kind.PATH),
        ("MAX_CONNECTIONS", Kind.VARIABLE),
        ("OperationalError", Kind.TYPE),
        ("db-7.prod", Kind.DOTTED),
        ("orders_ro", Kind.JOINED),
        ("'orders'", Kind.QUOTED),
        ("<host>", Kind.BLANK),
        ("your-bucket", Kind.BLANK),
        ("e.g.", Kind.PLAIN),
        ("connection", Kind.PLAIN),
    ],
)
def test_what_a_name_looks_like(word: str, kind: Kind) -> None:
    (found,) = words_of(word)
    assert found.kind is kind


def test_a_word_ends_before_the_end_of_its_sentence() -> None:
    text = "Look at /var/log/app. Then at db-7.prod:5433."
    names = [word.text for word in words_of(text) if word.is_name]
    assert names == ["/var/log/app", "db-7.prod", "5433"]


def test_a_blank_inside_of_a_word_is_none() -> None:
    assert [word.text for word in words_of("db<host>x {name}s") if word.is_name] == []


def test_slots_are_names_of_the_fix_alone_and_secrets_are_no_candidates() -> None:
    error = "role 'orders_ro' failed on db-7.prod with [password_2]"
    found = draft(error, "title db-0.old\nuse role admin_rw on db-1.test, not orders_ro", TOKENIZER)
    assert found is not None
    assert [found.slot(index) for index in range(len(found.slots))] == ["admin_rw", "db-1.test"]
    assert [found.candidate(index) for index in range(len(found.candidates))] == ["db-7.prod"]


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**20))
def test_no_candidate_is_taken_twice(num_slots: int, num_candidates: int, seed: int) -> None:
    logits = torch.randn(
        num_slots, 1 + num_candidates, generator=torch.Generator().manual_seed(seed)
    )
    choices = decide(logits)
    taken = [choice.candidate for choice in choices if choice.candidate is not None]
    assert len(taken) == len(set(taken))
    assert [choice.slot for choice in choices] == list(range(num_slots))
    assert choices == decide(logits)


NAMES = st.sampled_from(
    ["db-7.prod", "5432", "404", "/var/lib/x", "orders_ro", "MAX_SIZE", "'sku'", "<host>", "v1.2"]
)
PROSE = st.lists(st.one_of(NAMES, st.text(max_size=12)), max_size=12).map(" ".join)


SURE = Record(torch.tensor([[1000.0, 0.0]] * 5, dtype=torch.float64))


def reckless_model(seed: int) -> TrainedModel:
    """Its decoder has learnt nothing and is believed whatever it says."""
    model = TrainedModel.fresh(SMALL_MODEL, TOKENIZER)
    model.rewriter = Rewriter(Rewriter.fresh(SMALL_MODEL.embedding_dim, seed).decoder, SURE)
    return model


RECKLESS = [reckless_model(seed) for seed in range(3)]


@settings(deadline=None, max_examples=60)
@given(PROSE, PROSE, st.sampled_from(RECKLESS))
def test_whatever_a_decoder_says_every_word_was_said_before(
    error: str, fix: str, model: TrainedModel
) -> None:
    said = {word.text for text in (error, fix) for word in words_of(text)}
    found = model.rewrite(error, f"\n{fix}")
    assert found == model.rewrite(error, f"\n{fix}")
    if found is not None:
        assert {word.text for word in words_of(found.text)} <= said


def test_what_stands_between_names_is_kept_to_the_letter() -> None:
    text = "a\u00a0db-1,\tdb-1; 5432\n"
    assert rewritten(text, words_of(text), {"db-1": "db-2"}) == "a\u00a0db-2,\tdb-2; 5432\n"


def test_a_decoder_that_has_learnt_nothing_rewrites_nothing() -> None:
    model = TrainedModel.fresh(SMALL_MODEL, TOKENIZER)
    assert model.rewrite(ERROR, FIX) is None
    for reckless in RECKLESS:
        assert reckless.rewriter is not None
        model.rewriter = Rewriter(reckless.rewriter.decoder, Record())
        assert model.rewrite(ERROR, FIX) is None
    assert any(reckless.rewrite(ERROR, FIX) for reckless in RECKLESS)


def test_a_taught_decoder_puts_the_names_of_the_error_in(taught: TrainedModel) -> None:
    found = taught.rewrite(ERROR, FIX)
    assert found is not None
    assert found.text == ADAPTED
    assert 0.8 <= found.certainty <= min(edit.certainty for edit in found.edits)
    assert taught.rewrite(ERROR, FIX) == found


def test_a_fix_that_says_it_rightly_stands(taught: TrainedModel) -> None:
    assert taught.rewrite(ERROR, ADAPTED) is None


def test_the_record_believes_what_was_right_often_enough() -> None:
    record = Record()
    assert record.certainty(0.99) < 0.5
    for _ in range(100):
        record.add([Choice(0, 1, 0.99), Choice(1, None, 0.99)], [1, 2])
    assert record.certainty(0.99) > 0.9
    assert record.certainty(0.6) < 0.5
    for _ in range(100):
        record.add([Choice(0, 1, 0.99)], [None])
    assert 0.4 < record.certainty(0.99) < 0.6
    assert record.metrics()["decoder.copied_right"] == pytest.approx(0.5, abs=0.1)


def test_an_exercise_asks_for_the_names_that_were_swapped() -> None:
    pair = TextPair("role orders_ro on node-7.prod", "\ncreate role orders_ro on node-7.prod")
    for seed in range(30):
        made = exercise(pair, ["role users_rw on node-1.test"], TOKENIZER, random.Random(seed))
        if made is None:
            continue
        targets = [None if t is None else made.draft.candidate(t) for t in made.targets]
        swapped = {made.draft.slot(index): name for index, name in enumerate(targets)}
        names = {slot: name for slot, name in swapped.items() if name is not None}
        words = made.draft.fix.words
        assert rewritten(made.draft.fix.text, words, names) == pair.about


def test_a_report_is_told_apart_from_its_title() -> None:
    assert told_apart("cannot read x.csv\n\nthe file x.csv is empty", "OSError") == TextPair(
        "OSError: cannot read x.csv", "\nthe file x.csv is empty"
    )
    assert told_apart("cannot read x.csv\n", None) is None


def learnt(learner: Learner, numbers: Sequence[int]) -> None:
    for number in numbers:
        block = [
            learning_example(training_example(n), learner.tokenizer)
            for n in range(number * 8, number * 8 + 8)
        ]
        pair = TrainingPair(TEXTS[0].error, TEXTS[0].about)
        learner.learn(block, 4, [pair] if number % 2 else [], texts=TEXTS if number else ())


def state(learner: Learner) -> dict[str, dict[str, Tensor]]:
    content = learner.snapshot(learner.validation.champion)
    return {file: dict(tensors) for file, tensors in content.tensors.items()}


def resumed(learner: Learner, config: object = GENERATING) -> Learner:
    content = learner.snapshot(learner.validation.champion)
    tensors = {
        file: safetensors.torch.load(safetensors.torch.save(dict(group)))
        for file, group in content.tensors.items()
    }
    again = Learner(config)  # type: ignore[arg-type]
    again.restore(tensors, content.texts[TOKENIZER_FILE].encode())
    return again


def assert_same(
    left: Mapping[str, Mapping[str, Tensor]], right: Mapping[str, Mapping[str, Tensor]]
) -> None:
    for file, tensors in left.items():
        assert tensors.keys() == right[file].keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, right[file][name]), f"{file}: {name}"


@pytest.mark.parametrize("crash_after", [0, 1, 3])
def test_killed_and_resumed_with_a_decoder_equals_unbroken_bit_by_bit(crash_after: int) -> None:
    unbroken, broken = Learner(GENERATING), Learner(GENERATING)
    learnt(unbroken, range(4))
    learnt(broken, range(crash_after))
    again = resumed(broken)
    learnt(again, range(crash_after, 4))
    assert float(state(again)[OPTIMIZER]["decoder_optimizer.num_steps"]) >= 3
    assert_same(state(unbroken), state(again))


def without_decoder(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("decoder")}


def test_the_network_and_all_paths_learn_the_same_with_a_decoder_as_without() -> None:
    with_it, without = Learner(GENERATING), Learner(TINY_LEARNER)
    learnt(with_it, range(4))
    learnt(without, range(4))
    stripped = {file: without_decoder(tensors) for file, tensors in state(with_it).items()}
    assert_same(stripped, state(without))
    assert len(stripped[WEIGHTS]) < len(state(with_it)[WEIGHTS])


def test_a_checkpoint_without_a_decoder_is_taken_up_with_a_new_one() -> None:
    old = Learner(TINY_LEARNER)
    learnt(old, range(2))
    again = resumed(old)
    assert again.model.rewriter is not None
    learnt(again, range(2, 4))
    assert again.metrics()["decoder.copied"] >= 0.0


def test_a_decoder_that_is_switched_on_does_not_make_the_gate_reject_for_its_size() -> None:
    old = Learner(TINY_LEARNER)
    learnt(old, range(2))
    champion = old.captured(Spare()).examined()[1]
    snapshot = resumed(old).captured(Spare())
    _, candidate, verdict = snapshot.examined()
    of_decoder = sum(t.nbytes for name, t in snapshot.weights.items() if name.startswith("decoder"))
    assert of_decoder > (CostLimits().size_factor - 1.0) * champion.size_bytes
    assert within(CostLimits(), verdict, candidate, champion).kind is UpdateKind.PROMOTED


def test_a_learner_without_the_setting_leaves_a_decoder_behind() -> None:
    learner = Learner(GENERATING)
    learnt(learner, range(2))
    again = resumed(learner, TINY_LEARNER)
    assert again.model.rewriter is None
    assert not [name for group in state(again).values() for name in group if "decoder" in name]


def test_a_model_is_rebuilt_with_its_decoder(taught: TrainedModel) -> None:
    tensors = safetensors.torch.load(
        safetensors.torch.save({k: v.contiguous() for k, v in taught.tensors().items()})
    )
    again = TrainedModel.from_tensors(SMALL_MODEL, TOKENIZER.to_json(), tensors)
    assert again.rewrite(ERROR, FIX) == taught.rewrite(ERROR, FIX)
    assert again.without_idle_network().rewrite(ERROR, FIX) is not None


def test_the_loop_teaches_by_reports_and_the_signed_checkpoint_has_the_decoder(
    tmp_path: Path,
) -> None:
    key = SigningKey.load_or_create(tmp_path / "keys" / "signing.pem")
    store, clock = FolderCheckpointStore(tmp_path), SettableClock()
    ledger, learner = Ledger(), Learner(GENERATING)
    batch = training_batch(0, 16)
    reports = [
        replace(one, message=f"{pair.error}\n{pair.about}")
        for one, pair in zip(batch.examples, [text_pair(n) for n in range(16)], strict=True)
    ]
    ledger.accept(replace(batch, examples=tuple(reports)), ("training.batches.v1", 0), 0)
    with closing(CheckpointRecorder(store, key, _publish, 2)) as recorder:
        loop = TrainingLoop(learner, ledger, recorder, _put_nothing, clock, LoopConfig())
        loop.begin(Start())
        assert loop.advance()
        loop.finish(60.0)
    trusted = key.trusting(beside=tmp_path / "keys")
    artifact = read_artifact(store, stored_checkpoint(store, store.names()[-1], trusted))
    assert TrainedModel.from_artifact(artifact).rewriter is not None
    assert float(state(learner)[OPTIMIZER]["decoder_optimizer.num_steps"]) > 0
    assert "decoder.copied" in artifact.manifest.metrics


def _publish(update: ModelUpdate) -> None:
    """Nobody listens."""


def _put_nothing(examples: Sequence[WaitingExample], reason: str) -> None:
    raise AssertionError(f"{len(examples)} set aside: {reason}")


def test_the_setting_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TINY_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert not learner_config(TrainerSettings(), LearningSettings()).generation
    monkeypatch.setenv("FIXSTREAM_TRAINER_GENERATION", "on")
    assert learner_config(TrainerSettings(), LearningSettings()).generation


NAN_COUNTS = torch.full((5, 2), torch.nan, dtype=torch.float64)


@pytest.mark.parametrize(
    "changed",
    [
        {"decoder.layers.read.weight": torch.ones(3, 3)},
        {"decoder.layers.key.bias": torch.ones(7)},
        {"decoder.layers.key.bias": None},
        {"decoder.record": None},
        {"decoder.record": NAN_COUNTS},
        {"decoder.record": torch.ones(2, 2)},
        {"decoder.more": torch.ones(1)},
    ],
)
def test_a_decoder_that_does_not_fit_is_refused(
    taught: TrainedModel, changed: dict[str, Tensor | None]
) -> None:
    parts = {**taught.tensors(), **changed}
    tensors = {name: tensor for name, tensor in parts.items() if tensor is not None}
    with pytest.raises(ArtifactRejected):
        TrainedModel.from_tensors(SMALL_MODEL, TOKENIZER.to_json(), tensors)
