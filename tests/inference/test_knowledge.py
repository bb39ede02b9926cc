"""The knowledge base: what is found, for whom, and how soon something removed is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from fixstream.inference.analysis import codes, error_terms, solution_types
from fixstream.inference.knowledge import KnowledgeBase
from fixstream.runtime.clock import SettableClock
from fixstream.triage.scrub import Scrubber
from support.inference import solution

REFUSED = error_terms("ConnectionRefusedError", "connection to the ledger was refused", None)


@pytest.fixture
def knowledge() -> Iterator[KnowledgeBase]:
    base = KnowledgeBase(Scrubber())
    yield base
    base.close()


def found(base: KnowledgeBase, service: str | None = None) -> list[str]:
    return [one.solution.solution_id for one in base.search(REFUSED, service, 10)]


def test_a_fix_is_found_once_it_was_committed(knowledge: KnowledgeBase) -> None:
    knowledge.put(solution("a", "Connection refused by the ledger"))
    knowledge.put(solution("b", "Printer out of paper"))
    knowledge.commit()
    assert found(knowledge) == ["a"]


def test_what_could_match_at_all_is_the_measure_of_a_match(knowledge: KnowledgeBase) -> None:
    for word in ("ledger", "basket", "invoice", "printer"):  # Makes one word common.
        knowledge.put(solution(word, f"{word} refused"))
    knowledge.put(solution("whole", "zanzibar refused"))
    knowledge.commit()
    asked = error_terms(None, "zanzibar refused", None)
    by_id = {one.solution.solution_id: one for one in knowledge.search(asked, None, 10)}
    assert by_id["whole"].reached == pytest.approx(1.0, abs=0.15)
    knowledge.remove("whole")
    rest = knowledge.search(asked, None, 10)
    # The best of those that are left is the best in relation, and still no match.
    assert max(one.relative_bm25 for one in rest) == 1.0
    assert max(one.reached for one in rest) < 0.3


def test_a_removed_fix_is_gone_before_the_index_hears_of_it(knowledge: KnowledgeBase) -> None:
    knowledge.put(solution("a", "Connection refused by the ledger"))
    knowledge.commit()
    knowledge.remove("a")
    assert found(knowledge) == []
    assert "a" not in knowledge
    knowledge.commit()
    assert found(knowledge) == []


def test_a_replaced_fix_answers_with_its_new_words(knowledge: KnowledgeBase) -> None:
    knowledge.put(solution("a", "Connection refused by the ledger"))
    knowledge.commit()
    knowledge.put(solution("a", "Connection refused", "Restart the ledger."))
    assert knowledge.search(REFUSED, None, 10)[0].solution.text == "Restart the ledger."
    knowledge.commit()
    assert found(knowledge) == ["a"]
    assert len(knowledge) == 1


def test_a_fix_in_quarantine_is_found_once_that_is_over() -> None:
    clock = SettableClock()
    base = KnowledgeBase(Scrubber(), clock=clock)
    try:
        fix = solution("a", "Connection refused by the ledger")
        base.put(replace(fix, usable_after=clock.now() + timedelta(hours=1)))
        base.commit()
        assert found(base) == []
        assert not base.is_public("a")
        clock.advance(3600)
        assert found(base) == ["a"]
        assert base.is_public("a")
    finally:
        base.close()


def test_a_private_fix_is_found_for_its_service_alone(knowledge: KnowledgeBase) -> None:
    knowledge.put(solution("mine", "Connection refused by the ledger", visibility="shop"))
    knowledge.put(solution("all", "Connection refused"))
    knowledge.commit()
    assert sorted(found(knowledge, "shop")) == ["all", "mine"]
    assert found(knowledge, "bank") == ["all"]
    assert found(knowledge, None) == ["all"]


def test_a_fix_made_private_is_gone_for_others_at_once(knowledge: KnowledgeBase) -> None:
    knowledge.put(solution("a", "Connection refused by the ledger"))
    knowledge.commit()
    knowledge.put(solution("a", "Connection refused by the ledger", visibility="shop"))
    assert found(knowledge, "bank") == []


def test_many_private_fixes_of_others_crowd_out_nothing(knowledge: KnowledgeBase) -> None:
    for number in range(50):
        title = "Connection refused by the ledger"
        knowledge.put(solution(f"private-{number}", title, visibility="bank"))
    knowledge.put(solution("all", "Something about a ledger"))
    knowledge.commit()
    assert found(knowledge, "shop") == ["all"]


def test_what_leaves_is_scrubbed(knowledge: KnowledgeBase) -> None:
    secret = "AKIAIOSFODNN7EXAMPLE"
    text = f"Set aws_access_key_id={secret} and connect again."
    knowledge.put(solution("a", "Connection refused by the ledger", text))
    knowledge.commit()
    (one,) = knowledge.search(REFUSED, None, 10)
    assert secret not in one.solution.text
    assert "connect again" in one.solution.text
    held = knowledge.get("a")
    assert held is not None
    assert secret not in held.text


def test_fixes_that_name_no_code_and_no_type_share_one_empty_set() -> None:
    """Among 100,000 fixes four empty sets each would be 90 MB."""
    plain = solution("a", "Printer out of paper")
    sets = {id(one) for one in (*codes(plain.title), solution_types(plain), *codes("no number"))}
    assert len(sets) == 1
    assert codes("errno 111")[0] == {"111"}


def test_vectors_are_filled_beside_those_in_use(knowledge: KnowledgeBase) -> None:
    knowledge.put(solution("words", "Connection refused by the ledger"))
    knowledge.put(solution("meaning", "Nobody listens at that port"))
    knowledge.commit()
    east, north = np.eye(2, dtype=np.float32)
    knowledge.learned.begin(1, 2)
    assert knowledge.learned.add(
        1, dict.fromkeys(["words", "meaning"], ""), np.stack([north, east])
    )
    assert (knowledge.learned.version, knowledge.learned.num_made) == (0, 2)
    assert knowledge.learned.use(1, knowledge.__contains__)
    num_made_after = knowledge.learned.num_made
    assert num_made_after is None
    candidates = {
        one.solution.solution_id: one for one in knowledge.search(REFUSED, None, 10, east)
    }
    assert candidates["meaning"].similarity == pytest.approx(1.0)
    assert candidates["words"].similarity == pytest.approx(0.0)
    knowledge.learned.begin(2, 2)
    assert knowledge.learned.num_made == 0
    assert knowledge.learned.version == 1, "the old ones stay until the new ones are complete"
    assert not knowledge.learned.use(1, knowledge.__contains__)
    assert not knowledge.learned.add(7, {"words": ""}, east[None])


def test_a_removed_fix_is_in_no_vector_index(knowledge: KnowledgeBase) -> None:
    for name in ("a", "b"):
        knowledge.put(solution(name, "Nobody listens at that port"))
    knowledge.commit()
    knowledge.learned.begin(1, 2)
    knowledge.learned.add(1, dict.fromkeys("ab", ""), np.ones((2, 2), np.float32))
    knowledge.remove("a")
    knowledge.learned.use(1, knowledge.__contains__)
    near = knowledge.search(REFUSED, None, 10, np.ones(2, np.float32))
    assert [one.solution.solution_id for one in near] == ["b"]
