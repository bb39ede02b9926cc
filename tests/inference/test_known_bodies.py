"""The same body again: answered from its bytes, and only while the answer still stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fixstream.inference import rest_models
from fixstream.inference.advisor import Advisor
from fixstream.inference.error_ids import fingerprint_in
from support.inference import FakeModel, Service, ServiceOptions, service, solution

PREDICT = "/api/v1/learning/predict"
BODY = b'{"error_message": "database is locked", "error_type": "OperationalError"}'
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def running() -> Iterator[Service]:
    with service() as started:
        _fill(started)
        yield started


def _fill(started: Service) -> None:
    for name in ("locked", "locked-too"):
        started.knowledge.put(
            solution(name, "database is locked", "Turn on WAL.", error_type="OperationalError")
        )
    started.knowledge.commit()
    started.slot.swap(FakeModel(1))


def client_of(running: Service) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(running.app), base_url="http://test", headers=JSON
    )


async def ask(running: Service, body: bytes = BODY) -> dict[str, Any]:
    async with client_of(running) as client:
        answer = await client.post(PREDICT, content=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    rest_models.PredictAnswer.model_validate(found)
    return found


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows by one for each body that is read."""
    read: list[object] = []
    advise = Advisor.advise

    async def counted(self: Advisor, asked: Any) -> Any:
        read.append(asked)
        return await advise(self, asked)

    monkeypatch.setattr(Advisor, "advise", counted)
    return read


async def test_the_same_bytes_are_read_once(running: Service, readings: list[object]) -> None:
    first = await ask(running)
    again = await ask(running)
    assert len(readings) == 1
    differing = {"error_id", "cached"}
    assert {name for name in first if first[name] != again[name]} == differing
    assert (first["cached"], again["cached"]) == (False, True)
    fingerprints = {fingerprint_in(one["error_id"]) for one in (first, again)}
    assert len(fingerprints - {None}) == 1  # Feedback on either finds the same group.


async def test_other_bytes_for_the_same_error_are_read(
    running: Service, readings: list[object]
) -> None:
    await ask(running)
    again = await ask(running, BODY.replace(b": ", b":"))
    assert again["cached"] is True
    assert len(readings) == 2


async def test_each_number_of_fixes_is_an_answer_of_its_own(running: Service) -> None:
    one = BODY[:-1] + b', "top_k": 1}'
    for _ in range(2):
        assert len((await ask(running))["fixes"]) == 2
        assert len((await ask(running, one))["fixes"]) == 1


async def test_a_fix_that_was_taken_away_is_not_shown_again(running: Service) -> None:
    await ask(running)
    running.knowledge.remove("locked")
    again = await ask(running)
    assert (again["cached"], [fix["solution_id"] for fix in again["fixes"]]) == (
        False,
        ["locked-too"],
    )


async def test_feedback_on_the_group_ends_what_was_known(running: Service) -> None:
    first = await ask(running)
    fingerprint = fingerprint_in(first["error_id"])
    assert fingerprint is not None
    running.suggester.forget_group(fingerprint)
    assert (await ask(running))["cached"] is False


async def test_another_model_s_answer_is_not_given(running: Service) -> None:
    await ask(running)
    running.slot.swap(FakeModel(2))
    again = await ask(running)
    assert (again["model_version"], again["cached"]) == (2, False)


async def test_an_answer_without_a_model_ends_with_the_first_model(running: Service) -> None:
    with service() as bare:
        assert (await ask(bare))["model_version"] == 0
        assert (await ask(bare))["cached"] is True
        bare.slot.swap(FakeModel(1))
        assert (await ask(bare))["cached"] is False


async def test_long_answers_are_rendered_anew(running: Service, readings: list[object]) -> None:
    running.knowledge.put(
        solution("long", "database is locked", "word " * 4_000, error_type="OperationalError")
    )
    running.knowledge.commit()
    assert "long" in [fix["solution_id"] for fix in (await ask(running))["fixes"]]
    assert (await ask(running))["cached"] is True
    assert len(readings) == 2


async def test_known_bodies_count_for_the_limit() -> None:
    limits = dict.fromkeys(("errors", "feedback", "refused"), "100/minute")
    with service(ServiceOptions(limits={**limits, "predict": "2/minute"})) as started:
        _fill(started)
        async with client_of(started) as client:
            answers = [await client.post(PREDICT, content=BODY) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_only_json_is_known(running: Service) -> None:
    await ask(running)
    async with client_of(running) as client:
        answer = await client.post(PREDICT, content=BODY, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
