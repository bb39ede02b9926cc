"""`python -m fixstream.cli.demo.shop`: the shop, its suppliers and its customers in one process."""

from __future__ import annotations

import asyncio

from fixstream.cli.demo.shop.service import run
from fixstream.cli.demo.shop.settings import ShopSettings
from fixstream.runtime.settings import load_settings

if __name__ == "__main__":
    asyncio.run(run(load_settings(ShopSettings)))
