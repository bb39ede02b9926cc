"""The slot: a swap is one step, and a model lives exactly as long as somebody uses it."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.inference.slot import ModelSlot
from support.inference import FakeModel


def test_an_empty_slot_leases_nothing() -> None:
    slot = ModelSlot()
    with slot.lease() as model:
        assert model is None
    assert slot.version == 0


def test_the_old_model_lives_until_its_last_lease_ends() -> None:
    slot, old, new = ModelSlot(), FakeModel(1), FakeModel(2)
    slot.swap(old)
    with slot.lease() as first, slot.lease() as second:
        slot.swap(new)
        assert first is old
        assert second is old
        assert old.num_closed == 0
        assert slot.num_held == 2
        with slot.lease() as third:
            assert third is new
    assert old.num_closed == 1
    assert new.num_closed == 0
    assert (slot.num_held, slot.num_reloads) == (1, 1)


def test_a_swap_never_goes_back() -> None:
    slot = ModelSlot()
    slot.swap(FakeModel(2))
    with pytest.raises(ValueError, match="not above"):
        slot.swap(FakeModel(2))
    assert slot.version == 2


@given(st.lists(st.sampled_from(["lease", "end", "swap"]), max_size=60))
def test_any_order_of_leases_and_swaps_releases_each_model_once(steps: list[str]) -> None:
    slot = ModelSlot()
    models: list[FakeModel] = []
    leases: list[tuple[FakeModel | None, ExitStack]] = []
    for step in steps:
        if step == "swap":
            models.append(FakeModel(len(models) + 1))
            slot.swap(models[-1])
        elif step == "lease":
            stack = ExitStack()
            leased = stack.enter_context(slot.lease())
            assert leased is (models[-1] if models else None)
            leases.append((leased, stack))
        elif leases:
            leases.pop(0)[1].close()
        used = {id(model) for model, _ in leases}
        for model in models:
            is_live = model is models[-1] or id(model) in used
            assert model.num_closed == (0 if is_live else 1)


def test_readers_under_swaps_see_whole_models_only() -> None:
    slot = ModelSlot()
    slot.swap(FakeModel(1))
    is_over = threading.Event()
    faults: list[str] = []

    def read() -> None:
        newest = 0
        while not is_over.is_set():
            with slot.lease() as model:
                assert model is not None
                answers = model.predict([None] * 3)  # type: ignore[list-item]
                versions = {answer.model_version for answer in answers}
                if versions != {model.version} or model.version < newest:
                    faults.append(f"{versions} from {model.version} after {newest}")
                newest = model.version

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    for version in range(2, 300):
        slot.swap(FakeModel(version))
    is_over.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert slot.num_held == 1
