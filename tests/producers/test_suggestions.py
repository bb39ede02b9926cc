"""A known fix inside a host: in the log, in development in a header, and never waited for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

import fixstream.producers
from fixstream.producers import ErrorLearningMiddleware, MemorySink, WsgiErrorLearningMiddleware
from fixstream.producers.advisor import LOGGER_NAME, Advisor
from fixstream.producers.capture import CaptureConfig
from fixstream.producers.hooks import InterpreterHooks
from fixstream.producers.installation import current_reporter
from fixstream.producers.middleware import SUGGESTION_HEADER
from fixstream.producers.reporter import ErrorReporter, ReporterConfig, Sighting
from fixstream.producers.suggestions import MAX_AGE_S, SuggestionCache, header_text
from fixstream.runtime.clock import SettableClock
from fixstream.runtime.kafka import RecordPublisher, make_producer
from fixstream.schemas.codec import Codec
from fixstream.schemas.enums import EventSource, FixOrigin, LabelSource
from fixstream.schemas.records import Fix, Label, Provenance, SuggestedFix
from fixstream.schemas.topics import FIXES_SUGGESTED
from fixstream.triage.triage import Triager
from support import hostile
from support.deadlines import eventually
from support.kafka import Kafka

HERE = Sighting(source=EventSource.MIDDLEWARE)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def suggestion(
    fingerprint: str, title: str = "Give the order a price", **changes: Any
) -> SuggestedFix:
    def label(value: str) -> Label:
        return Label(value, LabelSource.RULE, 1.0)

    fix = Fix(
        solution_id="fix-7",
        title=title,
        text="text",
        score=0.9,
        origin=FixOrigin.KNOWLEDGE,
        provenance=Provenance(url="https://example.com"),
        matched_on=(),
    )
    known: dict[str, Any] = {
        "suggestion_id": fingerprint,
        "event_id": "e",
        "fingerprint": fingerprint,
        "service": "shop",
        "environment": "development",
        "model_version": 1,
        "created_at": NOW,
        "domain": label("general"),
        "severity": label("low"),
        "category": label("programming"),
        "fixes": (fix,),
    }
    return SuggestedFix(**(known | changes))


class Feed:
    """Stands for Kafka: gives what a test puts in to whoever listens."""

    def __init__(self) -> None:
        self.on_suggestion: Callable[[SuggestedFix], None] | None = None
        self.is_broken = False

    def listen(self, on_suggestion: Callable[[SuggestedFix], None], stop: threading.Event) -> None:
        if self.is_broken:
            raise ConnectionError("no broker")
        self.on_suggestion = on_suggestion
        stop.wait()

    def put(self, one: SuggestedFix) -> None:
        eventually(lambda: self.on_suggestion is not None)
        assert self.on_suggestion is not None
        self.on_suggestion(one)


class Host:
    """A service with predictions on."""

    def __init__(self, environment: str) -> None:
        self.feed = Feed()
        self.clock = SettableClock()
        self.sink = MemorySink()
        self.cache = SuggestionCache(self.clock)
        self.advisor = Advisor(self.cache, self.feed.listen, self.clock)
        config = ReporterConfig(capture=CaptureConfig(service="shop", environment=environment))
        self.reporter = ErrorReporter(self.sink, config, clock=self.clock, advisor=self.advisor)
        self.advisor.start()

    def app(self, *, outermost: bool = False) -> Any:
        app = FastAPI()

        @app.get("/orders/{number}")
        async def order(number: int) -> None:
            raise KeyError(f"order {number}")

        @app.get("/fine")
        async def fine() -> str:
            return "fine"

        if outermost:
            return ErrorLearningMiddleware(app, reporter=self.reporter)
        app.add_middleware(ErrorLearningMiddleware, reporter=self.reporter)
        return app

    def fingerprint(self) -> str:
        """As the processor finds it for the last event."""
        return Triager().triage(self.sink.events[-1]).fingerprint


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host("development")
    yield host
    host.advisor.close()


@pytest.fixture
def production() -> Iterator[Host]:
    host = Host("production")
    yield host
    host.advisor.close()


async def get(app: Any, url: str) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        return await client.get(url)


@pytest.mark.parametrize("outermost", [False, True])
async def test_the_answer_tells_the_known_fix_and_is_otherwise_the_same(
    host: Host, outermost: bool
) -> None:
    app = host.app(outermost=outermost)
    before = await get(app, "/orders/1")
    host.feed.put(suggestion(host.fingerprint()))
    eventually(lambda: len(host.advisor._fingerprints) > 0)
    after = await get(app, "/orders/2")

    assert SUGGESTION_HEADER not in before.headers
    assert after.headers[SUGGESTION_HEADER] == "Give the order a price [fix-7]"
    assert (after.status_code, after.content) == (500, before.content)
    del after.headers[SUGGESTION_HEADER]
    assert after.headers == before.headers
    assert SUGGESTION_HEADER not in (await get(app, "/fine")).headers
    assert len(host.sink.events) == 2, "the error itself goes its way"


async def test_a_fix_that_others_asked_for_is_told_with_the_first_failure(host: Host) -> None:
    app = host.app(outermost=True)
    await get(app, "/orders/1")
    eventually(lambda: host.advisor._triager is not None)
    another = Host("development")
    eventually(lambda: another.advisor._triager is not None)
    another.feed.put(suggestion(host.fingerprint()))

    answer = await get(another.app(outermost=True), "/orders/2")
    another.advisor.close()
    assert answer.headers[SUGGESTION_HEADER].endswith("[fix-7]")


async def test_outside_of_development_no_answer_tells_anything(production: Host) -> None:
    app = production.app()
    await get(app, "/orders/1")
    production.feed.put(suggestion(production.fingerprint()))
    eventually(lambda: production.advisor._fingerprints)

    assert SUGGESTION_HEADER not in (await get(app, "/orders/2")).headers


async def test_after_five_minutes_it_is_forgotten(host: Host) -> None:
    app = host.app(outermost=True)
    await get(app, "/orders/1")
    host.feed.put(suggestion(host.fingerprint()))
    host.clock.advance(MAX_AGE_S + 1)

    assert SUGGESTION_HEADER not in (await get(app, "/orders/2")).headers


def test_a_known_fix_is_logged_once_in_five_minutes(
    production: Host, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> int:
        return sum(record.name == LOGGER_NAME for record in caplog.records)

    production.reporter.report_exception(hostile.raised(KeyError("a")), HERE)
    eventually(lambda: production.advisor._error_types)
    fix = suggestion(production.fingerprint())
    production.feed.put(fix)
    production.feed.put(fix)
    assert told() == 1
    assert "a fix is known error_type=KeyError fix=Give the order a price [fix-7]" in caplog.text

    production.clock.advance(MAX_AGE_S)
    production.feed.put(fix)
    assert told() == 2
    production.feed.put(suggestion("v1-of-somebody-else"))
    assert told() == 2


def test_the_hosts_own_log_record_can_show_it(host: Host) -> None:
    hooks = InterpreterHooks(host.reporter)
    hooks.install_logging()
    shown: list[str | None] = []

    class Shows(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            shown.append(getattr(record, "fixstream_suggestion", None))

    logger = logging.getLogger("shop.suggestions")
    logger.addHandler(handler := Shows())
    try:
        for number in range(2):
            logger.error("failed", exc_info=hostile.raised(KeyError(number)))
            host.feed.put(suggestion(host.fingerprint()))
            eventually(lambda: host.advisor._fingerprints)
    finally:
        hooks.remove()
        logger.removeHandler(handler)

    assert shown == [None, "Give the order a price [fix-7]"]


def test_errors_that_differ_in_their_calls_are_told_apart(host: Host) -> None:
    def first() -> None:
        raise KeyError("x")

    def second() -> None:
        raise KeyError("x")

    errors = []
    for fail in (first, second):
        try:
            fail()
        except KeyError as error:
            errors.append(error)
            host.reporter.report_exception(error, HERE)
            if fail is first:
                host.feed.put(suggestion(host.fingerprint()))
    eventually(lambda: len(host.advisor._fingerprints) == 2)

    assert host.advisor.advice(errors[0]) is not None
    assert host.advisor.advice(errors[1]) is None


def test_without_frames_of_the_application_the_message_decides(host: Host) -> None:
    errors = [ValueError("disk full"), ValueError("no such table")]
    for error in errors:
        host.reporter.report_exception(error, HERE)
    eventually(lambda: len(host.advisor._error_types) == 2)
    host.feed.put(suggestion(Triager().triage(host.sink.events[0]).fingerprint))

    assert host.advisor.advice(errors[0]) is not None
    assert host.advisor.advice(errors[1]) is None


def test_wsgi_answers_tell_it_too(host: Host) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            raise KeyError("order")  # noqa: TRY301
        except KeyError as error:
            host.reporter.report_exception(error, HERE)
            start_response("500 Oops", [("X-Own", "1")])
        return [b"oops"]

    def call() -> list[tuple[str, str]]:
        headers: list[tuple[str, str]] = []
        watched = WsgiErrorLearningMiddleware(app, reporter=host.reporter)
        watched({"PATH_INFO": "/"}, lambda status, given, *rest: headers.extend(given))
        return headers

    assert call() == [("X-Own", "1")]
    host.feed.put(suggestion(host.fingerprint()))
    eventually(lambda: host.advisor._fingerprints)
    assert call() == [("X-Own", "1"), (SUGGESTION_HEADER, "Give the order a price [fix-7]")]


def test_a_feed_that_breaks_does_not_reach_the_host() -> None:
    host = Host("development")
    host.feed.is_broken = True
    host.advisor.close()
    broken = Advisor(host.cache, host.feed.listen, host.clock)
    broken.start()
    assert broken.advice(ValueError("x")) is None
    broken.close()


@given(title=st.text(max_size=400), solution_id=st.text(max_size=300))
def test_no_title_breaks_a_header(title: str, solution_id: str) -> None:
    one = suggestion("f", title)
    fix = Fix(
        **{f: getattr(one.fixes[0], f) for f in Fix.__dataclass_fields__}
        | {"solution_id": solution_id}
    )
    text = header_text(suggestion("f", fixes=(fix,)))

    assert text is not None
    assert len(text) <= 200
    assert all(" " <= character <= "~" for character in text)
    assert text == text.strip()


def test_the_cache_is_bounded_and_keeps_no_empty_answer() -> None:
    cache = SuggestionCache(SettableClock(), max_fingerprints=3)
    for number in range(10):
        cache.put(suggestion(str(number)))
    cache.put(suggestion("empty", fixes=()))

    assert len(cache) == 3
    assert cache.get("9") is not None
    assert cache.get("0") is None
    assert cache.get("empty") is None


@pytest.mark.kafka
async def test_a_suggestion_of_kafka_reaches_the_header(
    kafka_topics: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in kafka_topics.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FIXSTREAM_PRODUCERS_PREDICTIONS", "true")
    sink = MemorySink()
    fixstream.producers.init("shop", sink=sink, environment="development", logging=False)
    app = FastAPI()
    app.add_middleware(ErrorLearningMiddleware)

    @app.get("/orders/{number}")
    async def order(number: int) -> None:
        raise KeyError(f"order {number}")

    await get(app, "/orders/1")
    publisher = RecordPublisher(make_producer(kafka_topics.settings), Codec(), ce_source="test")
    one = suggestion(Triager().triage(sink.events[0]).fingerprint)
    topic = kafka_topics.settings.topic(FIXES_SUGGESTED)
    number = 2

    def is_told() -> bool:
        # A listener hears what comes after it joined: say it until it did.
        publisher.publish(topic, one.fingerprint, one)
        publisher.flush(10.0)
        reporter = current_reporter()
        return bool(reporter.advisor and len(reporter.advisor._cache))

    eventually(is_told, 30.0)
    answer = await get(app, f"/orders/{number}")
    assert answer.headers[SUGGESTION_HEADER] == "Give the order a price [fix-7]"
