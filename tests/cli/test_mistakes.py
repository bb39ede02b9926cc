"""A mistake ends in one clear line on standard error and a status that is not 0."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fixstream.cli import dead_letters
from fixstream.cli.main import app
from fixstream.runtime import logs
from fixstream.runtime.settings import KafkaSettings
from fixstream.runtime.topics_admin import apply_topics
from fixstream.streams import replay, service
from fixstream.streams.replay import StoredDeadLetter
from fixstream.streams.settings import StreamsSettings
from support.kafka import Kafka
from support.streams import LETTER

COMMAND = [sys.executable, "-m", "fixstream.cli"]
NOWHERE = {"FIXSTREAM_BOOTSTRAP_SERVERS": "127.0.0.1:1"}


def mistake(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """The one line that a command ends with."""
    ran = subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, **NOWHERE, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode in (1, 2)
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert line.startswith("fixstream: ")
    return line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "nonsense"),
        (["emit"], "Missing argument"),
        (["emit", "x.jsonl", "--rate", "fast"], "--rate"),
        (["emit", "no-such-file.jsonl"], "no-such-file.jsonl: No such file"),
        (["solutions", "import", "no-such-file.jsonl"], "no-such-file.jsonl: No such file"),
        (["up", "--port", "70000"], "--port"),
        (["up", "--kafka-port", "-1"], "--kafka-port"),
        (["broker", "--port", "70000"], "--port"),
        (["stream", "--workers", "0"], "--workers"),
        (["tail", "--once", "no-such-file.log"], "no-such-file.log: No such file"),
    ],
)
def test_what_was_typed_wrong(arguments: list[str], told: str) -> None:
    assert told in mistake(*arguments)


@pytest.mark.parametrize(
    ("variable", "arguments"),
    [
        ("FIXSTREAM_LOG_LEVEL", ["schemas", "check"]),
        ("FIXSTREAM_BROKER_HEAP_MB", ["broker"]),
        ("FIXSTREAM_BROKER_PORT", ["broker"]),
        ("FIXSTREAM_INFERENCE_PORT", ["up"]),
    ],
)
def test_what_was_set_wrong(variable: str, arguments: list[str]) -> None:
    assert variable in mistake(*arguments, environment={variable: "wrong"})


@pytest.mark.slow
def test_no_kafka_is_told_soon_and_not_in_the_words_of_a_library(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_text('{"event_id": "a", "service": "s", "message": "m"}\n', encoding="utf-8")
    commands = (["emit", str(file)], ["solutions", "import", str(file)], ["dlq", "list"], ["audit"])
    # At the same time: each waits its ten seconds for an answer.
    with ThreadPoolExecutor(len(commands)) as pool:
        lines = list(pool.map(lambda command: mistake(*command), commands))
    for line in lines:
        assert "no Kafka answered at 127.0.0.1:1" in line


@pytest.mark.kafka
def test_a_wrong_setting_of_the_topics_is_told_in_one_line(kafka_session: str) -> None:
    environment = {
        "FIXSTREAM_BOOTSTRAP_SERVERS": kafka_session,
        "FIXSTREAM_TOPICS_PARTITIONS": "many",
    }
    line = mistake("topics", "apply", environment=environment)
    assert "FIXSTREAM_TOPICS_PARTITIONS" in line


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("typer", ["--help"], "cli"),
        ("torch", ["train"], "trainer"),
        ("aiohttp", ["crawl", "hackernews", "--once"], "crawlers"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(
    module: str, arguments: list[str], extra: str
) -> None:
    # As where it is not installed: None in the table of modules makes an import raise.
    without = f"import sys; sys.modules[{module!r}] = None; sys.argv[1:] = {arguments!r};"
    ran = subprocess.run(
        [sys.executable, "-c", f"{without} from fixstream.cli.__main__ import main; main()"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode in (1, 2)
    (line,) = ran.stderr.splitlines()
    assert line == (
        f"fixstream: this needs {module}, which is not installed: pip install 'fixstream[{extra}]'"
    )


def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [*COMMAND, "scrub"],
            input=b'{"id": 1, "text": "x"}\n',
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert ran.returncode == 1
    (line,) = ran.stderr.decode().splitlines()
    assert line.startswith("fixstream: ")
    assert "No space left" in line


def test_dead_letters_that_are_not_listed_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = [replace(LETTER, offset=offset) for offset in range(3)]

    def list_some(_kafka: object, _wanted: object, limit: int) -> Iterator[StoredDeadLetter]:
        return iter(letters[:limit])

    monkeypatch.setattr(dead_letters, "reachable_kafka", KafkaSettings)
    monkeypatch.setattr(replay, "list_dead_letters", list_some)
    two, three = (CliRunner().invoke(app, ["dlq", "list", "--limit", n]) for n in ("2", "3"))
    assert (two.stdout.count("invalid"), "more than 2" in two.stderr) == (2, True)
    assert (three.stdout.count("invalid"), three.stderr) == (3, "")


@pytest.mark.kafka
def test_a_dead_letter_that_is_not_there_is_told_in_one_line(kafka: Kafka) -> None:
    apply_topics(kafka.settings).require()
    for partition in ("0", "999"):
        line = mistake("dlq", "show", partition, "0", environment=kafka.environment)
        assert line == f"fixstream: no dead letter at partition {partition}, offset 0"


def test_the_number_of_workers_that_was_typed_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    ran_with: list[StreamsSettings] = []
    monkeypatch.setattr(service, "run", lambda settings, _kafka: ran_with.append(settings))
    monkeypatch.setattr(logs, "configure_logging", lambda *_: None)
    monkeypatch.setenv("FIXSTREAM_STREAMS_WORKERS", "3")
    for arguments in (["stream"], ["stream", "--workers", "2"]):
        assert CliRunner().invoke(app, arguments).exit_code == 0
    assert [settings.workers for settings in ran_with] == [3, 2]


def test_without_a_command_the_help_is_all() -> None:
    ran = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    assert "Usage" in ran.stdout
    assert ran.stderr == ""


def test_the_version_can_be_asked_for() -> None:
    shown = CliRunner().invoke(app, ["--version"])
    assert shown.exit_code == 0
    assert shown.output.startswith("fixstream ")


def test_taken_rest_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = mistake("up", "--port", str(port), "--data", str(tmp_path / "data"))
    assert f"port {port} for REST is taken" in line
    assert not (tmp_path / "data").exists()
