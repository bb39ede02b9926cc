"""What the lines of a log say, and which of them belong together."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.producers.tail.line_formats import YEARLESS, read_line, time_of
from fixstream.producers.tail.log_events import LogOrigin, event_from_record, full_time
from fixstream.producers.tail.record_assembly import MAX_LINES, LogRecord, RecordAssembler
from fixstream.schemas.records import ErrorEvent
from fixstream.schemas.validation import validate

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ORIGIN = LogOrigin("shop", "test", "/var/log/shop.log", "key", UTC)

PYTHON = """Traceback (most recent call last):
  File "/srv/shop/pay.py", line 7, in pay
    charge(order)
  File "/srv/shop/bank.py", line 3, in charge
    raise KeyError(order)
KeyError: 'A-1'"""
CHAINED = f"""{PYTHON}

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/shop/web.py", line 9, in view
    pay(order)
shop.PaymentFailed: order A-1"""
JAVA = """java.lang.IllegalStateException: no seat
\tat com.shop.Seats.take(Seats.java:12)
\tat com.shop.Web.post(Web.java:30)
Caused by: java.sql.SQLException: locked
\tat org.db.Driver.run(Driver.java:99)
\t... 2 more"""
GO = """panic: runtime error: index out of range [3] with length 3

goroutine 1 [running]:
main.pick(...)
\t/srv/shop/main.go:12 +0x1d
main.main()
\t/srv/shop/main.go:7 +0x1d"""


def records(text: str) -> list[LogRecord]:
    assembler, found, offset = RecordAssembler(), [], 0
    for line in text.split("\n"):
        record = assembler.add(read_line(line), offset, offset + len(line) + 1)
        offset += len(line) + 1
        if record is not None:
            found.append(record)
    last = assembler.finish()
    return [*found, last] if last else found


def events(text: str) -> list[ErrorEvent]:
    found = [event_from_record(record, ORIGIN, NOW) for record in records(text)]
    for event in found:
        if event is not None:
            validate(event)
    return [event for event in found if event is not None]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("2026-11-22 12:00:00,123 ERROR [main] shop.Pay - refused", "error"),
        ("2026-11-22T12:00:00.123Z WARN slow", "warning"),
        ("[2026-11-22 12:00:00] ERROR in app: Exception on /pay", "error"),
        ("2026/11/22 12:00:00 [error] 31#31: *1 connect() failed", "error"),
        ("[Sun Nov 22 12:00:00.123456 2026] [core:error] [pid 1:tid 4] AH00124: x", "error"),
        ("[Sun Nov 22 12:00:00 2026] [error] [client 192.0.2.1] File does not exist", "error"),
        ("22-Nov-2026 12:00:00.123 SEVERE [main] org.apache.catalina.core.X boom", "error"),
        ("[22-Nov-2026 12:00:00 UTC] PHP Fatal error:  Allowed memory size exhausted", "critical"),
        ("[22-Nov-2026 12:00:00 Europe/Berlin] PHP Fatal error:  Allowed memory", "critical"),
        ("[2026-11-22 12:00:00 ERROR] boom", "error"),
        ("[22-Nov-2026 12:00:00 UTC] PHP Parse error:  unexpected token in /a.php", "error"),
        ("[22-Nov-2026 12:00:00 UTC] PHP Warning:  Undefined variable $x", "warning"),
        ('[22/Nov/2026 12:00:00] "GET /x HTTP/1.1" 200 145', None),
        ("11/22/2026 12:00:00 ERROR something", "error"),
        ("22.11.2026 12:00:00 ERROR something", "error"),
        ("12:00:00.123 [main] ERROR com.shop.Pay - refused", "error"),
        ("12:00:00,123 ERROR [org.jboss.as] (MSC 1) failed", "error"),
        ("[12:00:00 ERR] boom", "error"),
        ("[12:00:00 FTL] boom", "critical"),
        ("[12:00:00 INF] fine", "info"),
        ("12:00:00 is when the shop opens", None),
        ("[main] ERROR com.shop.Pay - refused", "error"),
        ("1234 [main] ERROR com.shop.Pay  - refused", "error"),
        ("[main] said ERROR", None),
        ("E, [2026-11-22T12:00:00.123456 #123] ERROR -- : boom", "error"),
        ("2026-11-22 12:00:00 [error    ] boom   order=17", "error"),
        ("\x1b[2m2026-11-22 12:00:00\x1b[0m [\x1b[31m\x1b[1merror    \x1b[0m] boom", "error"),
        ("\x1b[31mERROR\x1b[0m something broke", "error"),
        ("E20261122 12:00:00.123456 123 shop.cc:12] boom", "error"),
        ("2026-11-22T12:00:00.123456+00:00 host app[7]: ERROR boom", "error"),
        ("2026-11-22T12:00:00.123456+00:00 host kernel: fine", None),
        ("2026-11-22T12:00:00.123456Z ERROR shop::pay: boom", "error"),
        ("2026-11-22T12:00:00.123456Z main ERROR: boom", "error"),
        ("<11>Nov 22 12:00:00 app[7]: cannot open", "error"),
        ("<11>Nov 22 2026 12:00:00 host app[7]: cannot open", "error"),
        ('{"t":{"$date":"2026-11-22T12:00:00Z"},"s":"E","c":"NETWORK","msg":"x"}', "error"),
        ("2026-11-22 12:00:00.123 UTC [99] FATAL:  role does not exist", "critical"),
        ("2026-11-22 12:00:00 error something", "error"),
        ("2026-11-22 12:00:00 there was no error at all", None),
        ("2026-11-22 12:00:00 INFO handled ERROR page", "info"),
        ("ERROR:root:cannot", "error"),
        ("[CRITICAL] disk", "critical"),
        ("E1122 12:00:00.000000    1 controller.go:12] sync failed", "error"),
        ("ERRORS were found", None),
        ('level=error msg="cannot dial" addr=10.0.0.1:80', "error"),
        ('time="2026-11-22T12:00:00Z" level=warning msg=slow', "warning"),
        ('{"level":"ERROR","message":"x"}', "error"),
        ('{"severity":"Critical","msg":"x"}', "critical"),
        ('{"level":50,"msg":"x","time":1795348800000}', "error"),
        ("<11>1 2026-11-22T12:00:00Z host app 7 - - refused", "error"),
        ("<14>Nov 22 12:00:00 host app[7]: fine", "info"),
        ("Nov 22 12:00:00 host app[7]: ERROR refused", "error"),
        ("2026-11-22T12:00:00.000000000Z stderr F ERROR refused", "error"),
        (json.dumps({"log": "ERROR refused\n", "stream": "stderr", "time": "x"}), "error"),
        ("just words", None),
        ("", None),
    ],
)
def test_a_line_tells_its_level(line: str, level: str | None) -> None:
    assert read_line(line).level == level


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-22T12:00:00Z", NOW),
        ("2026-11-22 13:00:00,000 +0100", NOW),
        ("2026-11-22 12:00:00.000 UTC", NOW),
        ("2026/11/22 12:00:00", NOW.replace(tzinfo=None)),
        ("22/Nov/2026:13:00:00 +0100", NOW),
        ("22-Nov-2026 12:00:00 UTC", NOW),
        ("Nov 22 12:00:00", NOW.replace(year=YEARLESS, tzinfo=None)),
        ("Nov  2 2026 12:00:00", NOW.replace(day=2, tzinfo=None)),
        (NOW.timestamp(), NOW),
        (NOW.timestamp() * 1000, NOW),
        (NOW.timestamp() * 1e9, NOW),
        ("yesterday", None),
        (3.0, None),
        (True, None),
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_times_are_read_in_the_usual_forms(value: object, expected: datetime | None) -> None:
    assert time_of(value) == expected


@pytest.mark.parametrize(
    ("told", "seen", "expected"),
    [
        ("Nov 22 11:59:00", "2026-11-22", "2026-11-22"),
        ("Dec 31 23:59:00", "2026-01-01", "2025-12-31"),
        ("Jan  1 01:00:00", "2025-12-31", "2026-01-01"),  # a clock that is ahead
        ("Nov 23 13:00:00", "2026-11-22", "2025-11-23"),  # by more than a day: last year's
        ("Feb 29 10:00:00", "2026-03-01", "2024-02-29"),
        ("Feb 29 10:00:00", "2101-03-01", "2096-02-29"),
    ],
)
def test_the_year_of_syslog_is_the_nearest_that_is_not_ahead(
    told: str, seen: str, expected: str
) -> None:
    line = read_line(f"{told} web1 app[7]: ERROR refused")
    seen_at = datetime.fromisoformat(f"{seen}T12:00:00+00:00")

    found = full_time(line.time, seen_at, UTC)
    assert found is not None
    assert (found.date().isoformat(), f"{found:%H:%M:%S}") == (expected, told[-8:])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2026-11-22 13:00:00 ERROR refused", NOW),
        ("Nov 22 13:00:00 web1 app[7]: ERROR refused", NOW),
        # What names a zone is surer than what does not.
        ("2026-11-22T12:00:00Z stderr F 2026-11-22 14:00:00 ERROR x", NOW),
        ("Nov 22 09:00:00 web1 app[7]: 2026-11-22T12:00:00Z ERROR x", NOW),
        ("Nov 22 09:00:00 web1 app[7]: 2026-11-22 13:00:00 ERROR x", NOW),
        ("Nov 31 09:00:00 web1 app[7]: ERROR no such day", NOW.replace(day=23)),
    ],
)  # fmt: skip
def test_a_time_without_a_zone_is_the_machines_or_the_one_that_is_set(
    line: str, expected: datetime
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    (record,) = records(line + "\n")
    event = event_from_record(record, replace(ORIGIN, zone=berlin), NOW.replace(day=23))
    assert event is not None
    assert event.occurred_at == expected


@pytest.mark.parametrize("trace", [PYTHON, CHAINED, JAVA, GO], ids=["py", "chain", "java", "go"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda trace: trace,
        lambda trace: f"2026-11-22 12:00:00,000 ERROR shop - failed\n{trace}",
        lambda trace: "\n".join(f"2026-11-22T12:00:00.0Z stderr F {x}" for x in trace.split("\n")),
        lambda trace: "\n".join(
            json.dumps({"log": f"{x}\n", "stream": "stderr"}) for x in trace.split("\n")
        ),
        lambda trace: json.dumps({"level": "error", "msg": "failed", "exc_info": trace}),
        lambda trace: "\n".join(
            f"Nov 22 12:00:00 host app[7]: {x}" for x in ["ERROR failed", *trace.split("\n")]
        ),
    ],
    ids=["bare", "logged", "cri", "docker", "json", "syslog"],
)
def test_a_trace_over_many_lines_is_one_event(trace: str, wrap: object) -> None:
    assert callable(wrap)
    noise = "2026-11-22 12:00:01,000 INFO shop - fine"
    (event,) = events(f"{noise}\n{wrap(trace)}\n{noise}")

    assert event.stack_trace is not None
    assert event.stack_trace.rstrip().endswith(trace.rsplit("\n", 1)[-1])
    assert event.error_type is not None


def test_two_bare_traces_in_a_row_are_two_events() -> None:
    found = events(f"starting\n{PYTHON}\n{PYTHON}\nbye")

    assert [event.error_type for event in found] == ["KeyError", "KeyError"]
    assert len({event.event_id for event in found}) == 2


@pytest.mark.parametrize(
    "head",
    [
        "2026-11-22T12:00:00.123456+00:00 host app[7]: ",
        "2026-11-22T12:00:00.123456+00:00 host app: ",
        "2026-11-22T12:00:00+01:00 app[web.1]: ",
        "<30>Nov 22 12:00:00 host app[7]: ",  # As systemd forwards standard error.
        "Nov 22 12:00:00 app[7]: ",
    ],
)
def test_a_trace_that_syslog_cut_into_lines_is_one_event(head: str) -> None:
    (event,) = events("\n".join(head + line for line in [*PYTHON.split("\n"), "fine"]))
    assert (event.error_type, event.stack_trace) == ("KeyError", PYTHON)


@pytest.mark.parametrize(
    "line",
    [
        "[Sun Nov 22 12:00:00 2026] [error] x",
        "[Sun Nov 22 12:00:00.000000 2026] [core:error] x",
        "22-Nov-2026 12:00:00.000 SEVERE x",
        "[22-Nov-2026 12:00:00 UTC] PHP Fatal error:  x",
        "[22/Nov/2026 12:00:00] ERROR x",
        "2026-11-22T13:00:00.000000+01:00 host app[7]: ERROR x",
    ],
)
def test_the_time_of_a_line_is_that_of_its_event(line: str) -> None:
    (event,) = events(line)
    assert event.occurred_at == NOW


def test_a_message_of_several_lines_stays_whole() -> None:
    (event,) = events("2026-11-22 12:00:00 ERROR bad config:\nport: 99999\nhost: x\n")

    assert event.message == "2026-11-22 12:00:00 ERROR bad config:\nport: 99999\nhost: x"
    assert event.occurred_at == NOW


def test_a_line_that_docker_split_is_joined() -> None:
    head, rest = (
        "2026-11-22T12:00:00Z stderr P ERROR one ",
        "2026-11-22T12:00:00Z stderr F ERROR two",
    )
    (event,) = events(f"{head}\n{rest}")

    assert event.message == "ERROR one ERROR two"


def test_fields_of_a_structured_line_become_attributes() -> None:
    (event,) = events('{"level":"fatal","msg":"gone","user":"u7","n":3,"error":{"type":"OSError"}}')

    assert (event.message, event.error_type, event.severity_hint) == ("gone", "OSError", "critical")
    assert event.attributes["user"] == "u7"
    assert event.attributes["n"] == "3"


def test_what_is_no_error_is_no_event() -> None:
    assert events("2026-11-22 12:00:00 INFO all is well\nplain words\n" + "{broken json") == []


def test_a_record_that_never_ends_is_cut() -> None:
    text = "2026-11-22 12:00:00 ERROR flood\n" + "  more\n" * (MAX_LINES * 3)

    assert len(records(text)) >= 3


def test_the_same_record_has_the_same_id_and_no_other_has() -> None:
    first, again = events(PYTHON)[0], events(PYTHON)[0]
    moved = events(f"x\n{PYTHON}")[0]

    assert first.event_id == again.event_id != moved.event_id


@pytest.mark.parametrize("piece", ["(", "a.", "=", '"', "[", "<", "{", "\\", " ", "at ", "1"])
def test_a_megabyte_of_one_piece_is_read_at_once(piece: str) -> None:
    line = piece * (1_000_000 // len(piece))

    # Quadratic time would take minutes: the test runner's limit would end it.
    records(f"2026-11-22 12:00:00 ERROR x\n{line}\nTraceback\n{line}\n{line}")


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n"))))
def test_no_lines_break_the_reader_and_none_is_lost(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = records(text)

    assert sum(record.text.count("\n") + 1 for record in found) <= len(lines) + 1
    offsets = [record.first_byte for record in found]
    assert offsets == sorted(offsets)
    events(text)


@pytest.mark.parametrize("logger", ["com.shop.Pay", "c.s.Pay", "shop.pay.Error"])
def test_a_logger_is_not_taken_for_the_exception_below_its_line(logger: str) -> None:
    (event,) = events(f"2026-11-22 12:00:00,000 ERROR [main] {logger} - cannot seat 7\n{JAVA}\n")

    assert (event.error_type, event.message) == ("java.lang.IllegalStateException", "no seat")
    assert event.stack_trace == JAVA
    assert event.attributes["log.message"].endswith(f"{logger} - cannot seat 7")


def test_a_panic_by_a_signal_stays_whole() -> None:
    told = "panic: runtime error: invalid memory address or nil pointer dereference\n"
    (event,) = events(
        f"{told}[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47]\n\n"
        "goroutine 1 [running]:\nmain.main()\n\t/srv/shop/main.go:7 +0x1d\n"
    )

    assert (event.error_type, event.message) == ("panic", told[7:-1])


def test_dotnets_console_tells_a_level_before_each_category() -> None:
    found = events(
        "info: Shop.Program[0]\n      Now listening\nfail: Shop.Pay[13]\n      The bank refused\n"
        "crit: Shop.Pay[-1]\n      No bank at all\nwarn: Shop.Pay[0]\n      hm\n"
    )

    assert [event.message.split()[-1] for event in found] == ["refused", "all"]
    assert [event.severity_hint for event in found] == [None, "critical"]


@pytest.mark.parametrize("message", ["refused", list(b"refused"), [114, 101, 102, 999]])
def test_what_journald_exports_has_its_time_and_its_bytes(message: object) -> None:
    stamp = str(int(NOW.timestamp() * 1e6))
    line = json.dumps({"PRIORITY": "3", "MESSAGE": message, "__REALTIME_TIMESTAMP": stamp})
    found = read_line(line)

    assert (found.level, found.time) == ("error", NOW)
    assert found.text == (line if message == [114, 101, 102, 999] else "refused")
