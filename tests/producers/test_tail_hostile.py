"""Logs as they are in the wild: mixed streams, odd files, every language's traces, every logger."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixstream.producers.publishing import Publisher
from fixstream.producers.tail.following import open_log
from fixstream.producers.tail.line_formats import read_line
from fixstream.producers.tail.log_events import LogOrigin, event_from_record
from fixstream.producers.tail.matching import PathPatterns
from fixstream.producers.tail.record_assembly import LogRecord, StreamAssembler
from fixstream.producers.tail.service import Tail, TailConfig
from fixstream.runtime.clock import SettableClock
from fixstream.schemas.errors import Misconfigured
from fixstream.schemas.records import ErrorEvent, Record
from fixstream.schemas.validation import validate

NOW = SettableClock().now()
ORIGIN = LogOrigin("shop", "test", "/var/log/shop.log", "key")


class Collector:
    """Keeps what was published."""

    def __init__(self) -> None:
        self.events: list[ErrorEvent] = []

    def publish(self, topic: str, key: str, record: Record) -> None:
        assert isinstance(record, ErrorEvent)
        self.events.append(record)

    def flush(self, timeout_s: float) -> None:
        """Everything is there already."""

    @property
    def messages(self) -> list[str]:
        return [event.message for event in self.events]


class Follower:
    """A tail that tests move by hand."""

    def __init__(self, folder: Path, *paths: Path, **changes: Any) -> None:
        self.collector = Collector()
        self.clock = SettableClock()
        config = TailConfig(paths=paths, positions=folder / "state" / "positions.json")
        self.config = replace(config, **changes)
        self.tail = self._started()

    def _started(self) -> Tail:
        publisher: Publisher = self.collector
        tail = Tail(self.config, publisher, "raw", scrub=lambda event: event, clock=self.clock)
        tail.open()
        return tail

    def restart(self) -> None:
        self.tail.close()
        self.tail = self._started()

    def poll(self, pause_s: float = 2.0, times: int = 4) -> list[str]:
        for _ in range(times):
            self.tail.poll()
            self.clock.advance(pause_s)
        return self.collector.messages

    def end(self) -> None:
        self.tail.close()


def error(text: str) -> str:
    return f"2026-11-22 12:00:00 ERROR {text}\n"


def append(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def test_the_last_line_counts_without_its_end_when_nothing_follows(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    append(log, error("one") + error("two").rstrip("\n"))
    follower = Follower(tmp_path, log)
    follower.tail.poll(is_last=True)
    assert [text[-3:] for text in follower.collector.messages] == ["one", "two"]
    follower.restart()
    follower.tail.poll(is_last=True)
    follower.end()

    assert len(follower.collector.events) == 2


def test_a_line_that_nobody_goes_on_with_is_whole_after_a_while(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    append(log, "panic: lost")
    follower = Follower(tmp_path, log)
    assert follower.poll() == []
    append(log, " its way")
    assert follower.poll(pause_s=5.0) == [], "it still grew"
    append(log, ", 2026-11-22 12:00:00 ERROR")
    follower.poll(pause_s=16.0)
    append(log, "\n" + error("next"))
    follower.poll()
    follower.end()

    assert follower.collector.messages[-1].endswith("ERROR next")


def test_copytruncate_under_way_loses_nothing(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    append(log, error("first"))
    follower = Follower(tmp_path, log)
    follower.poll()
    append(log, error("second") + "  and its rest\n" + error("third"))
    shutil.copy(log, tmp_path / "shop.log.1")
    os.truncate(log, 0)
    append(log, error("fourth"))
    found = follower.poll(times=8)
    follower.end()

    assert [text.split(" ERROR ")[1] for text in found] == [
        "first",
        "second\n  and its rest",
        "third",
        "fourth",
    ]


def test_a_hole_that_truncation_left_is_no_text(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    append(log, error("first"))
    follower = Follower(tmp_path, log)
    follower.poll()
    log.write_bytes(b"\0" * 5000 + error("second").encode())
    found = follower.poll()
    follower.end()

    assert [text.rpartition(" ")[2] for text in found] == ["first", "second"]
    assert "\0" not in repr(follower.collector.events)


def test_bytes_that_are_no_utf8_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    append(log, b"\xef\xbb\xbf" + error("first").encode())
    append(log, b"2026-11-22 12:00:00 ERROR caf\xe9 \xff\xfe closed\r\n")
    follower = Follower(tmp_path, log)
    found = follower.poll()
    follower.end()

    assert found[0].endswith("ERROR first")
    assert found[1].endswith(" closed")
    for event in follower.collector.events:
        validate(event)


@pytest.mark.parametrize(
    ("name", "told"),
    [("none.log", "No such file"), ("none*.log", "No such file"), ("old.log.gz", "compressed")],
)
def test_a_path_that_can_give_nothing_is_told(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        PathPatterns((tmp_path / name,)).require_usable(must_exist=True)
    with pytest.raises(Misconfigured, match="directory"):
        PathPatterns((tmp_path,)).require_usable(must_exist=False)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Misconfigured, match="no plain file"):
        open_log(tmp_path / "pipe", None)


def test_whoever_follows_waits_for_a_file_to_come(tmp_path: Path) -> None:
    PathPatterns((tmp_path / "none.log", tmp_path / "*.gz")).require_usable(must_exist=False)
    (tmp_path / "shop.log").touch()
    PathPatterns((tmp_path / "shop.log", tmp_path / "s*.log")).require_usable(must_exist=True)


def test_a_glob_finds_files_that_come_later_and_no_others(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    append(logs / "a.log", error("in a"))
    append(logs / "a.log.1", error("rotated before"))
    append(logs / "a.log.2.gz", b"\x1f\x8b" + error("compressed").encode())
    (logs / "folder.log").mkdir()
    follower = Follower(tmp_path, logs / "*.log*")
    assert len(follower.poll()) == 1

    append(logs / "b.log", error("in b"))
    (logs / "a.log").rename(logs / "a.log.1")
    append(logs / "a.log", error("in a again"))
    found = follower.poll(times=8)
    follower.restart()
    follower.poll()
    follower.end()

    assert sorted(text.partition(" ERROR ")[2] for text in found) == ["in a", "in a again", "in b"]
    assert len(follower.collector.events) == 3, "a restart repeats nothing"
    assert {event.service for event in follower.collector.events} == {"a", "b"}


def test_a_link_is_followed_to_what_it_names_and_beyond(tmp_path: Path) -> None:
    pods, links = tmp_path / "pods", tmp_path / "containers"
    pods.mkdir()
    links.mkdir()
    append(pods / "0.log", error("first"))
    (links / "shop.log").symlink_to(pods / "0.log")
    follower = Follower(tmp_path, links / "shop.log")
    follower.poll()
    append(pods / "0.log", error("second"))
    (pods / "0.log").rename(pods / "0.log.20261122-120000")
    append(pods / "0.log", error("third"))
    follower.restart()
    found = follower.poll(times=8)
    follower.end()

    assert [text.rpartition(" ")[2] for text in found] == ["first", "second", "third"]


def cri(stream: str, text: str, tag: str = "F") -> str:
    return f"2026-11-22T12:00:00.0Z {stream} {tag} {text}\n"


def test_two_streams_of_one_container_are_not_mixed_up(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    lines = PYTHON.split("\n")
    for number, line in enumerate(lines):
        append(log, cri("stderr", line) + cri("stdout", f"INFO request {number}"))
    append(log, cri("stdout", "ERROR one ", "P") + cri("stderr", "noise") + cri("stdout", "two"))
    follower = Follower(tmp_path, log)
    found = follower.poll()
    follower.end()

    assert sorted(found) == ["'A-1'", "ERROR one two"]
    trace = next(event for event in follower.collector.events if event.stack_trace)
    assert trace.stack_trace == PYTHON


def test_a_restart_between_two_streams_repeats_nothing(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    follower = Follower(tmp_path, log)
    lines = PYTHON.split("\n")
    for number, line in enumerate(lines):
        append(log, cri("stderr", line) + cri("stdout", f"ERROR number {number}"))
        follower.tail.poll()
        follower.restart()
    found = follower.poll()
    follower.end()

    numbers = [f"ERROR number {number}" for number in range(len(lines))]
    assert sorted(found) == ["'A-1'", *numbers]
    assert len({event.event_id for event in follower.collector.events}) == len(found)


PYTHON = """Traceback (most recent call last):
  File "/srv/shop/pay.py", line 7, in pay
    charge(order)
  File "/srv/shop/bank.py", line 3, in charge
    raise KeyError(order)
