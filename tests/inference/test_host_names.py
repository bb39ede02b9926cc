"""For which names in `Host` the service answers: none that a stranger could lead to it."""

from __future__ import annotations

import httpx
import pytest

from fixstream.inference.host_names import HostNames
from fixstream.inference.service import host_names
from fixstream.inference.settings import InferenceSettings
from fixstream.schemas.errors import Misconfigured
from support.inference import ServiceOptions, service

OURS = ("fixes.example.com", "*.corp.example")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080",
        "10.1.2.3",
        "[::1]:8080",
        "[fe80::1]",
        "localhost:8080",
        "LOCALHOST",
        "shop.localhost",
        "serve:8080",
        "fixstream.default.svc.cluster.local:8080",
        "gateway.internal.",
    ],
)
def test_what_no_stranger_can_lead_here_is_answered_always(host: str) -> None:
    assert HostNames(()).includes(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "internal.evil.example",
        "[::1].evil.example",
        "evil.example:8080:1",
        "",
        ":8080",
        "a." * 200 + "local",
    ],
)
def test_what_a_stranger_could_lead_here_is_not(host: str) -> None:
    assert not HostNames(()).includes(host)


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("fixes.example.com", True),
        ("FIXES.example.com.:443", True),
        ("other.example.com", False),
        ("a.corp.example", True),
        ("a.b.corp.example", True),
        ("corp.example", False),
        ("evilcorp.example", False),
    ],
)
def test_names_are_added_one_by_one_or_all_below_one(host: str, is_ours: bool) -> None:
    assert HostNames(OURS).includes(host) is is_ours


def test_a_star_takes_any() -> None:
    assert HostNames(("*",)).includes("evil.example")


@pytest.mark.parametrize(
    "name", ["https://fixes.example.com", "fixes.example.com:443", "a b", "*a"]
)
def test_what_is_no_name_is_said(name: str) -> None:
    with pytest.raises(Misconfigured, match="ALLOWED_HOSTS"):
        host_names(InferenceSettings(allowed_hosts=f"ok.example,{name}"))


def test_with_keys_or_tls_names_need_not_be_told_but_may_be() -> None:
    assert host_names(InferenceSettings(api_keys="keys.json")) is None
    assert host_names(InferenceSettings(tls_certificate="chain.pem")) is None
    told = host_names(InferenceSettings(api_keys="keys.json", allowed_hosts="a.example, "))
    assert told is not None
    assert not told.includes("b.example")
    assert host_names(InferenceSettings()) is not None


async def test_a_page_that_was_led_here_under_another_name_reads_and_sends_nothing() -> None:
    with service(ServiceOptions(hosts=HostNames(()))) as running:
        transport = httpx.ASGITransport(app=running.app)
        url = "http://evil.example:8080"
        own = {"Sec-Fetch-Site": "same-origin", "Origin": url}  # So the browser sees it.
        async with httpx.AsyncClient(transport=transport, base_url=url, headers=own) as led:
            form = {"fingerprint": "v1-0", "solution_id": "a", "worked": "yes", "token": "t"}
            for answer in (
                await led.get("/"),
                await led.post("/feedback", data=form),
                await led.post("/api/v1/learning/predict", json={"error_message": "m"}),
                await led.get("/metrics"),
            ):
                assert answer.status_code == 421
                assert answer.headers["content-type"] == "application/problem+json"
            assert (await led.get("/healthz")).status_code == 200
            two = await led.get("/", headers=[("Host", "localhost"), ("Host", "evil.example")])
            assert two.status_code == 421
        assert running.intake.sent == []
        local = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")
        async with local:
            assert (await local.get("/")).status_code == 200
