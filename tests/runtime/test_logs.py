"""One format for all lines, and no secret in any."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from fixstream.runtime.logs import MASK, configure_logging, redact
from fixstream.runtime.settings import LogSettings


class Written:
    """What went to standard error in this test."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def text(self) -> str:
        self._text += self._capsys.readouterr().err
        return self._text

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Iterator[Written]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Written(capsys)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:], root.level = handlers, level


def test_without_a_terminal_a_line_is_json(stderr: Written) -> None:
    configure_logging("trainer")
    structlog.get_logger("fixstream.test").info("batch published", topic="t", offset=4)
    (line,) = stderr.lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "batch published",
        "topic": "t",
        "offset": 4,
        "level": "info",
        "logger": "fixstream.test",
        "component": "trainer",
    }


@pytest.mark.parametrize("name", ["uvicorn.error", "faust.app", "librdkafka", "somebody"])
def test_everybody_elses_lines_look_the_same(stderr: Written, name: str) -> None:
    logging.getLogger(name.partition(".")[0]).addHandler(logging.StreamHandler(sys.stdout))
    configure_logging("api")
    logging.getLogger(name).warning("took %d ms", 7)
    (line,) = [each for each in stderr.lines() if each["event"] == "took 7 ms"]
    assert (line["logger"], line["level"], line["component"]) == (name, "warning", "api")
    logging.getLogger(name.partition(".")[0]).handlers.clear()


def test_for_people_a_line_is_readable(stderr: Written) -> None:
    configure_logging("api", LogSettings(format="console"))
    nothing: dict[str, int] = {}
    try:
        nothing["lost"]
    except KeyError:
        structlog.get_logger("fixstream.test").exception("update failed", version=3)
    written = stderr.text()
    assert "update failed" in written
    assert "version=3" in written
    assert "KeyError: 'lost'" in written
    assert not written.startswith("{")


def test_the_level_holds_for_all(stderr: Written) -> None:
    configure_logging("api", LogSettings(level="WARNING"))
    structlog.get_logger("fixstream.test").info("quiet")
    logging.getLogger("somebody").info("quiet")
    assert stderr.text() == ""


def test_a_trace_is_text_and_masked(stderr: Written) -> None:
    configure_logging("api")
    try:
        int("https://me:hunter2@kafka/")
    except ValueError:
        structlog.get_logger("fixstream.test").exception("failed")
        logging.getLogger("somebody").exception("failed")
    assert len(stderr.lines()) == 2
    for line in stderr.lines():
        assert "https://***@kafka/" in line["exception"]
    assert "hunter2" not in stderr.text()


def test_the_last_call_wins(stderr: Written) -> None:
    configure_logging("first")
    configure_logging("second")
    structlog.get_logger("fixstream.test").info("once")
    (line,) = stderr.lines()
    assert line["component"] == "second"


def redacted(**event: Any) -> dict[str, Any]:
    return dict(redact(None, "info", event))


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "sasl_password",
        "TOKEN",
        "access_token",
        "accessToken",
        "Authorization",
        "client-secret",
        "api_key",
        "apiKey",
        "set-cookie",
        "private_key",
        "sasl.password",
    ],
)
def test_what_sounds_secret_is_masked(key: str) -> None:
    assert redacted(**{key: "hunter2"}) == {key: MASK}
    assert redacted(headers={key: ["hunter2"]}) == {"headers": {key: MASK}}


@pytest.mark.parametrize("key", ["num_tokens", "tokenizer", "key", "secretary", "keys", "passed"])
def test_what_only_looks_like_it_is_not(key: str) -> None:
    assert redacted(**{key: "7"}) == {key: "7"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("GET https://me:pw@host/x", "GET https://***@host/x"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer ***"),
        ("see https://host/a@b", "see https://host/a@b"),
        ("the bearer of news", "the bearer of news"),
    ],
)
def test_secrets_inside_texts_are_masked(text: str, masked: str) -> None:
    assert redacted(reason=text, parts=(text,)) == {"reason": masked, "parts": [masked]}


@given(st.text(min_size=1).filter(lambda text: text not in MASK))
def test_no_value_under_a_secret_key_survives(value: str) -> None:
    assert redacted(password=value, nested={"token": {"inner": value}}) == {
        "password": MASK,
        "nested": {"token": MASK},
    }
