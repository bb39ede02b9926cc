"""Whatever JSON, text or bytes a caller sends: an answer or a problem, never a fault of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.inference import Service, service, solution

PREFIX = "/api/v1/learning"
TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
BODIES = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"error_message": TEXT | JSON},
        optional={"error_type": TEXT, "stack_trace": TEXT | JSON, "domain": JSON, "top_k": JSON},
    ),
    st.fixed_dictionaries(
        {"errors": st.lists(st.fixed_dictionaries({"error_type": TEXT, "message": TEXT}))}
    ),
    st.fixed_dictionaries({"error_id": TEXT, "solution_worked": JSON}, optional={"feedback": TEXT}),
)


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with service() as started:
        started.knowledge.put(solution("a", "connection refused"))
        started.knowledge.commit()
        yield started


def ask(running: Service, method: str, path: str, **request: object) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(running.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **request)  # type: ignore[arg-type]

    return asyncio.run(asked())


def assert_answered(answer: httpx.Response) -> None:
    assert answer.status_code in {200, 202, 413, 422}, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(body=BODIES, call=st.sampled_from(["predict", "errors", "feedback"]))
def test_any_json_is_answered(running: Service, body: object, call: str) -> None:
    # Python's own encoder writes NaN and lone surrogates, as a careless client does.
    content = json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    assert_answered(ask(running, "POST", f"{PREFIX}/{call}", content=content, headers=headers))


@FUZZ
@given(content=st.binary(max_size=200), call=st.sampled_from(["predict", "errors", "feedback"]))
def test_any_bytes_are_answered(running: Service, content: bytes, call: str) -> None:
    headers = {"content-type": "application/json"}
    assert_answered(ask(running, "POST", f"{PREFIX}/{call}", content=content, headers=headers))


@FUZZ
@given(
    query=st.dictionaries(
        st.sampled_from(["error_message", "error_type", "domain", "top_k", "x"]),
        st.text(max_size=40),
        max_size=4,
    )
)
def test_any_query_is_answered(running: Service, query: dict[str, str]) -> None:
    assert_answered(ask(running, "GET", f"{PREFIX}/suggest-fix", params=query))
