"""What the documents say is true: code runs, commands, settings, targets and links exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

import fixstream.producers
from fixstream.cli.main import app as cli
from fixstream.inference.starter import starter_solutions
from fixstream.producers import MemorySink
from fixstream.runtime.kafka import RecordPublisher, make_producer
from fixstream.schemas.codec import Codec
from fixstream.schemas.records import SuggestedFix
from fixstream.schemas.topics import FIXES_SUGGESTED
from support.kafka import Kafka
from support.records import SUGGESTION
from support.settings_names import default_of, known_variables

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=str)
BLOCKS = {
    match[1]: match[2]
    for match in re.finditer(r"<!-- readme: (\w+) -->\n```python\n(.*?)```", README, re.DOTALL)
}
READ_TIMEOUT_S = 60.0


def test_every_python_block_is_named_and_compiles() -> None:
    assert len(BLOCKS) == README.count("```python\n")
    for name, code in BLOCKS.items():
        compile(code, f"README.md:{name}", "exec")


async def test_the_middleware_block_captures_what_a_request_raises() -> None:
    sink = MemorySink()
    fixstream.producers.init(service="orders", sink=sink, hooks=False, logging=False)
    try:
        scope: dict[str, Any] = {}
        exec(BLOCKS["middleware"], scope)  # noqa: S102 - our own README

        async def fail() -> None:
            raise KeyError("basket")

        scope["app"].add_api_route("/", fail)
        transport = httpx.ASGITransport(scope["app"], raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://orders") as client:
            assert (await client.get("/")).status_code == httpx.codes.INTERNAL_SERVER_ERROR
    finally:
        fixstream.producers.shut_down()
    (event,) = sink.events
    assert (event.service, event.error_type) == ("orders", "KeyError")


def test_the_middleware_block_needs_five_lines() -> None:
    assert len([line for line in BLOCKS["middleware"].splitlines() if line.strip()]) <= 5


@pytest.mark.kafka
@pytest.mark.parametrize("block", ["subscriber", "subscribe"])
def test_a_subscriber_receives_a_fix_from_a_real_broker(block: str, kafka_topics: Kafka) -> None:
    topic = kafka_topics.settings.topic(FIXES_SUGGESTED)
    ignored = replace(SUGGESTION, event_id="low", service="orders")
    low = replace(ignored.severity, value="low")
    wanted = replace(
        SUGGESTION,
        event_id="high",
        service="orders",
        severity=replace(SUGGESTION.severity, value="high"),
    )
    code = (
        BLOCKS[block]
        .replace("localhost:9092", kafka_topics.bootstrap_servers)
        .replace("fixstream.fixes.suggested.v1", topic)
        .replace('group_id="my-subscriber"', 'group_id="my-subscriber", from_beginning=True')
        .replace('"group.id": "my-subscriber"', f'"group.id": "{kafka_topics.group("mine")}"')
    )
    publish(kafka_topics, topic, [replace(ignored, severity=low), wanted])
    with running(code, kafka_topics) as lines:
        received = [next(lines)] if block == "subscriber" else [next(lines), next(lines)]
    assert "high" in received[-1]
    assert wanted.fixes[0].title in received[-1]
    if block == "subscriber":
        assert json.loads(received[0])["service"] == "orders"


def publish(kafka: Kafka, topic: str, fixes: list[SuggestedFix]) -> None:
    publisher = RecordPublisher(make_producer(kafka.settings), Codec(), ce_source="tests")
    for fix in fixes:
        publisher.publish(topic, "one", fix)
    publisher.flush(READ_TIMEOUT_S)


@contextmanager
def running(code: str, kafka: Kafka) -> Iterator[Iterator[str]]:
    """The lines that a script prints; it is ended with the block, or after a minute."""
    process = subprocess.Popen(
        ["timeout", str(READ_TIMEOUT_S), sys.executable, "-u", "-c", code],
        cwd=ROOT,
        env={**os.environ, **kafka.environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        try:
            yield iter(process.stdout)
        finally:
            process.terminate()


def shell_lines() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line.split("#")[0].strip() for line in joined.splitlines() if line.strip()]


def test_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands: Any = typer.main.get_command(cli)
    checked = 0
    for line in shell_lines():
        words = line.split()
        if words[0] == "make":
            assert words[1] in targets, line
            checked += 1
        elif words[0].endswith("bin/fixstream"):
            assert words[1] in commands.commands, line
            checked += 1
    assert checked >= 7
    for name in re.findall(r"`fixstream ([a-z]+)", "\n".join(_texts())):
        assert name in commands.commands, name


def test_settings_exist_with_their_defaults() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| ", README, re.MULTILINE)
    assert len(rows) > 15
    for variable, default in rows:
        actual = default_of(variable)
        if default.startswith("`<"):
            assert actual is None, variable
        else:
            assert default == ("none" if actual is None else f"`{actual}`"), variable


def test_no_document_names_a_setting_that_is_not_there() -> None:
    named = set(re.findall(r"\bFIXSTREAM_[A-Z_]+[A-Z]\b", "\n".join(_texts())))
    assert named
    # What tests read, and a part's prefix where a document speaks of all its settings.
    assert {n for n in named if not n.startswith("FIXSTREAM_TEST_")} <= known_variables()


def test_the_number_of_starter_fixes_is_right() -> None:
    (number,) = re.findall(r"(\d+) that ship with it", README)
    assert int(number) == len(starter_solutions())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_files_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith(("http://", "https://")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_decisions_are_numbered_without_gaps_and_have_their_sections() -> None:
    decisions = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    assert [path.name[:4] for path in decisions] == [
        f"{number:04}" for number in range(1, len(decisions) + 1)
    ]
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(path.name[:4])}. "), path.name
        for section in ("## Context", "## Decision", "## Consequences"):
            assert section in text, f"{path.name}: {section}"


def _texts() -> list[str]:
    return [document.read_text(encoding="utf-8") for document in DOCUMENTS]
