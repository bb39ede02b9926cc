"""The replay buffer keeps its bounds and its balance, and repeats its choices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixstream.trainer.examples import LearningExample
from fixstream.trainer.features import Encoded
from fixstream.trainer.replay import ReplayBuffer


def example(number: int, kind: int = 0, group: int | None = None, fix: int = 0) -> LearningExample:
    return LearningExample(
        encoded=Encoded((1, number + 20)),
        classes=(kind, 0, 0),
        weights=(1.0, 1.0, 0.0),
        group=10_000 + number if group is None else group,
        solution=fix,
    )


def filled(capacity: int, examples: list[LearningExample]) -> ReplayBuffer:
    buffer = ReplayBuffer(capacity, seed=1)
    for one in examples:
        buffer.add(one)
    return buffer


@given(
    st.integers(0, 20),
    st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6)), max_size=80),
    st.integers(0, 30),
)
def test_it_never_holds_or_draws_more_than_it_may(
    capacity: int, kinds: list[tuple[int, int]], count: int
) -> None:
    buffer = filled(capacity, [example(n, kind, group) for n, (kind, group) in enumerate(kinds)])
    assert len(buffer) <= capacity
    assert sum(buffer.class_counts().values()) == len(buffer)
    drawn = buffer.draw(count, [], step=1)
    assert len(drawn) <= min(count, len(buffer))
    assert len({one.encoded.token_ids for one in drawn}) == len(drawn)


def test_a_rare_class_stays_however_many_others_come() -> None:
    rare = [example(number, kind=1) for number in range(5)]
    common = [example(number, kind=2) for number in range(100, 2000)]
    buffer = filled(20, rare + common)
    assert sorted(buffer.class_counts().values()) == [5, 15]


def test_one_group_cannot_fill_it() -> None:
    buffer = filled(100, [example(number, group=7) for number in range(500)])
    assert len(buffer) == 8


def test_partners_of_the_new_ones_come_first() -> None:
    buffer = filled(64, [example(n, kind=n % 5, fix=3 if n == 40 else 0) for n in range(64)])
    new = example(900, fix=3)
    drawn = buffer.draw(8, [new], step=5)
    assert drawn[0].solution == 3


def test_it_resumes_with_the_same_choices() -> None:
    first = [example(n, kind=n % 3, group=n % 9 + 1, fix=n % 4) for n in range(60)]
    later = [example(n, kind=n % 2, group=n % 30 + 1) for n in range(60, 120)]
    unbroken = filled(16, first)
    resumed = ReplayBuffer(16, seed=1)
    resumed.load_state_tensors(unbroken.state_tensors())
    for buffer in (unbroken, resumed):
        for one in later:
            buffer.add(one)
    assert unbroken.draw(8, later[:3], step=9) == resumed.draw(8, later[:3], step=9)


def test_a_smaller_capacity_takes_over_what_fits() -> None:
    small = ReplayBuffer(5, seed=1)
    small.load_state_tensors(filled(16, [example(n) for n in range(16)]).state_tensors())
    assert len(small) == 5
    small.add(example(99))
    assert len(small) == 5
