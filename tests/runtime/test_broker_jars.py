"""Kafka's jars: what was pinned or nothing, and no network once they are there."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixstream.runtime.broker_jars import JarCache, pinned_jars
from fixstream.schemas.errors import StartFailed

NOWHERE = "http://127.0.0.1:1/maven2"


class _Wrong(http.server.BaseHTTPRequestHandler):
    """Answers every request with bytes that nobody pinned, and with their right checksum."""

    def do_GET(self) -> None:
        is_checksum = self.path.endswith(".sha1")
        # The sha1 of b"altered".
        body = b"e5c6d4e59cdb3ea6de0d8e6d7ba22ac9a4a64b07" if is_checksum else b"altered"
        self.send_response(404 if is_checksum else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@dataclass
class Repository:
    url: str


@pytest.fixture
def altered_repository() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Wrong) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/maven2"
        server.shutdown()
        thread.join()


def test_every_jar_is_pinned_once_with_a_hash() -> None:
    jars = pinned_jars()
    assert any(jar.artifact == "kafka_2.13" and jar.version == "4.2.0" for jar in jars)
    assert len({jar.filename for jar in jars}) == len(jars)
    assert {len(jar.sha256) for jar in jars} == {64}


def test_a_repository_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    cache = JarCache(tmp_path, repository_url=NOWHERE)
    with pytest.raises(StartFailed, match=r"^cannot download .*\.jar") as failure:
        cache.ensure()
    assert "\n" not in str(failure.value)
    assert not cache.jar_folder.exists()


def test_bytes_that_were_not_pinned_are_refused(tmp_path: Path, altered_repository: str) -> None:
    cache = JarCache(tmp_path, repository_url=altered_repository)
    with pytest.raises(StartFailed, match="is not the pinned one"):
        cache.ensure()
    assert not cache.jar_folder.exists()
    assert not list(tmp_path.glob("incoming/*.jar"))


def test_jars_that_are_there_need_no_network(tmp_path: Path) -> None:
    cache = JarCache(tmp_path, repository_url=NOWHERE)
    cache.jar_folder.mkdir(parents=True)
    assert cache.ensure() == cache.jar_folder
