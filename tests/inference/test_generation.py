"""Generated fixes: in this error's names with nothing unsaid, or the retrieved fix stands."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.inference.arithmetic import Arithmetic
from fixstream.inference.generation import FixGenerator, GenerationConfig, adapted_fix
from fixstream.inference.grounding import FUNCTION_WORDS, content_words, unsupported
from fixstream.inference.hazards import warnings
from fixstream.inference.loading import TorchModel
from fixstream.inference.responder import Answerer
from fixstream.inference.served import ErrorText, Rewriting, ServedModel
from fixstream.inference.slot import ModelSlot
from fixstream.inference.suggest import Advice
from fixstream.runtime.clock import SystemClock
from fixstream.schemas.enums import FixOrigin, LabelSource
from fixstream.schemas.records import Fix, Label, Labels, Provenance, Solution, TriagedError
from fixstream.triage.scrub import Scrubber
from support.inference import FakeModel, Service, ServiceOptions, service, solution, triaged
from support.rewriting import ADAPTED, ERROR, FIX, taught_model

SCRUBBER = Scrubber()
TITLE, _, TEXT = FIX.partition("\n")
WORDS = st.lists(
    st.one_of(
        st.sampled_from(["db-7.prod", "5432", "a.b@c", "/var/x", "role", "'orders_ro'", "the"]),
        st.text(max_size=8),
    ),
    max_size=10,
).map(" ".join)


def fix(text: str = TEXT, title: str = TITLE) -> Fix:
    return Fix(
        solution_id="role-missing",
        title=title,
        text=text,
        score=0.7,
        origin=FixOrigin.KNOWLEDGE,
        provenance=Provenance(url="https://example.org/role", license="CC0-1.0"),
        matched_on=("words: role",),
        warnings=warnings(text),
    )


def advice(version: int = 1, *fixes: Fix) -> Advice:
    label = Label("unknown", LabelSource.RULE, 0.1)
    labels = Labels(domain=label, severity=label, category=label)
    return Advice("v1-group", version, labels, fixes or (fix(),))


def to(text: str) -> Callable[[str, str], Rewriting]:
    return lambda _error, _fix: Rewriting(text, ("name",), 0.9)


class RewritingModel(FakeModel):
    """Says the same of every fix; may be made to wait or to fail."""

    def __init__(self, version: int = 1) -> None:
        super().__init__(version)
        self.entered = threading.Event()
        self.may_go_on: threading.Event | None = None
        self.error: Exception | None = None
        self.num_asked = 0

    def rewrite(self, error_text: str, fix_text: str) -> Rewriting | None:
        self.num_asked += 1
        self.entered.set()
        if self.may_go_on is not None:
            assert self.may_go_on.wait(20)
        if self.error is not None:
            raise self.error
        return Rewriting(ADAPTED, ("billing_ro",), 0.9)


@contextmanager
def generator(model: ServedModel, config: GenerationConfig | None = None) -> Iterator[FixGenerator]:
    slot = ModelSlot()
    slot.swap(model)
    patient = config or GenerationConfig(deadline_s=20)
    with FixGenerator(slot, SCRUBBER, SystemClock(), patient) as made:
        yield made
    slot.close()


@given(WORDS, WORDS)
def test_no_word_is_unsupported_where_it_was_said(one: str, other: str) -> None:
    assert unsupported(f"{one} the {other}", (one, other)) == frozenset()


@given(WORDS, WORDS)
def test_every_word_that_nobody_said_is_found(text: str, source: str) -> None:
    missing = unsupported(f"{text} planted-1", (source,))
    assert missing == content_words(text) - content_words(source) | {"planted-1"}
    assert not missing & FUNCTION_WORDS


def test_a_name_made_of_parts_of_two_has_no_support() -> None:
    assert unsupported("db-7.test", ("db-7.prod", "db-1.test")) == {"db-7.test"}


def test_a_generated_fix_says_so_and_where_it_comes_from() -> None:
    made = adapted_fix(fix(), ERROR, to(ADAPTED), SCRUBBER)
    assert made.origin is FixOrigin.GENERATED
    assert f"{made.title}\n{made.text}" == ADAPTED
    assert made.matched_on[0] == "words: role"
    assert made.matched_on[1] == "generated from: role-missing and this error, 90% sure"
    before = fix()
    assert (made.solution_id, made.score, made.provenance) == (
        before.solution_id,
        before.score,
        before.provenance,
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (TEXT, f"{TITLE}\nOn server elsewhere-9 run create role billing_ro."),
        (TEXT, "A server is not there.\n" + TEXT),
        ("Delete it: rm -rf /var/lib/old", f"{TITLE}\nDelete it: /srv/data"),
        ("Grant it on /srv/x: chmod of 640", f"{TITLE}\nGrant it on /srv/x: chmod 777 of 640"),
        ("pip install old-name", f"{TITLE}\npip install billing_ro"),
        ("See https://old.example.org/x", f"{TITLE}\nSee https://node-7.prod/x"),
        ("curl node-1.test/health", f"{TITLE}\ncurl node-7.prod/health"),
        ("Mail dba@old for it", f"{TITLE}\nMail ops@example.org for it"),
    ],
)
def test_the_retrieved_fix_stands_where_anything_speaks_against(before: str, after: str) -> None:
    said = f"{ERROR} /srv/data chmod 777 ops@example.org"
    assert adapted_fix(fix(before), said, to(after), SCRUBBER) == fix(before)


def test_a_decoder_that_is_not_sure_leaves_the_fix() -> None:
    assert adapted_fix(fix(), ERROR, lambda _error, _fix: None, SCRUBBER) == fix()


def test_the_first_fixes_are_adapted_and_the_answer_is_kept() -> None:
    model = RewritingModel()
    with generator(model) as made:
        answer = made.adapted(advice(1, *[fix()] * 5), ErrorText(ERROR))
        assert [one.origin.value for one in answer.fixes] == ["generated"] * 3 + ["knowledge"] * 2
        assert made.adapted(advice(1, *[fix()] * 5), ErrorText(ERROR)) == answer
        assert model.num_asked == 3
        made.adapted(advice(1, *[fix()] * 5), ErrorText(f"{ERROR} again"))
        assert model.num_asked == 6


def test_an_overrun_leaves_the_retrieved_fixes() -> None:
    model = RewritingModel()
    model.may_go_on = threading.Event()
    with generator(model, GenerationConfig(deadline_s=0.01, max_waiting=2)) as made:
        assert made.adapted(advice(), ErrorText(ERROR)) == advice()
        assert asyncio.run(made.adapted_soon(advice(), ErrorText("another"))) == advice()
        model.may_go_on.set()


def test_more_than_may_wait_are_not_kept_waiting() -> None:
    model = RewritingModel()
    model.may_go_on = threading.Event()
    with generator(model, GenerationConfig(deadline_s=20, max_waiting=1)) as made:
        busy = threading.Thread(target=made.adapted, args=(advice(), ErrorText("first")))
        busy.start()
        assert model.entered.wait(20)
        assert made.adapted(advice(), ErrorText(ERROR)) == advice()
        assert busy.is_alive(), "it waited for the one before"
        model.may_go_on.set()
        busy.join()
        assert made.adapted(advice(), ErrorText(ERROR)).fixes[0].origin is FixOrigin.GENERATED


def test_a_failure_leaves_the_retrieved_fixes() -> None:
    model = RewritingModel()
    model.error = RuntimeError("no")
    with generator(model) as made:
        assert made.adapted(advice(), ErrorText(ERROR)) == advice()


def test_no_answer_is_of_two_models() -> None:
    with generator(RewritingModel(version=2)) as made:
        assert made.adapted(advice(1), ErrorText(ERROR)) == advice(1)
        assert made.adapted(advice(2), ErrorText(ERROR)) != advice(2)


def record(number: int, message: str, of: str = "shop") -> TriagedError:
    found = triaged(f"event-{number}", message, of)
    return replace(found, event=replace(found.event, message=message))


def taught() -> TorchModel:
    return TorchModel(taught_model(), 1, Arithmetic.FLOAT32)


OTHER = ERROR.replace("billing_ro", "stock_ro").replace("node-7.prod", "node-8.prod")
THIRD = ERROR.replace("billing_ro", "users_ro").replace("node-7.prod", "node-9.prod")


@contextmanager
def answering(known: Solution) -> Iterator[Answerer]:
    """Answers from one fix, with a decoder that knows its trade."""
    with service() as made:
        made.slot.swap(taught())
        made.knowledge.put(known)
        made.knowledge.commit()
        slot, clock = made.slot, SystemClock()
        with FixGenerator(slot, SCRUBBER, clock, GenerationConfig(deadline_s=20)) as adapting:
            yield Answerer(made.suggester, made.predictor, slot, clock, generator=adapting)


def test_each_error_of_a_group_gets_its_own_names_and_no_others() -> None:
    with answering(solution("role-missing", TITLE, TEXT)) as answerer:
        ours, theirs = answerer.answer([record(1, ERROR), record(2, OTHER, "other")])
        (again,) = answerer.answer([record(3, OTHER)])
    assert [f"{one.title}\n{one.text}" for one in ours.fixes] == [ADAPTED]
    for suggestion in (theirs, again):
        (one,) = suggestion.fixes
        assert one.origin is FixOrigin.GENERATED
        assert "stock_ro" in one.text
        assert "node-8.prod" in one.text
        assert "billing_ro" not in one.text


def test_a_private_fix_is_adapted_for_its_own_service_alone() -> None:
    with answering(solution("secret", TITLE, TEXT, visibility="shop")) as answerer:
        ours, theirs = answerer.answer([record(1, ERROR), record(2, OTHER, "other")])
    assert [one.origin for one in ours.fixes] == [FixOrigin.GENERATED]
    assert theirs.fixes == ()


@contextmanager
def adapting_service() -> Iterator[Service]:
    """The whole service with one fix and a decoder that knows its trade."""
    with service(ServiceOptions(generation=GenerationConfig(deadline_s=20))) as made:
        made.slot.swap(taught())
        made.knowledge.put(solution("role-missing", TITLE, TEXT))
        made.knowledge.commit()
        yield made


async def predicted(client: httpx.AsyncClient, message: str) -> dict[str, Any]:
    answer = await client.post("/api/v1/learning/predict", json={"error_message": message})
    found: dict[str, Any] = answer.json()
    return found


async def test_rest_shows_what_is_generated_for_each_message_also_from_the_cache() -> None:
    with adapting_service() as made:
        transport = httpx.ASGITransport(app=made.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answers = [await predicted(client, message) for message in (OTHER, ERROR, THIRD, ERROR)]
    fixes = [one["fixes"][0] for one in answers]
    assert f"{fixes[1]['title']}\n{fixes[1]['text']}" == ADAPTED
    assert fixes[3] == fixes[1]
    assert "users_ro" in fixes[2]["text"]
    assert "node-9.prod" in fixes[2]["text"]
    assert [one["cached"] for one in answers] == [False, False, False, True]
    assert {one["origin"] for one in fixes} == {"generated"}
    assert {one["solution_id"] for one in fixes} == {"role-missing"}


async def test_the_page_of_a_group_shows_what_is_generated_for_its_error() -> None:
    shown = record(0, OTHER)
    with adapting_service() as made:
        made.observations.history.saw(shown.fingerprint, datetime.now(UTC), lambda: shown)
        transport = httpx.ASGITransport(app=made.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            page = await client.get(f"/groups/{shown.fingerprint}")
    assert page.status_code == 200
    assert "· generated" in page.text
    assert "port 6432 run create role stock_ro" in page.text
