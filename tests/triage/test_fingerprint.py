"""The same fault keeps its fingerprint; another one gets its own."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixstream.schemas.enums import EventSource
from fixstream.schemas.records import ErrorEvent
from fixstream.triage.fingerprint import FINGERPRINT_VERSION, fingerprint
from fixstream.triage.normalise import normalise
from fixstream.triage.title import MAX_TITLE_CHARS, title
from fixstream.triage.trace import parse_trace
from support.beside import load_beside

CASES = load_beside(__file__, "trace_cases").CASES
TEXTS = {case.name: case.text for case in CASES}


def event(
    message: str = "", stack_trace: str | None = None, error_type: str | None = None
) -> ErrorEvent:
    """Returns an event with these texts."""
    return ErrorEvent(
        event_id="e", occurred_at=datetime(2026, 11, 22, tzinfo=UTC), service="shop", environment="prod",
        source=EventSource.REST, message=message, stack_trace=stack_trace, error_type=error_type,
    )  # fmt: skip


def of(stack_trace: str, message: str = "") -> str:
    """Returns the fingerprint of a trace."""
    return fingerprint(event(message, stack_trace), parse_trace(stack_trace))


def of_message(message: str, error_type: str | None = None) -> str:
    """Returns the fingerprint of a message without a trace."""
    return fingerprint(event(message, error_type=error_type), None)


def test_its_form() -> None:
    assert re.fullmatch(rf"{FINGERPRINT_VERSION}-[0-9a-f]{{16}}", of_message("x"))


def test_all_cases_differ() -> None:
    assert len({of(text) for text in TEXTS.values()}) == len(TEXTS)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(name for name in TEXTS if " log" not in name)), st.integers(1, 99_999)
)
def test_line_numbers_and_addresses_do_not_count(name: str, shift: int) -> None:
    text = TEXTS[name]
    moved = re.sub(
        r"(?<=[:(])(\d+)(?=[:)\n])|(?<=line )(\d+)", lambda found: str(int(found[0]) + shift), text
    )
    moved = re.sub(
        r"0x[0-9a-f]{6,}",
        lambda found: f"0x{int(found[0], 16) + shift * 16:x}".ljust(8, "0"),
        moved,
    )
    assert of(moved) == of(text)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("python chain", "/srv/shop/", "/home/ci/build-77/shop/"),
        ("python chain", "/srv/venv/lib/python3.11/", "/opt/other/lib/python3.12/"),
        ("python chain", "sku-1", "sku-2"),
        ("java modules and lambdas", "Lambda$14/0x0000000800c8", "Lambda$215/0x00000008013f"),
        ("java modules and lambdas", "lambda$total$3", "lambda$total$7"),
        ("firefox", "app.3f9a1c22.js", "app.77bc01d9.js"),
        ("firefox", "shop.example.com", "cdn-7.example.net"),
        ("csharp", "d__4", "d__9"),
        ("rust", "h0123456789abcdef", "hfedcba9876543210"),
        ("asan", "std::vector<int, std::allocator<int> >", "std::__1::vector<int>"),
        ("asan", "/srv/bin/shop+0x4f1b2b", "/opt/bin/shop+0x5a0000"),
        ("go nil", "main.main()", "main.main(0x1)"),
    ],
)
def test_what_differs_between_builds_does_not_count(name: str, old: str, new: str) -> None:
    text = TEXTS[name]
    assert old in text
    assert of(text.replace(old, new)) == of(text)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("python chain", "in fetch", "in store"),
        ("python chain", "KeyError", "IndexError"),
        ("java causes", "Repository.load", "Repository.save"),
        ("node", "OrderService.create", "OrderService.cancel"),
        ("go nil", "Total", "Discount"),
        ("go nil", "invalid memory address or nil pointer dereference", "index out of range"),
        ("asan", "heap-use-after-free", "heap-buffer-overflow"),
        ("asan", "READ of size", "WRITE of size"),
        ("asan", "shop::Cart::total", "shop::Cart::count"),
    ],
)
def test_another_fault_gets_its_own(name: str, old: str, new: str) -> None:
    text = TEXTS[name]
    assert old in text
    assert of(text.replace(old, new)) != of(text)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("order 4711 not found", "order 9 not found"),
        (
            "user 0d2f1c9e-7b1a-4f6e-9a53-2d8c1f0e6b7a is locked",
            "user 77777777-7b1a-4f6e-9a53-2d8c1f0e6b7a is locked",
        ),
        ("connect to 10.0.0.7:5432 failed", "connect to 10.9.8.7:5433 failed"),
        ("at 2026-11-22T10:00:00Z it broke", "at 2027-01-02T23:59:59.123+01:00 it broke"),
        ("object at 0x7f001234 is gone", "object at 0x7fffffff is gone"),
        ("no such file: /var/lib/a/b.txt", "no such file: /tmp/x/y/c.txt"),
        ("GET https://a.example.com/x?y=1 failed", "GET http://b.example.org/z failed"),
        ("mail to [email] bounced", "mail to [email_2] bounced"),
        (
            "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 broke it",
            "commit deadbeef0ae598e95dc970b74767f19372d61af8 broke it",
        ),
    ],
)
def test_messages_differ_only_by_their_words(one: str, two: str) -> None:
    assert of_message(one) == of_message(two)
    assert of_message(one, "ValueError") != of_message(one, "KeyError")


def test_words_of_a_message_count() -> None:
    assert of_message("disk is full") != of_message("disk is slow")


@given(st.text(max_size=200))
def test_normalising_again_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(max_size=300), st.one_of(st.none(), st.text(max_size=50)))
def test_a_title_is_one_short_line(message: str, error_type: str | None) -> None:
    line = title(event(message, error_type=error_type), None)
    assert 0 < len(line) <= MAX_TITLE_CHARS
    assert "\n" not in line


def test_a_title_names_the_type_once() -> None:
    assert title(event("boom", error_type="shop.errors.OrderFailed"), None) == "OrderFailed: boom"
    assert title(event("OrderFailed: boom", error_type="OrderFailed"), None) == "OrderFailed: boom"
    trace = parse_trace(TEXTS["python chain"])
    assert title(event("", TEXTS["python chain"]), trace) == "OrderFailed: no such item"
