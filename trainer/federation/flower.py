"""Flower's network layer, as one server or one member in this process.

A connection without TLS is taken on loopback only.
"""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fixstream.schemas.errors import BrokerUnavailable, Misconfigured

if TYPE_CHECKING:
    from fixstream.trainer.federation.averaging import UpdateAveraging
    from fixstream.trainer.federation.participant import Participant

_MAX_MESSAGE_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM. The server needs all three, a member the authority's alone."""

    authority: Path
    certificate: Path | None = None
    private_key: Path | None = None


def serve_federation(
    strategy: UpdateAveraging,
    address: str,
    *,
    num_rounds: int,
    round_timeout_s: float,
    tls: Tls | None = None,
) -> None:
    """Runs all rounds; returns after the last one.

    Raises:
        Misconfigured: the address or the certificates cannot be used.
    """
    from flwr.compat.server.app import start_server
    from flwr.server import ServerConfig

    _quieten_flower()
    refuse_unprotected(address, tls)
    certificates = None if tls is None else _server_files(tls)
    try:
        start_server(
            server_address=address,
            config=ServerConfig(num_rounds=num_rounds, round_timeout=round_timeout_s),
            strategy=strategy,
            grpc_max_message_length=_MAX_MESSAGE_BYTES,
            certificates=certificates,
        )
    except RuntimeError as error:  # gRPC says so when the port is taken.
        raise Misconfigured(f"{address} cannot be served: {error}") from None


def take_part(
    participant: Participant, address: str, *, max_wait_s: float, tls: Tls | None = None
) -> None:
    """Answers rounds until the server says that it was the last one.

    Raises:
        BrokerUnavailable: the server did not answer in time, or went away.
        Misconfigured: the address or the certificate cannot be used.
    """
    import grpc
    from flwr.compat.client.app import start_client

    _quieten_flower()
    refuse_unprotected(address, tls)
    try:
        start_client(
            server_address=address,
            client=participant.to_client(),
            grpc_max_message_length=_MAX_MESSAGE_BYTES,
            root_certificates=None if tls is None else _read(tls.authority),
            insecure=tls is None,
            max_wait_time=max_wait_s,
        )
    except (grpc.RpcError, ConnectionError) as error:
        code = error.code().name if isinstance(error, grpc.Call) else type(error).__name__
        raise BrokerUnavailable(f"the federation's server at {address}: {code}") from None


def refuse_unprotected(address: str, tls: Tls | None) -> None:
    """Raises Misconfigured for a connection without TLS to another machine, or no address."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise Misconfigured(f"no host:port: {address}")
    if tls is None and not _is_loopback(host.strip("[]")):
        raise Misconfigured(f"{address} is not on this machine: certificates are needed")


def _quieten_flower() -> None:
    """Its own handler writes coloured banners beside our log; warnings still reach ours."""
    flower = logging.getLogger("flwr")
    flower.handlers.clear()
    flower.setLevel(logging.WARNING)
    # One process a party needs no SuperLink; the lock file holds the version that has this way.
    flower.addFilter(lambda record: "deprecated" not in record.getMessage().lower())


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _server_files(tls: Tls) -> tuple[bytes, bytes, bytes]:
    if tls.certificate is None or tls.private_key is None:
        raise Misconfigured("the server needs its certificate and private key too")
    return _read(tls.authority), _read(tls.certificate), _read(tls.private_key)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None
