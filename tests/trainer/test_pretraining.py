"""Pre-training: what belongs together, what is hidden, and that the network learns from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fixstream.trainer.examples import NO_SOLUTION
from fixstream.trainer.features import Encoded, ErrorText
from fixstream.trainer.learner import Learner
from fixstream.trainer.passages import Corpus, PastError, corpus_of, crop
from fixstream.trainer.pretraining import Pretraining, PretrainingConfig, Progress, likeness_loss
from support.training import TINY_LEARNER

TOPICS = ("socket refused", "disk quota", "token expired", "schema drift")
CONFIG = PretrainingConfig(epochs=30, batch_size=8, peak_rate=0.01, num_negatives=64)


def past_error(number: int, *, fix: bool = True, duplicate_of: str | None = None) -> PastError:
    topic = TOPICS[number % len(TOPICS)]
    text = ErrorText(f"{topic} on node n{number}\nwhile {topic} was read by worker w{number % 5}")
    solution = f"to cure {topic}, turn it off and on" if fix and number % 2 else None
    return PastError(f"e{number}", text, f"group-{number}", duplicate_of, solution)


def corpus(num_errors: int = 24) -> Corpus:
    return corpus_of(
        [past_error(n) for n in range(num_errors)], Learner(TINY_LEARNER).tokenizer, 32
    )


def losses(config: PretrainingConfig = CONFIG, seed: int = 0) -> tuple[Learner, list[Progress]]:
    learner, told = Learner(TINY_LEARNER), list[Progress]()
    Pretraining(learner, corpus(), replace(config, seed=seed)).run(on_progress=told.append)
    return learner, told


def test_errors_of_one_group_and_duplicates_are_one_family_whatever_the_order() -> None:
    errors = [
        past_error(0),
        past_error(1, duplicate_of="e9"),
        replace(past_error(2), fingerprint="group-0"),
        past_error(3),
        past_error(9, duplicate_of="e0"),
    ]
    laid_out = corpus_of(errors, Learner(TINY_LEARNER).tokenizer, 32)
    first, *others = [passage.family for passage in laid_out.passages]
    assert [family == first for family in others] == [True, True, False, True]
    assert laid_out.families() == {first: [0, 1, 2, 4]}


def test_what_says_the_same_is_kept_once_and_joins_the_families() -> None:
    same = replace(past_error(0), event_id="again", fingerprint="another", duplicate_of="e5")
    laid_out = corpus_of([past_error(0), same, past_error(5)], Learner(TINY_LEARNER).tokenizer, 32)
    assert laid_out.num_repeats == 1
    assert len({passage.family for passage in laid_out.passages}) == 1


def test_parts_of_a_passage() -> None:
    tokenizer = Learner(TINY_LEARNER).tokenizer
    bare = PastError("a", ErrorText("only a title"), "g")
    traced = PastError("b", ErrorText("title", "KeyError", "at x\nat y"), "h", fix="do this")
    without, with_rest = corpus_of([bare, traced], tokenizer, 32).passages
    assert (without.rest, without.fix, without.fix_id) == (None, None, NO_SOLUTION)
    assert with_rest.rest is not None
    assert set(with_rest.rest.token_ids) & set(with_rest.title.token_ids) == {1}  # The start.
    assert with_rest.fix_id != NO_SOLUTION
    assert with_rest.words == "KeyError\ntitle\nat x\nat y"


def test_a_crop_is_a_stretch_behind_the_start_token() -> None:
    whole = Encoded((1, *range(20, 30)))
    assert crop(whole, 0.0, 0.5).token_ids == (1, 20, 21, 22, 23, 24)
    assert crop(whole, 1.0, 0.2).token_ids == (1, 28, 29)
    assert crop(whole, 0.5, 0.0).token_ids == (1, 24)


def test_the_losses_fall_and_what_stands_beside_the_network_stays() -> None:
    learner, told = losses()
    fresh = Learner(TINY_LEARNER)
    assert told[-1].step == told[-1].num_steps == 90
    for name in ("masked", "contrastive"):
        first, last = (np.mean([one.losses[name] for one in p]) for p in (told[:6], told[-6:]))
        assert last < 0.9 * first, name
    before, after = fresh.model.tensors(), learner.model.tensors()
    beside = [name for name in before if not name.startswith("network.")]
    assert all(torch.equal(before[name], after[name]) for name in beside)
    # Labels are not there, so the heads that tell them cannot have moved.
    assert torch.equal(
        before["network.heads.severity.weight"], after["network.heads.severity.weight"]
    )
    assert not torch.equal(
        before["network.solution_head.weight"], after["network.solution_head.weight"]
    )


def test_a_seed_gives_the_same_weights_and_another_one_others() -> None:
    config = replace(CONFIG, epochs=1)
    one, same, other = (losses(config, seed)[0].model.tensors() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_it_stops_when_it_is_told() -> None:
    learner, answers = Learner(TINY_LEARNER), iter([False, False, True])
    training = Pretraining(learner, corpus(), CONFIG)
    assert training.run(lambda: next(answers)) == 2


def test_a_text_finds_the_text_of_its_topic_that_shares_no_word_with_it() -> None:
    # Each topic is told in two ways, and only the confirmed duplicates say which belong together.
    pairs = (("abend", "abort"), ("snag", "glitch"), ("stall", "freeze"), ("leak", "drip"))
    errors = []
    for number in range(40):
        for side, other in ((0, 1), (1, 0)):
            topic = pairs[number % 4]
            errors.append(
                PastError(
                    f"{side}-{number}",
                    ErrorText(f"{topic[side]} x{number} y{number * 7 % 40}"),
                    f"{side}-{number}",
                    f"{other}-{number}",
                )
            )
    learner = Learner(TINY_LEARNER)
    laid_out = corpus_of(errors, learner.tokenizer, 32)
    Pretraining(learner, laid_out, replace(CONFIG, epochs=6)).run()
    left, right = (
        learner.model.embed([ErrorText(f"{pair[side]} z{row}") for row, pair in enumerate(pairs)])
        for side in (0, 1)
    )
    assert (left @ right.T).argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_likeness_is_learnt_from_a_teacher() -> None:
    laid_out = corpus()
    spread = np.random.default_rng(0).normal(size=(len(laid_out.passages), 6))
    teacher = (spread / np.linalg.norm(spread, axis=1, keepdims=True)).astype(np.float32)
    learner, told = Learner(TINY_LEARNER), list[Progress]()
    Pretraining(learner, laid_out, CONFIG, teacher=teacher).run(on_progress=told.append)
    first, last = (np.mean([p.losses["distilled"] for p in some]) for some in (told[:6], told[-6:]))
    assert last < 0.8 * first


def test_likeness_loss_looks_at_pairs_and_not_at_axes() -> None:
    rows = torch.nn.functional.normalize(torch.randn(5, 4, generator=torch.Generator()), dim=1)
    turned = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator()))[0]
    assert float(likeness_loss(rows @ turned, rows)) == pytest.approx(0.0, abs=1e-10)
    assert float(likeness_loss(-rows[:, :2], rows)) > 0.01


def test_one_error_is_too_few() -> None:
    with pytest.raises(ValueError, match="at least two"):
        Pretraining(Learner(TINY_LEARNER), corpus(1), CONFIG)
