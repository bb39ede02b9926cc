"""The inference service: one process that follows the topics, answers REST and suggests fixes.

SIGTERM stops the listening, lets requests under way end, then stops the parts in order.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import structlog
import uvicorn
from starlette.types import ASGIApp

from fixstream.inference.api_keys import KeyFile, KeyRing
from fixstream.inference.application import create_application
from fixstream.inference.connections import allow_open_files, bounded_protocol
from fixstream.inference.gate import GateConfig
from fixstream.inference.host_names import HostNames
from fixstream.inference.settings import InferenceSettings
from fixstream.runtime.clock import SystemClock
from fixstream.runtime.settings import KafkaSettings, load_settings
from fixstream.runtime.stopping import StopSignal
from fixstream.runtime.tracing import configure_tracing
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import Misconfigured, StartFailed

log = structlog.get_logger(__name__)

__all__ = ["InferenceSettings", "listening", "run", "serve"]

SWITCH_INTERVAL_S = 0.001
"""How long a thread may keep the interpreter from the event loop; Python's own 5 ms show in p50."""
BACKLOG = 2048
STOP_LOOK_S = 0.1
OTHER_FILES = 200
"""Open files besides connections: Kafka, logs, libraries."""
TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def run(
    settings: InferenceSettings | None = None,
    kafka: KafkaSettings | None = None,
    stop: StopSignal | None = None,
) -> None:
    """Runs the service until a signal asks it to stop.

    Args:
        settings: None reads them from the environment.
        kafka: None reads them from the environment.
        stop: None takes over SIGTERM and SIGINT.

    Raises:
        Misconfigured: A setting is wrong, or the address is taken.
        StartFailed: The web server ended without having been asked to.
    """
    # Read when torch loads, so before that: threads that wait must not spin while others work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from fixstream.inference.assembly import Assembly

    settings = settings or load_settings(InferenceSettings)
    kafka = kafka or load_settings(KafkaSettings)
    hosts = host_names(settings)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with ExitStack() as stack:
        stop = stop or stack.enter_context(StopSignal())
        stack.enter_context(configure_tracing("inference"))
        allow_open_files(settings.max_open_connections + OTHER_FILES)
        # First, so that a taken port is told before anything has started.
        listener = stack.enter_context(listening(settings.host, settings.port))
        assembly = Assembly(settings, kafka, _codec(kafka))
        running = stack.enter_context(assembly.started())
        gate = GateConfig(
            settings.max_body_bytes, settings.body_deadline_s, settings.max_connections
        )
        app = create_application(
            running.parts, running.rest, gate, running.readiness, _key_ring(settings), hosts
        )
        _settle_memory()
        serve(server_config(app, settings), listener, stop)
    log.info("inference stopped")


def _codec(kafka: KafkaSettings) -> Codec:
    if kafka.schema_registry_url is None:
        return Codec()
    from fixstream.runtime.registry import SchemaRegistry

    return Codec(SchemaRegistry(kafka))


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; port 0 takes a free one. Raises Misconfigured."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            raise Misconfigured(
                f"cannot listen on {host}:{port}: {error.strerror} "
                "(FIXSTREAM_INFERENCE_HOST, FIXSTREAM_INFERENCE_PORT)"
            ) from error
        yield listener


def _key_ring(settings: InferenceSettings) -> KeyRing | None:
    if settings.api_keys is None:
        return None
    return KeyRing(KeyFile(Path(settings.api_keys)), SystemClock())


def host_names(settings: InferenceSettings) -> HostNames | None:
    """For which names requests may be; None: for any. Raises Misconfigured.

    A key is asked for by name and a certificate is for a name, so a page under a strange one gets
    nowhere with either: there names need not be told.
    """
    names = [name for name in (settings.allowed_hosts or "").split(",") if name.strip()]
    if not names and (settings.api_keys or settings.tls_certificate):
        return None
    try:
        return HostNames(names)
    except ValueError as error:
        raise Misconfigured(f"FIXSTREAM_INFERENCE_ALLOWED_HOSTS: {error}") from error


def _settle_memory() -> None:
    """Takes what the start has made out of the collector's rounds: they would stop requests."""
    gc.collect()
    gc.freeze()


def tls_context(settings: InferenceSettings) -> ssl.SSLContext | None:
    """The context of HTTPS; None serves plain HTTP. Raises Misconfigured."""
    if settings.tls_certificate is None:
        return None
    password = settings.tls_private_key_password
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = TLS_VERSIONS[settings.tls_min_version]
    try:
        context.load_cert_chain(
            settings.tls_certificate,
            settings.tls_private_key,
            # Never None: OpenSSL would ask for a password at a terminal.
            password.get_secret_value() if password else "",
        )
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            "the TLS certificate or its key cannot be used (FIXSTREAM_INFERENCE_TLS_CERTIFICATE, "
            f"FIXSTREAM_INFERENCE_TLS_PRIVATE_KEY): {error.strerror or error}"
        ) from None
    return context


def server_config(app: ASGIApp, settings: InferenceSettings) -> uvicorn.Config:
    """How uvicorn serves the application. Raises Misconfigured."""
    context = tls_context(settings)
    return uvicorn.Config(
        app,
        http=bounded_protocol(settings.max_open_connections, settings.header_deadline_s),
        ws="none",
        forwarded_allow_ips=settings.trusted_proxies,
        ssl_context_factory=(lambda _config, _default: context) if context else None,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Longer than clients keep idle connections, so that none is closed under a request.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=round(settings.drain_timeout_s),
        backlog=BACKLOG,
    )


def serve(config: uvicorn.Config, listener: socket.socket, stop: StopSignal) -> None:
    """Serves on a listening socket until `stop` is set, then drains. Raises StartFailed."""
    server = uvicorn.Server(config)
    host, port = listener.getsockname()[:2]
    scheme = "https" if config.is_ssl else "http"
    log.info("inference listening", url=f"{scheme}://{host}:{port}")
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve_until(server, listener, stop))
    if not stop.is_set():
        raise StartFailed("the web server ended without having been asked to")


async def _serve_until(server: uvicorn.Server, listener: socket.socket, stop: StopSignal) -> None:
    async def watch() -> None:
        while not stop.is_set():  # noqa: ASYNC110 - the flag is set by a signal, not by the loop
            await asyncio.sleep(STOP_LOOK_S)
        server.should_exit = True

    watching = asyncio.create_task(watch())
    try:
        # uvicorn takes the signals over, drains, and raises them again for our own handler.
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()
