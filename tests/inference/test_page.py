"""The page as the server renders it: what it shows, what it refuses, and that nothing harms it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from fixstream.inference.api_keys import KeyFile, KeyRing, Scope, new_key
from fixstream.inference.group_history import fit_to_show
from fixstream.runtime.clock import SystemClock
from fixstream.schemas.errors import BrokerUnavailable
from fixstream.schemas.records import FixFeedback, TriagedError
from fixstream.triage.scrub import Scrubber
from support.inference import Service, ServiceOptions, service, solution, suggested, triaged
from support.page_data import filled_service

PAGES = ("/", "/models", "/status", "/docs")
SECRET = "AKIAIOSFODNN7EXAMPLE"
FINGERPRINT = "v1-0123456789abcdef"
HOSTILE = "<script>alert(1)</script>\u202e\ud800\x00'\"><img src=x onerror=alert(1)>"


class Outline(HTMLParser):
    """Headings, ids, labels and fields of a page; fails on tags that do not fit."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.fields: list[str] = []
        self.scripts: list[str | None] = []
        self.styles = 0
        self.unnamed_charts = 0
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in {"meta", "link", "br", "img", "input"}:
            self._open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.ids += [one for name, one in attrs if name == "id" and one]
        self.labels += [given["for"] or ""] if tag == "label" else []
        if tag in {"select", "textarea"} or (tag == "input" and given.get("type") != "hidden"):
            self.fields.append(given.get("id") or "")
        if tag == "script":
            self.scripts.append(given.get("src"))
        self.styles += tag == "style" or "style" in given
        assert not any(name.startswith("on") for name in given), tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in {"meta", "link", "br", "img", "input"}:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


@pytest.fixture
def running() -> Iterator[Service]:
    with service() as started:
        yield started


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Service, dict[str, str]]]:
    with filled_service() as filled:
        yield filled