KeyError: 'A-1'"""
TRACES = {
    "python": PYTHON,
    "java": """java.lang.IllegalStateException: no seat
\tat com.shop.Seats.take(Seats.java:12)
\tat com.shop.Web.post(Web.java:30)
Caused by: java.sql.SQLException: locked
\tat org.db.Driver.run(Driver.java:99)
\t... 2 more""",
    "go": """panic: runtime error: index out of range [3] with length 3

goroutine 1 [running]:
main.pick(...)
\t/srv/shop/main.go:12 +0x1d
main.main()
\t/srv/shop/main.go:7 +0x1d
exit status 2""",
    "rust": """thread 'main' panicked at src/pay.rs:14:9:
index out of bounds: the len is 3 but the index is 7
stack backtrace:
   0: rust_begin_unwind
             at /rustc/abc/library/std/src/panicking.rs:645:5
   1: shop::pay::charge
             at ./src/pay.rs:14:9
   2: shop::main
             at ./src/main.rs:6:5""",
    "javascript": """TypeError: Cannot read properties of undefined (reading 'price')
    at priceOf (/srv/shop/src/orders.js:12:21)
    at async handle (/srv/shop/src/web.js:40:5)""",
    "csharp": """System.InvalidOperationException: Sequence contains no elements
   at System.Linq.ThrowHelper.ThrowNoElementsException()
   at Shop.Orders.First(List`1 orders) in /srv/shop/Orders.cs:line 21
   at Shop.Program.Main(String[] args) in /srv/shop/Program.cs:line 7""",
    "php": """PHP Fatal error:  Uncaught RuntimeException: no such order in /srv/shop/orders.php:12
Stack trace:
#0 /srv/shop/web.php(30): Orders->find(7)
#1 {main}
  thrown in /srv/shop/orders.php on line 12""",
    "ruby": """/srv/shop/orders.rb:12:in `price': undefined method `amount' for nil (NoMethodError)
\tfrom /srv/shop/orders.rb:30:in `total'
\tfrom /srv/shop/web.rb:7:in `<main>'""",
    "dart": """Unhandled exception:
FormatException: Unexpected character (at character 1)
#0      int.parse (dart:core-patch/integers_patch.dart:53:7)
#1      price (package:shop/orders.dart:12:10)
#2      main (package:shop/main.dart:5:3)""",
}


