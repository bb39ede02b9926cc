"""The API does what its OpenAPI document says, whatever schemathesis thinks of sending."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

from fixstream.inference.api import PREFIX
from support.inference import Service, service, solution


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with service() as started:
        started.knowledge.put(solution("a", "connection refused"))
        started.knowledge.commit()
        yield started


CALLS = [
    ("POST", f"{PREFIX}/predict"),
    ("GET", f"{PREFIX}/suggest-fix"),
    ("POST", f"{PREFIX}/errors"),
    ("POST", f"{PREFIX}/feedback"),
    ("GET", f"{PREFIX}/stats"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/asyncapi.json"),
]


@pytest.fixture(scope="module")
def described(running: Service) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", running.app)


def test_no_call_is_left_out(described: Any) -> None:
    found = [result.ok() for result in described.get_all_operations()]
    assert {(one.method.upper(), one.path) for one in found} == set(CALLS)


# What takes no input cannot be given a wrong one.
@pytest.mark.parametrize(
    ("mode", "method", "path"),
    [("positive", *call) for call in CALLS] + [("negative", *call) for call in CALLS[:4]],
)
def test_every_call_answers_as_described(described: Any, method: str, path: str, mode: str) -> None:
    operation = described[path][method]
    strategy = operation.as_strategy(generation_mode=GenerationMode(mode))

    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def hold(case: schemathesis.Case[Any]) -> None:
        answer = case.call()
        # A body that is too large is refused before it is read, by a status that it does not know.
        is_told = answer.status_code == 413
        case.validate_response(answer, excluded_checks=[negative_data_rejection] if is_told else [])

    hold()
