"""API keys: hashed at rest, scoped, revoked while the service runs, and never told or logged."""

from __future__ import annotations

import base64
import logging
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from fixstream.cli.main import app as command_line
from fixstream.inference.api import PREFIX
from fixstream.inference.api_keys import KeyFile, KeyRing, Scope, new_key
from fixstream.inference.guard import OPEN, SCOPES
from fixstream.runtime.clock import SettableClock
from fixstream.schemas.errors import Misconfigured
from support.inference import Service, ServiceOptions, service

ERROR = {"error_message": "database is locked"}


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


def made(keys: KeyFile, clock: SettableClock, *scopes: Scope) -> str:
    key, presented = new_key("a test", scopes, clock.now())
    keys.add(key)
    return presented


@pytest.fixture
def admin(keys: KeyFile, clock: SettableClock) -> str:
    return made(keys, clock, Scope.ADMIN)


@pytest.fixture
def running(keys: KeyFile, clock: SettableClock, admin: str) -> Iterator[Service]:
    with service(ServiceOptions(keys=KeyRing(keys, clock))) as started:
        yield started


@pytest.fixture
async def client(running: Service) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(running.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as started:
        yield started


def bearer(presented: str) -> dict[str, str]:
    return {"authorization": f"Bearer {presented}"}


def test_the_file_holds_no_key_and_is_its_owner_s_alone(keys: KeyFile, admin: str) -> None:
    text = keys.path.read_text()
    assert admin not in text
    assert admin.rpartition("_")[2] not in text
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", '{"keys": [{}]}', '{"keys": [{"scopes": ["root"]}]}'])
def test_a_broken_file_stops_the_start_and_is_named(
    keys: KeyFile, clock: SettableClock, text: str
) -> None:
    keys.path.write_text(text)
    with pytest.raises(Misconfigured, match=r"keys\.json"):
        KeyRing(keys, clock)


def test_a_missing_file_does_not_open_the_service(keys: KeyFile, clock: SettableClock) -> None:
    with pytest.raises(Misconfigured, match="FIXSTREAM_INFERENCE_API_KEYS"):
        KeyRing(keys, clock)


async def test_everything_but_the_probes_is_closed(
    client: httpx.AsyncClient, running: Service
) -> None:
    paths = (await client.get("/openapi.json", headers=bearer("x"))).status_code
    assert paths == 401
    for path in (
        "/",
        "/live",
        "/docs",
        "/metrics",
        "/assets/page.js",
        "/nowhere",
        "/asyncapi.json",
    ):
        answer = await client.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Bearer" in answer.headers["www-authenticate"]
    for path in OPEN:
        assert (await client.get(path)).status_code == 200
    answer = await client.post(f"{PREFIX}/errors", json={"errors": []})
    assert answer.status_code == 401
    assert running.intake.sent == []


async def test_a_key_opens_its_scope_and_no_other(
    client: httpx.AsyncClient, keys: KeyFile, clock: SettableClock
) -> None:
    shown = {scope: made(keys, clock, scope) for scope in Scope}
    clock.advance(1.1)
    for scope, presented in shown.items():
        for (method, path), wanted in SCOPES.items():
            answer = await client.request(method, path, headers=bearer(presented))
            is_open = answer.status_code not in {401, 403}
            assert is_open is (scope in {wanted, Scope.ADMIN}), (scope, path)
        stats = await client.get(f"{PREFIX}/stats", headers=bearer(presented))
        assert stats.status_code == (200 if scope is Scope.ADMIN else 403)
        docs = await client.get("/openapi.json", headers=bearer(presented))
        assert docs.status_code == 200


async def test_a_key_is_taken_in_any_of_three_ways(client: httpx.AsyncClient, admin: str) -> None:
    basic = base64.b64encode(f"anybody:{admin}".encode()).decode()
    for headers in (bearer(admin), {"x-api-key": admin}, {"authorization": f"Basic {basic}"}):
        answer = await client.post(f"{PREFIX}/predict", json=ERROR, headers=headers)
        assert answer.status_code == 200, headers


@pytest.mark.parametrize(
    "value",
    [
        *(
            "Bearer",
            "Bearer ",
            "Basic !",
            "Basic /w==",
            "Bearer fx__",
            "Bearer fx_a_b_c",
            "Digest x",
        ),
        *("Bearer fx_1_" + "a" * 10_000, "Bearer \u00e9\u00ff"),
    ],
)
async def test_odd_headers_are_no_keys(client: httpx.AsyncClient, value: str) -> None:
    headers = [(b"authorization", value.encode("latin-1"))]
    assert (await client.get("/", headers=headers)).status_code == 401


async def test_a_right_id_with_a_wrong_secret_is_refused(
    client: httpx.AsyncClient, admin: str
) -> None:
    wrong = admin[:-1] + ("0" if admin[-1] != "0" else "1")
    assert (await client.get("/", headers=bearer(wrong))).status_code == 401
    assert (await client.get("/", headers=bearer(admin))).status_code == 200


async def test_a_revoked_key_ends_while_the_service_runs(
    client: httpx.AsyncClient, keys: KeyFile, clock: SettableClock, admin: str
) -> None:
    assert (await client.get("/live", headers=bearer(admin))).status_code == 200
    assert keys.revoke(admin.split("_")[1], clock.now())
    assert not keys.revoke(admin.split("_")[1], clock.now())
    clock.advance(1.1)
    assert (await client.get("/live", headers=bearer(admin))).status_code == 401


async def test_a_file_that_breaks_meanwhile_changes_nothing(
    client: httpx.AsyncClient, keys: KeyFile, clock: SettableClock, admin: str
) -> None:
    keys.path.write_text("{")
    clock.advance(1.1)
    assert (await client.get("/live", headers=bearer(admin))).status_code == 200
    assert (await client.get("/live", headers=bearer("x"))).status_code == 401


async def test_guessing_is_limited(keys: KeyFile, clock: SettableClock, admin: str) -> None:
    limits = {"predict": "9/minute", "refused": "2/minute", "errors": "9/minute"}
    options = ServiceOptions(keys=KeyRing(keys, clock), limits={**limits, "feedback": "9/minute"})
    with service(options) as running:
        transport = httpx.ASGITransport(running.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            statuses = [(await client.get("/", headers=bearer("x"))).status_code for _ in range(3)]
            assert statuses == [401, 401, 429]
            assert (await client.get("/", headers=bearer(admin))).status_code == 200


async def test_no_key_is_ever_logged(
    client: httpx.AsyncClient, admin: str, caplog: pytest.LogCaptureFixture, capfd: object
) -> None:
    caplog.set_level(logging.DEBUG)
    await client.get("/live", headers=bearer(admin))
    await client.get("/live", headers=bearer(admin + "x"))
    assert admin not in caplog.text
    assert admin not in str(capfd.readouterr())  # type: ignore[attr-defined]


def test_the_command_makes_lists_and_revokes(
    keys: KeyFile, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIXSTREAM_INFERENCE_API_KEYS", str(keys.path))
    runner = CliRunner()
    printed = runner.invoke(
        command_line, ["keys", "new", "shop", "--scope", "predict", "--scope", "ingest"]
    )
    assert printed.exit_code == 0
    presented = printed.stdout.strip()
    held = KeyRing(keys, clock).holder_of(presented)
    assert held is not None
    assert held.scopes == {Scope.PREDICT, Scope.INGEST}
    listed = runner.invoke(command_line, ["keys", "list"]).stdout
    assert held.key_id in listed
    assert "ingest,predict" in listed
    assert presented not in listed
    assert runner.invoke(command_line, ["keys", "revoke", held.key_id]).exit_code == 0
    assert KeyRing(keys, clock).holder_of(presented) is None
    assert runner.invoke(command_line, ["keys", "revoke", held.key_id]).exit_code != 0
    wrong = runner.invoke(command_line, ["keys", "new", "x", "--scope", "root"])
    assert isinstance(wrong.exception, Misconfigured)