def read(text: str) -> list[ErrorEvent]:
    assembler = StreamAssembler()
    found: list[LogRecord] = []
    offset = 0
    for line in text.split("\n"):
        size = len(line.encode()) + 1
        found += assembler.add(read_line(line), offset, offset + size)
        offset += size
    found += assembler.finish()
    events = [event_from_record(record, ORIGIN, NOW) for record in found]
    for event in events:
        if event is not None:
            validate(event)
    return [event for event in events if event is not None]


def bare(trace: str) -> str:
    return f"starting up\n{trace}\nready again"


def logged(trace: str) -> str:
    noise = "2026-11-22 12:00:01,000 INFO shop - all well"
    return f"{noise}\n2026-11-22 12:00:00,000 ERROR shop - failed\n{trace}\n{noise}"


def between_syslog(trace: str) -> str:
    mine, other = "Nov 22 12:00:00 host shop[7]: ", "Nov 22 12:00:00 host cron[8]: job done"
    lines = [f"{mine}{line}\n{other}" for line in trace.split("\n")]
    return "\n".join([f"{mine}INFO all well", *lines, f"{mine}INFO all well"])


def between_compose(trace: str) -> str:
    lines = [f"shop-1  | {line}\ndb-1    | checkpoint" for line in trace.split("\n")]
    return "\n".join([*lines, "shop-1  | INFO all well"])


def docker(trace: str) -> str:
    def line(text: str, stream: str) -> str:
        return json.dumps({"log": f"{text}\n", "stream": stream, "time": "2026-11-22T12:00:00Z"})

    lines = [f"{line(x, 'stderr')}\n{line('INFO all well', 'stdout')}" for x in trace.split("\n")]
    return "\n".join(lines)


@pytest.mark.parametrize("wrap", [bare, logged, between_syslog, between_compose, docker])
@pytest.mark.parametrize("language", sorted(TRACES))
def test_a_trace_of_any_language_is_one_event(language: str, wrap: Any) -> None:
    trace = TRACES[language]
    (event,) = read(wrap(trace))

    assert event.language == language
    assert event.error_type
    last = trace.rsplit("\n", 1)[-1].strip()
    assert last in (event.stack_trace or "") or last == "exit status 2"
    assert "all well" not in (event.stack_trace or "")
    assert "ready again" not in (event.stack_trace or "")


