"""Commands on texts and contracts, without a broker."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from fixstream.cli.main import app
from fixstream.cli.texts import scrubbed_lines
from fixstream.schemas.errors import FixstreamError

COMMAND = [sys.executable, "-m", "fixstream.cli"]


def test_texts_are_scrubbed_and_ids_kept() -> None:
    lines = [b'{"id": 7, "text": "secret", "other": "secret"}\n', b"\n", b'{"text": ""}']
    assert [json.loads(line) for line in scrubbed_lines(lines, lambda text: text[:1])] == [
        {"id": 7, "text": "s"},
        {"id": None, "text": ""},
    ]


@pytest.mark.parametrize("line", [b"secret", b"[]", b'{"id": 1}', b'{"text": 5}', b"[" * 100_000])
def test_other_lines_are_refused_by_number_and_not_repeated(line: bytes) -> None:
    with pytest.raises(FixstreamError, match=r"^line 1") as caught:
        list(scrubbed_lines([line], str))
    assert "secret" not in str(caught.value)


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], input=stdin, capture_output=True, check=False)


def test_scrub_as_a_command() -> None:
    mail = "jane" + "@" + "example.org"
    ran = run("scrub", stdin=json.dumps({"id": "a", "text": f"mail {mail}"}).encode())
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"id": "a", "text": "mail [email]"}


def test_mistake_ends_in_one_line_and_a_status() -> None:
    ran = run("scrub", stdin=b"nonsense\n")
    assert ran.returncode == 1
    assert ran.stderr.decode().strip() == 'fixstream: line 1 is no JSON object with "text"'
    ran = run("dlq", "list", "--class", "odd")
    assert ran.returncode == 2
    assert ran.stderr.decode().strip().startswith("fixstream: --class takes one of undecodable")


def test_shipped_schemas_read_each_other() -> None:
    ran = run("schemas", "check")
    assert ran.returncode == 0, ran.stderr


SERVICES = ("demo", "up", "broker", "stream", "train", "serve", "audit", "doctor")
FILTERS = ("emit", "tail", "scrub", "schemas check")
SUBCOMMANDS = ("topics apply", "solutions import", "dlq list", "dlq show", "dlq replay")


@pytest.mark.parametrize("command", [*SERVICES, *FILTERS, *SUBCOMMANDS])
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output
