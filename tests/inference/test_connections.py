"""Real sockets: slow and many clients, HTTPS, and the end of the service."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import resource
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fixstream.inference import metrics
from fixstream.inference.api import PREFIX
from fixstream.inference.connections import allow_open_files
from fixstream.inference.service import listening, serve, server_config
from fixstream.inference.settings import InferenceSettings
from fixstream.runtime.stopping import StopSignal
from fixstream.schemas.errors import Misconfigured
from support.deadlines import eventually
from support.inference import FakeModel, Service, service

ERROR = {"error_message": "database is locked"}
MANY = 10_000
OTHER_FILES = 500


@dataclass(frozen=True)
class Served:
    """A service behind uvicorn as `serve` runs it."""

    port: int
    running: Service
    stop: StopSignal
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@contextmanager
def served(**settings: object) -> Iterator[Served]:
    stop = StopSignal()
    with service() as running, listening("127.0.0.1", 0) as listener:
        config = server_config(running.app, InferenceSettings(**settings))  # type: ignore[arg-type]
        thread = threading.Thread(target=serve, args=(config, listener, stop))
        thread.start()
        try:
            yield Served(listener.getsockname()[1], running, stop, thread)
        finally:
            stop.set()
            thread.join()


def answer_of(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received


def test_clients_that_never_finish_their_headers_are_let_go() -> None:
    with served(header_deadline_s=0.2) as one, ExitStack() as stack:
        silent, begun = (stack.enter_context(one.connect()) for _ in range(2))
        begun.sendall(b"POST / HTTP/1.1\r\nhost: x\r\nx-slow: ")
        for connection in (silent, begun):
            answer = answer_of(connection)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"application/problem+json" in answer
        # One that asks in time, twice on one connection with a pause between, is served.
        with httpx.Client(base_url=one.url) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/healthz").status_code == 200


def test_a_client_that_dribbles_after_an_answer_is_let_go_too() -> None:
    with served(header_deadline_s=0.2) as one, one.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /heal")
        assert answer_of(connection).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00\x01\x00", b"hello\r\n\r\n", b"\x00" * 99])
def test_what_is_no_http_is_told_so(junk: bytes) -> None:
    with served() as one, one.connect() as connection:
        connection.sendall(junk)
        answer = answer_of(connection)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in answer


LARGE = 4_000_000


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-large: ",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 100,
        b"POST /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-late: ",
    ],
    ids=["one header", "after others", "a trailer"],
)
def test_headers_without_end_are_refused_before_they_fill_memory(begun: bytes) -> None:
    def refused() -> float:
        return float(metrics.CONNECTIONS_REFUSED.labels("large_headers")._value.get())

    before = refused()
    with served(header_deadline_s=100, body_deadline_s=100) as one, one.connect() as connection:
        connection.sendall(begun)
        sent = 0
        with contextlib.suppress(ConnectionError):  # Closed, or closed with bytes unread.
            while sent < LARGE:
                connection.sendall(b"a" * 10_000)
                sent += 10_000
            answer_of(connection)
        with httpx.Client(base_url=one.url) as client:
            assert client.get("/healthz").status_code == 200
    assert refused() == before + 1


def test_a_body_in_the_smallest_chunks_is_taken_whole() -> None:
    body = json.dumps({**ERROR, "passed over": "x" * 100_000}).encode()
    head = (
        f"POST {PREFIX}/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        "transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    )
    chunks = b"".join(b"1\r\n%c\r\n" % one for one in body)
    with served() as one, one.connect() as connection:
        connection.sendall(head.encode() + chunks + b"0\r\n\r\n")
        assert answer_of(connection).startswith(b"HTTP/1.1 200 ")


def test_many_requests_in_one_go_are_no_large_headers() -> None:
    request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
    with served() as one, one.connect() as connection:
        connection.sendall((request + b"\r\n") * 3_000 + request + b"connection: close\r\n\r\n")
        assert answer_of(connection).count(b"HTTP/1.1 200 ") == 3_001


def test_a_connection_too_many_is_refused_and_the_others_live() -> None:
    with served(max_open_connections=3) as one, ExitStack() as stack:
        held = [stack.enter_context(one.connect()) for _ in range(3)]
        for connection in held:  # Served, so they have been counted.
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        with one.connect() as further:
            answer = answer_of(further)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in answer
        held[0].sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert held[0].recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_thousands_of_idle_connections_disturb_nobody() -> None:
    # Both ends are in this process, so each connection takes two files.
    allowed = allow_open_files(2 * MANY + OTHER_FILES)
    count = min(MANY, (allowed - OTHER_FILES) // 2)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= allowed
    with served(header_deadline_s=100, max_open_connections=count + 10) as one:
        held = [one.connect() for _ in range(count)]
        try:
            with httpx.Client(base_url=one.url, timeout=30) as client:
                answer = client.post(f"{PREFIX}/predict", json=ERROR)
                assert answer.status_code == 200
        finally:
            for connection in held:
                connection.close()


def test_requests_under_way_are_answered_after_the_stop_was_asked_for() -> None:
    model = FakeModel(1)
    model.gate = threading.Event()
    with served(drain_timeout_s=30) as one:
        one.running.slot.swap(model)
        answers: list[int] = []

        def ask() -> None:
            answer = httpx.post(f"{one.url}{PREFIX}/predict", json=ERROR, timeout=30)
            answers.append(answer.status_code)

        asking = threading.Thread(target=ask)
        asking.start()
        # Taken out of the queue, and now held by the model.
        eventually(lambda: one.running.slot._current.num_leases == 1)  # type: ignore[union-attr]
        one.stop.set()
        eventually(lambda: _refuses(one.port))
        assert answers == []
        model.gate.set()
        asking.join()
        one.thread.join(10)
        assert answers == [200]
        assert not one.thread.is_alive()


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_https_speaks_no_older_tls_than_was_asked_for(certificate: Path) -> None:
    with served(tls_certificate=str(certificate), tls_min_version="1.3") as one:
        trusting = ssl.create_default_context(cafile=str(certificate))
        url = f"https://localhost:{one.port}"
        with httpx.Client(base_url=url, verify=trusting) as client:
            assert client.get("/healthz").json() == {"status": "ok"}
        trusting.maximum_version = ssl.TLSVersion.TLSv1_2
        with (
            httpx.Client(base_url=url, verify=trusting) as old,
            pytest.raises(httpx.ConnectError),
        ):
            old.get("/healthz")


@pytest.mark.parametrize("spoilt", ["absent", "no certificate"])
def test_a_wrong_certificate_is_told_in_one_line(tmp_path: Path, spoilt: str) -> None:
    path = tmp_path / "x.pem"
    if spoilt != "absent":
        path.write_text(spoilt)
    with (
        pytest.raises(Misconfigured, match="FIXSTREAM_INFERENCE_TLS_CERTIFICATE"),
        service() as running,
    ):
        server_config(running.app, InferenceSettings(tls_certificate=str(path)))