STACK = PYTHON
LOGGERS: dict[str, dict[str, Any]] = {
    "ecs": {
        "@timestamp": "2026-11-22T12:00:00Z",
        "log.level": "error",
        "message": "refused",
        "error.type": "KeyError",
        "error.stack_trace": STACK,
    },
    "ecs nested": {
        "@timestamp": "2026-11-22T12:00:00Z",
        "log": {"level": "ERROR", "logger": "shop"},
        "message": "refused",
        "error": {"type": "KeyError", "message": "'A-1'", "stack_trace": STACK},
    },
    "gcp": {
        "severity": "ERROR",
        "timestamp": "2026-11-22T12:00:00Z",
        "message": "refused",
        "stack_trace": STACK,
    },
    "gcp payload": {
        "severity": "CRITICAL",
        "jsonPayload": {"message": "refused", "stack_trace": STACK},
    },
    "pino": {
        "level": 50,
        "time": 1795348800000,
        "msg": "refused",
        "err": {"type": "KeyError", "message": "'A-1'", "stack": STACK},
    },
    "bunyan": {"level": 60, "msg": "refused", "err": {"name": "KeyError", "stack": STACK}, "v": 0},
    "winston": {"level": "error", "message": "refused", "stack": STACK},
    "structlog": {"event": "refused", "level": "error", "exception": STACK},
    "structlog dicts": {
        "event": "refused",
        "level": "error",
        "exception": [
            {
                "exc_type": "KeyError",
                "exc_value": "'A-1'",
                "frames": [{"filename": "/srv/shop/pay.py", "lineno": 7, "name": "pay"}],
            }
        ],
    },
    "python json": {"levelname": "ERROR", "message": "refused", "exc_info": STACK},
    "zap": {"level": "error", "ts": 1795348800.5, "msg": "refused", "stacktrace": STACK},
    "logrus": {"level": "error", "time": "2026-11-22T12:00:00Z", "msg": "refused", "error": STACK},
    "log4j": {
        "level": "ERROR",
        "instant": {"epochSecond": 1795348800, "nanoOfSecond": 1},
        "message": "refused",
        "thrown": {"name": "KeyError", "message": "'A-1'", "extendedStackTrace": STACK},
    },
    "log4j template": {
        "level": "ERROR",
        "message": "refused",
        "exception": {"exception_class": "KeyError", "stacktrace": STACK},
    },
    "logback": {"level": "ERROR", "message": "refused", "stack_trace": STACK},
    "serilog": {"@t": "2026-11-22T12:00:00Z", "@m": "refused", "@l": "Error", "@x": STACK},
    "dotnet": {"LogLevel": "Error", "Message": "refused", "Exception": STACK},
    "monolog": {
        "level": 400,
        "level_name": "ERROR",
        "message": "refused",
        "context": {"exception": {"class": "KeyError", "trace": STACK.split("\n")}},
    },
    "gelf": {"version": "1.1", "level": 3, "short_message": "refused", "full_message": STACK},
    "journald": {"MESSAGE": f"refused\n{STACK}", "PRIORITY": "3"},
    "rust tracing": {"level": "ERROR", "fields": {"message": "refused", "stack": STACK}},
}


@pytest.mark.parametrize("logger", sorted(LOGGERS))
def test_the_common_loggers_fields_are_known(logger: str) -> None:
    (event,) = read(json.dumps(LOGGERS[logger]))

    assert read_line(json.dumps(LOGGERS[logger])).level in {"error", "critical"}
    assert "pay.py" in (event.stack_trace or "")
    assert event.error_type == "KeyError"
    assert read_line(json.dumps(LOGGERS[logger])).text.startswith("refused")


def test_words_in_fields_that_others_use_for_traces_are_no_trace() -> None:
    (event,) = read(
        '{"level":"error","msg":"refused","exception":"none to speak of","error":"E17"}'
    )

    assert event.stack_trace is None
    assert event.message == "refused"
    assert event.attributes["error.message"] == "E17"


@pytest.mark.parametrize(
    "line",
    [
        '{"level":"error","msg":' + '{"a":' * 500 + "1" + "}" * 501,
        '{"level":1e999,"msg":"x"}',
        '{"level":"error","time":1e300,"msg":"x"}',
        '{"level":[1],"msg":["x",null],"exception":[{}]}',
        '{"' + "k" * 100_000 + '":1}',
        json.dumps({f"k{n}": n for n in range(5000)} | {"level": "error", "msg": "x"}),
    ],
    ids=range(6),
)
def test_odd_json_is_read_without_harm(line: str) -> None:
    read(line)


def test_the_stream_names_are_bounded() -> None:
    lines = [f"Nov 22 12:00:00 host app[{number}]: ERROR number {number}" for number in range(500)]

    assert len(read("\n".join(lines))) == 500
