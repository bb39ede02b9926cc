"""The settings of the sample shop, `FIXSTREAM_SHOP_*`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from fixstream.runtime.settings import ServiceSettings


class ShopSettings(ServiceSettings):
    """Where the shop listens and how busy it is."""

    model_config = SettingsConfigDict(env_prefix="FIXSTREAM_SHOP_")

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8090, ge=1, le=65535)
    """Port to listen on."""
    requests_per_s: float = Field(default=20.0, ge=0, le=1000)
    """Customers' requests a second; 0 leaves the shop to yourself."""
    fault_share: float = Field(default=0.6, ge=0, le=1)
    """Share of the requests that go where something is broken."""
    seed: int = 7
    """Decides what the customers do, and in which order."""
