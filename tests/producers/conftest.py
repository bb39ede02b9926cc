"""What all tests of capture share: errors of our own that are swallowed for the host fail here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fixstream.producers import host_log
from fixstream.producers.installation import shut_down


@pytest.fixture(autouse=True)
def swallowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every error that ended inside capture; a test that expects some has to clear the list."""
    errors: list[str] = []

    def remember(where: str, error: Exception) -> None:
        errors.append(f"{where}: {type(error).__name__}: {error}")

    monkeypatch.setattr(host_log, "swallowed", remember)
    yield errors
    assert not errors, errors


@pytest.fixture(autouse=True)
def _nothing_stays_installed() -> Iterator[None]:
    yield
    shut_down()