def client_of(running: Service) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(running.app, raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


@pytest.fixture
async def client(running: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(running) as made:
        yield made


def happened(running: Service, record: TriagedError) -> None:
    shown = fit_to_show(record, Scrubber())
    now = running.parts.clock.now()
    running.observations.history.saw(record.fingerprint, now, lambda: shown)
    running.suggester.note_seen(shown)


def locked(running: Service) -> None:
    """One group with one public fix."""
    running.knowledge.put(
        solution(
            "wal",
            "database is locked",
            "Turn on WAL, or `rm -rf /var/lib/app`.",
            error_type="OperationalError",
        )
    )
    running.knowledge.commit()
    happened(running, triaged("e1"))


def token_in(html: str) -> str:
    found = re.search(r'name="token" value="([0-9a-f]+)"', html)
    assert found, html
    return found[1]


def form(good: str, **fields: str) -> dict[str, str]:
    return {
        "fingerprint": FINGERPRINT, "solution_id": "wal", "worked": "yes", "token": good, **fields
    }  # fmt: skip


async def test_every_page_is_sound_html_with_everything_named(
    shop: tuple[Service, dict[str, str]],
) -> None:
    running, names = shop
    async with client_of(running) as client:
        for path in (*PAGES, f"/groups/{names['timeout']}", f"/groups/{names['widget']}"):
            answer = await client.get(path)
            assert answer.status_code == 200, path
            outline = Outline(answer.text)
            assert outline.headings[0] == 1, path
            assert outline.headings.count(1) == 1, path
            steps = zip(outline.headings, outline.headings[1:], strict=False)
            assert all(after - before <= 1 for before, after in steps), path
            assert len(outline.ids) == len(set(outline.ids)), path
            assert set(outline.fields) <= set(outline.labels), path
            assert outline.scripts == ["/assets/page.js"], path
            assert outline.styles == 0, path
            assert answer.text.count("<svg") == answer.text.count('role="img"') + answer.text.count(
                "<svg viewBox"
            ), path
            policy = answer.headers["content-security-policy"]
            assert "unsafe" not in policy, path
            assert "default-src 'none'" in policy, path
            assert answer.headers["referrer-policy"] == "same-origin", path


async def test_the_list_counts_and_can_be_narrowed_down(
    shop: tuple[Service, dict[str, str]],
) -> None:
    running, names = shop
    async with client_of(running) as client:
        everything = (await client.get("/")).text
        assert "12 of 12 groups" in everything
        assert "in the last 60 minutes; most in one minute" in everything
        web = (await client.get("/", params={"service": "web"})).text
        assert "3 of 3 groups, 12 without the filter" in web
        assert names["basket"] in web
        severe = (await client.get("/", params={"severity": "critical"})).text
        assert [one in severe for one in (names["pool"], names["space"], names["json"])] == [
            True, True, False,
        ]  # fmt: skip
        cloud = (await client.get("/", params={"domain": "cloud"})).text
        assert "1 of 1 groups, 12 without" in cloud
        nobody = (await client.get("/", params={"service": "nobody"})).text
        assert "None of the 12 groups fits" in nobody
        nonsense = await client.get("/", params={"severity": "x", "domain": "\u202e"})
        assert "12 of 12 groups" in nonsense.text


async def test_a_group_shows_fixes_trace_causes_and_labels(
    shop: tuple[Service, dict[str, str]],
) -> None:
    running, names = shop
    async with client_of(running) as client:
        page = (await client.get(f"/groups/{names['timeout']}")).text
    assert "httpx.ReadTimeout: The read operation timed out" in page
    assert "Licence: <bdi>Apache-2.0</bdi>" in page
    assert "matched on" in page
    assert "price_basket" in page
    assert "Likely origin" in page
    assert f'href="/groups/{names["pool"]}"' in page
    assert "What it brings about" in page
    assert f'href="/groups/{names["basket"]}"' in page
    assert "came 0.31 s after" in page
    assert "93 % sure" in page
    assert "<td>operator</td>" in page
    assert "in the last 24 hours; most in one hour" in page


async def test_no_fix_is_said_and_what_is_like_it_is_named(
    shop: tuple[Service, dict[str, str]],
) -> None:
    running, names = shop
    async with client_of(running) as client:
        page = (await client.get(f"/groups/{names['widget']}")).text
    assert "No good fix known." in page
    assert 'href="#similar"' in page
    assert f'href="/groups/{names["palette"]}"' in page
    assert "/feedback" not in page


async def test_models_tell_promoted_rejected_and_rolled_back_with_the_reason(
    shop: tuple[Service, dict[str, str]],
) -> None:
    running, _ = shop
    async with client_of(running) as client:
        page = (await client.get("/models")).text
    assert page.count('class="kind promoted"') == 9
    assert "severity accuracy fell from 0.71" in page
    assert "fixes worked in 18% of the tries" in page
    assert "partition 2: 88,120 to 91,319" in page
    assert "Severity: macro F1, before learning: 0.22 at version 1, 0.62 at version 12" in page
    assert "fixstream models rollback 11 --reason" in page
    assert "<form" not in page


async def test_the_status_tells_lag_outcomes_and_the_bandit(
    shop: tuple[Service, dict[str, str]],
) -> None:
    running, _ = shop
    async with client_of(running) as client:
        page = (await client.get("/status")).text
    for told in ("Processor is behind by", "best voted", "Fixes that worked", "69 %", "bfloat16"):
        assert told in page
    assert "needs attention" in page  # The dead letters.


async def test_hostile_texts_stay_text(client: httpx.AsyncClient, running: Service) -> None:
    record = triaged("e1", HOSTILE, of=HOSTILE)
    event = replace(
        record.event, stack_trace=HOSTILE, environment=HOSTILE, release=HOSTILE, trace_id=HOSTILE
    )
    happened(running, replace(record, event=event))
    fix = suggested("e1", HOSTILE, "javascript:alert(1)")
    running.knowledge.put(solution("s", HOSTILE, HOSTILE, provenance=fix.fixes[0].provenance))
    running.knowledge.commit()
    running.observations.suggested(HOSTILE, fix)
    for path in ("/", f"/groups/{FINGERPRINT}", f"/?service={quote('<script>')}"):
        answer = await client.get(path)
        assert answer.status_code == 200, path
        Outline(answer.text)  # No tag and no handler of theirs.
        assert "<script>alert" not in answer.text
        assert 'href="javascript' not in answer.text
        assert "⟨U+202E⟩" in answer.text or "service=" in path
        assert "\u202e" not in answer.text
        assert "\x00" not in answer.text


async def test_a_megabyte_and_every_plane_make_a_small_page(
    client: httpx.AsyncClient, running: Service
) -> None:
    planes = "".join(chr(plane * 0x10000 + 0x41) for plane in range(17))
    record = triaged("e1", "x" * 1_000_000)
    event = replace(record.event, message=planes * 60_000, stack_trace="\u202e" * 1_000_000)
    happened(running, replace(record, event=event))
    for path in ("/", f"/groups/{FINGERPRINT}"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert len(answer.content) < 250_000
        Outline(answer.text)


async def test_secrets_and_private_fixes_do_not_leave(
    client: httpx.AsyncClient, running: Service
) -> None:
    locked(running)
    running.knowledge.put(
        solution(
            "ours", "database is locked", "secret recipe", visibility="shop",
            error_type="OperationalError", fingerprint=FINGERPRINT,
        )
    )  # fmt: skip
    running.knowledge.commit()
    record = triaged("e2", f"database is locked {SECRET}")
    event = replace(record.event, stack_trace=f"at {SECRET}")
    happened(running, replace(record, event=event, fingerprint=FINGERPRINT))
    running.observations.suggested("x", suggested("e1", "secret recipe", "https://example.org"))
    for path in ("/", f"/groups/{FINGERPRINT}", "/live"):
        text = (await client.get(path)).text
        assert "secret recipe" not in text
        assert SECRET not in text
    assert "Turn on WAL" in (await client.get(f"/groups/{FINGERPRINT}")).text


async def test_commands_that_destroy_carry_a_warning(
    client: httpx.AsyncClient, running: Service
) -> None:
    locked(running)
    page = (await client.get(f"/groups/{FINGERPRINT}")).text
    assert "<b>Careful:</b>" in page
    assert "<code>rm -rf /var/lib/app</code>" in page


async def test_a_word_on_a_fix_arrives_as_by_rest(
    client: httpx.AsyncClient, running: Service
) -> None:
    locked(running)
    token = token_in((await client.get(f"/groups/{FINGERPRINT}")).text)
    for worked in ("yes", "no"):
        answer = await client.post("/feedback", data=form(token, worked=worked))
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(f"/groups/{FINGERPRINT}?said=")
        thanks = await client.get(answer.headers["location"])
        assert 'role="status"' in thanks.text
    first, second = [one.record for one in running.intake.sent]
    assert isinstance(first, FixFeedback)
    assert isinstance(second, FixFeedback)
    assert (first.solution_id, first.solution_worked, first.fingerprint) == (
        "wal", True, FINGERPRINT,
    )  # fmt: skip
    assert second.solution_worked is False
    assert first.submitter == second.submitter
    rest = {"error_id": first.error_id, "solution_worked": True, "solution_id": "wal"}
    await client.post("/api/v1/learning/feedback", json=rest)
    third = running.intake.sent[2].record
    assert isinstance(third, FixFeedback)
    assert third.submitter == first.submitter  # One voice, whichever door it uses.


@pytest.mark.parametrize(
    ("headers", "fields", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, {}, 403),
        ({"sec-fetch-site": "same-site"}, {}, 403),
        ({"origin": "https://evil.example"}, {}, 403),
        ({"origin": "null"}, {}, 403),
        ({}, {"token": "0" * 32}, 403),
        ({}, {"token": "ü"}, 403),
        ({}, {"fingerprint": "v1-other"}, 403),
        ({}, {"solution_id": "gone"}, 404),
        ({}, {"solution_id": "ours"}, 404),
        ({}, {"worked": "perhaps"}, 422),
        ({}, {"token": ""}, 422),
        ({}, {"more": "1"}, 422),
        ({}, {"solution_id": "x" * 9_000}, 413),
        ({"content-type": "text/plain"}, {}, 415),
    ],
)
async def test_a_form_that_is_not_ours_is_not_counted(
    client: httpx.AsyncClient,
    running: Service,
    headers: dict[str, str],
    fields: dict[str, str],
    status: int,
) -> None:
    locked(running)
    running.knowledge.put(solution("ours", "private", visibility="shop"))
    token = token_in((await client.get(f"/groups/{FINGERPRINT}")).text)
    answer = await client.post("/feedback", data=form(token, **fields), headers=headers)
    assert answer.status_code == status
    assert "Not counted" in answer.text
    assert running.intake.sent == []


async def test_our_own_forms_pass_the_check_of_where_they_come_from(
    client: httpx.AsyncClient, running: Service
) -> None:
    locked(running)
    token = token_in((await client.get(f"/groups/{FINGERPRINT}")).text)
    for headers in ({"sec-fetch-site": "same-origin"}, {"origin": "http://test"}, {}):
        answer = await client.post("/feedback", data=form(token), headers=headers)
        assert answer.status_code == 303


async def test_kafka_that_is_away_is_told_to_whoever_clicked(
    client: httpx.AsyncClient, running: Service
) -> None:
    locked(running)
    token = token_in((await client.get(f"/groups/{FINGERPRINT}")).text)
    running.intake.error = BrokerUnavailable("gone")
    answer = await client.post("/feedback", data=form(token))
    assert answer.status_code == 503
    assert "try again" in answer.text
    assert f"/groups/{FINGERPRINT}" in answer.text


async def test_a_group_that_is_not_known_is_a_page_with_a_way_back(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get(f"/groups/{quote('<b>', safe='')}")
    assert answer.status_code == 404
    assert "not known here" in answer.text
    assert "<b>" not in answer.text


async def test_with_keys_the_form_needs_the_scope_and_the_same_key(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    clock = SystemClock()
    made: dict[Scope, str] = {}
    for scope in (Scope.ADMIN, Scope.FEEDBACK, Scope.PREDICT):
        key, made[scope] = new_key(scope.value, [scope], clock.now())
        file.add(key)
    with service(ServiceOptions(keys=KeyRing(file, clock))) as running:
        locked(running)
        async with client_of(running) as client:

            def head(scope: Scope) -> dict[str, str]:
                return {"authorization": f"Bearer {made[scope]}"}

            for scope in (Scope.FEEDBACK, Scope.PREDICT):
                answer = await client.get(f"/groups/{FINGERPRINT}", headers=head(scope))
                assert answer.status_code == 403
            page = await client.get(f"/groups/{FINGERPRINT}", headers=head(Scope.ADMIN))
            fields = form(token_in(page.text))
            statuses = {
                scope: (
                    await client.post("/feedback", data=fields, headers=head(scope))
                ).status_code
                for scope in made
            }
            assert statuses == {Scope.ADMIN: 303, Scope.FEEDBACK: 403, Scope.PREDICT: 403}
            assert (await client.post("/feedback", data=fields)).status_code == 401
    assert len(running.intake.sent) == 1


async def test_the_data_of_the_first_page_is_there_as_json(
    client: httpx.AsyncClient, running: Service
) -> None:
    locked(running)
    running.observations.suggested("x", suggested("e1", "t", "javascript:alert(1)"))
    live = (await client.get("/live")).json()
    assert live["groups"][0]["title"] == "database is locked"
    assert live["groups"][0]["occurrences"] == 1
    assert live["suggestions"][0]["fixes"] == []
