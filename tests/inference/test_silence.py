"""Where no good fix is known: the nearest errors and a reason; what feedback is stamped with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import httpx
import pytest

from fixstream.inference.nearest import NearestErrors
from fixstream.inference.receivers import ARM_HEADER, feedback_headers
from fixstream.schemas.records import FixFeedback, TriagedError
from fixstream.triage.scrub import Scrubber
from support.inference import WHEN, Service, service, solution, triaged

PREFIX = "/api/v1/learning"
LOCKED = "database is locked"


@pytest.fixture
def running() -> Iterator[Service]:
    with service() as made:
        yield made


@pytest.fixture
async def client(running: Service) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=running.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
        yield made


def group(number: int, title: str, occurrences: int = 1) -> TriagedError:
    seen = triaged(f"e{number}", title)
    return replace(seen, fingerprint=f"v1-{number:016x}", occurrences=occurrences)


async def asked(client: httpx.AsyncClient, message: str) -> dict[str, object]:
    answer = await client.post(f"{PREFIX}/predict", json={"error_message": message})
    found: dict[str, object] = answer.json()
    return found


async def test_without_a_good_fix_the_nearest_errors_stand_with_a_reason(
    running: Service, client: httpx.AsyncClient
) -> None:
    running.suggester.note_seen(group(1, "ledger replica refused the snapshot", 7))
    running.suggester.note_seen(group(2, "basket page could not be drawn"))
    answer = await asked(client, "snapshot refused by ledger replica 4")
    assert answer["fixes"] == []
    assert answer["reason"]
    near = answer["nearest_errors"]
    assert isinstance(near, list)
    assert near[0] == {
        "fingerprint": f"v1-{1:016x}",
        "title": "ledger replica refused the snapshot",
        "score": near[0]["score"],
        "occurrences": 7,
    }
    assert near[0]["score"] > 0.5
    assert len(near) == 1


async def test_with_a_fix_there_is_no_reason(running: Service, client: httpx.AsyncClient) -> None:
    running.knowledge.put(solution("a", LOCKED, "Or: rm -rf /var/lib/app/db"))
    running.knowledge.commit()
    answer = await asked(client, LOCKED)
    assert (answer["reason"], answer["nearest_errors"]) == (None, [])
    fixes = answer["fixes"]
    assert isinstance(fixes, list)
    assert fixes[0]["warnings"] == ["deletes files: rm -rf"]


async def test_a_private_fix_shows_nowhere_without_its_service(
    running: Service, client: httpx.AsyncClient
) -> None:
    running.knowledge.put(
        solution("secret", "zanzibar ledger is locked", "Call Ann.", visibility="ledger")
    )
    running.knowledge.commit()
    for message in ("zanzibar ledger is locked", "ledger", "Call Ann"):
        answer = await client.post(
            f"{PREFIX}/predict", json={"error_message": message, "service": "ledger"}
        )
        assert "Ann" not in answer.text
        assert "secret" not in answer.text
    told = FixFeedback(
        feedback_id="f",
        error_id="e",
        solution_id="secret",
        solution_worked=True,
        submitted_at=WHEN,
        submitter="a",
    )
    assert running.suggester.stamped(told, "v1-0123456789abcdef").fix_text is None


async def test_feedback_says_what_it_is_about(running: Service, client: httpx.AsyncClient) -> None:
    running.knowledge.put(solution("a", LOCKED, "Turn on WAL."))
    running.knowledge.commit()
    answer = await asked(client, LOCKED)
    body = {"error_id": answer["error_id"], "solution_worked": True, "solution_id": "a"}
    assert (await client.post(f"{PREFIX}/feedback", json=body)).status_code == 202
    sent = running.intake.sent[-1]
    assert isinstance(sent.record, FixFeedback)
    assert sent.record.error_text == LOCKED
    assert sent.record.fix_text == f"{LOCKED}\nTurn on WAL."
    assert sent.record.fingerprint == str(answer["error_id"]).partition(".")[0]
    headers = dict(feedback_headers(running.suggester, sent.record))
    assert headers[ARM_HEADER] == b"likeliest"


def test_groups_are_bounded_and_counted() -> None:
    near = NearestErrors(Scrubber(), max_groups=2)
    try:
        for number in (1, 2, 3):
            near.note(group(number, f"replica {'abc'[number - 1] * 6} lost", number))
        near.note(group(3, "replica cccccc lost", 9))
        assert len(near) == 2
        assert triaged("e").fingerprint not in {f"v1-{number:016x}" for number in (2, 3)}
    finally:
        near.close()
