"""A server that stands in for a host."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from support.crawl import ApiServer, api_server


@pytest_asyncio.fixture
async def api() -> AsyncIterator[ApiServer]:
    """A server on this machine, with no answers yet."""
    async with api_server() as server:
        yield server
