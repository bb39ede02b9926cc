"""The language of an error without a trace, where the words leave no doubt."""

from __future__ import annotations

import pytest

from fixstream.triage.language import language_of
from fixstream.triage.triage import Triager
from support.events import make_event


@pytest.mark.parametrize(
    ("error_type", "message", "language"),
    [
        ("java.lang.IllegalStateException", "not open", "java"),
        ("NullPointerException", "", "java"),
        ("System.InvalidOperationException", "x", "csharp"),
        ("ModuleNotFoundError", "No module named 'shop'", "python"),
        ("botocore.exceptions.ClientError", "denied", "python"),
        ("ActiveRecord::RecordNotFound", "no order", "ruby"),
        ("Illuminate\\Database\\QueryException", "x", "php"),
        (None, "TypeError: Cannot read properties of undefined (reading 'id')", "javascript"),
        (None, "Error: connect ECONNREFUSED 127.0.0.1:5432", "javascript"),
        (None, "panic: runtime error: index out of range [5] with length 3", "go"),
        (None, "called `Option::unwrap()` on a `None` value", "rust"),
        (None, "PHP Fatal error:  Uncaught Error: Call to undefined function f()", "php"),
        (None, "'NoneType' object has no attribute 'id'", "python"),
        (None, "undefined method `price' for nil:NilClass", "ruby"),
        (None, "Null check operator used on a null value", "dart"),
        (None, "Segmentation fault (core dumped)", "cpp"),
        (None, "** (KeyError) key :price not found", "elixir"),
    ],
)
def test_clear_words(error_type: str | None, message: str, language: str) -> None:
    assert language_of(error_type, message) == language


@pytest.mark.parametrize(
    ("error_type", "message"),
    [
        (None, ""),
        ("KeyError", "'sku'"),
        ("TimeoutError", "slow"),
        ("OrderFailed", "could not save the order"),
        (None, "connection refused"),
        (None, "the panic in the shop was great"),
        (None, "Systems are down"),
        (None, "a module named cart is missing"),
        (None, "PHP is installed"),
        (None, "java is a nice island"),
        (None, "panic: x, then System.NullReferenceException came"),
    ],
)
def test_in_doubt_none(error_type: str | None, message: str) -> None:
    assert language_of(error_type, message) is None


def test_triage_notes_it_unless_the_reporter_did() -> None:
    triager = Triager()
    event = make_event(
        "Cannot read properties of null (reading 'x')", stack_trace=None, language=None
    )
    assert triager.triage(event).event.language == "javascript"
    event = make_event("Cannot read properties of null", stack_trace=None, language="typescript")
    assert triager.triage(event).event.language == "typescript"
