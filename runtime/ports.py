"""Ports of the loopback address: which are free. An answer holds for the moment of the question."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def is_port_free(port: int) -> bool:
    """Whether nobody listens on this port of loopback; port 0 is never free."""
    if port == 0:
        return False
    with socket.socket() as probe:
        # Connections that just ended must not make a port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
