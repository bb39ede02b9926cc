"""Fingerprints that stand in topics and stores: a faster recipe has to give the same ones."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent
from fixstream.triage.triage import Triager
from support.beside import load_beside

GOLDEN: dict[str, str] = json.loads(
    Path(__file__).with_name("golden_fingerprints.json").read_text("utf-8")
)
GOLDEN_GROUPS: dict[str, str] = json.loads(
    Path(__file__).with_name("golden_groups.json").read_text("utf-8")
)
"""Of those whose wording says more than what they say."""
TRIAGER = Triager()
PLAIN = ErrorEvent(
    event_id="e", occurred_at=datetime(2026, 11, 22, tzinfo=UTC), service="shop", environment="prod",
    source=EventSource.REST, message="",
)  # fmt: skip
MESSAGES = {
    "words": "could not save the order",
    "numbers": "order 4711 of 12.5 EUR, try 3/7, -1 left, item_42, v2.3.1",
    "ids": "no 3f2c1a4e-9d7b-4c55-8e21-0a9b8c7d6e5f or deadbeef42 at 0x7ffd01, abcdefa not",
    "letters only id": "no abcdefab-abcd-abcd-abcd-abcdefabcdef here",
    "times": "2026-11-22 10:11:12 and 2026-11-22T10:11:12.345Z, then 9:01:02.5",
    "addresses": "GET https://api.example.com:8443/v1/x?y=1 from 203.0.113.7:5000 via db-1.example.com:5432",
    "paths": r"cannot open /srv/shop/app.py or C:\shop\data\x.csv or ./a/b/",
    "masks": "user [email_2] sent [aws_key] and [Not one]",
    "scripts": "Ошибка № 42: файл /данные/заказ.csv, 订单 ٤٢ 失败",
    "punctuation": 'failed! (again), "why"? it\'s: a;b,c|d=e <f> {g} [h] @here #i~j',
    "lines": "the first line 1\nthe second line 2",
    "crash": "[1:2:FATAL:window.cc(12)] Check failed: index < size (3 vs. 2).",
    "assertion": "Assertion `ptr != nullptr' failed.",
    "signal": "the process received signal SIGSEGV at address 0x0",
    "empty": "",
}
EVENTS = {
    **{f"message: {name}": replace(PLAIN, message=text) for name, text in MESSAGES.items()},
    **{
        f"typed: {name}": replace(PLAIN, message=text, error_type="shop.errors.OrderFailed")
        for name, text in MESSAGES.items()
    },
    "stack of no known form": replace(
        PLAIN, message="x 1", stack_trace="\n".join(f"step {n} of the job" for n in range(20))
    ),
    **{
        f"trace: {case.name}": replace(PLAIN, message="it failed", stack_trace=case.text)
        for case in load_beside(__file__, "trace_cases").CASES
    },
    **{
        f"trace in the message: {case.name}": replace(PLAIN, message=f"it failed\n{case.text}")
        for case in load_beside(__file__, "trace_cases").CASES
    },
}


def test_every_event_has_a_golden_one() -> None:
    assert GOLDEN.keys() == EVENTS.keys()


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_it_is_the_golden_one(name: str) -> None:
    found = TRIAGER.triage(EVENTS[name])
    assert (found.own_fingerprint or found.fingerprint) == GOLDEN[name]
    assert found.fingerprint == GOLDEN_GROUPS.get(name, GOLDEN[name])
