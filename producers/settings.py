"""The settings of capture, from `FIXSTREAM_PRODUCERS_*`; read once, by `init`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from fixstream.producers.kafka_sink import KafkaSinkConfig
from fixstream.producers.spill import MIN_BYTES, SpillConfig
from fixstream.runtime.settings import ServiceSettings
from fixstream.schemas import limits

_PREFIX = "FIXSTREAM_PRODUCERS_"


def _listed(value: object) -> object:
    """A JSON list, or names with commas between them, as people write them into environments."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [name.strip() for name in value.split(",") if name.strip()]


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
"""A list in one variable: JSON, or with commas."""


class ProducerSettings(ServiceSettings):
    """What the host's operator can set without touching its code."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX)

    service: str | None = Field(
        default=None,
        min_length=1,
        validation_alias=AliasChoices(
            f"{_PREFIX}SERVICE", "FIXSTREAM_SERVICE", "OTEL_SERVICE_NAME"
        ),
    )
    """The service's name; also read from FIXSTREAM_SERVICE and OTEL_SERVICE_NAME."""
    environment: str = Field(
        default="production",
        min_length=1,
        validation_alias=AliasChoices(f"{_PREFIX}ENVIRONMENT", "FIXSTREAM_ENVIRONMENT"),
    )
    """Where the service runs: production, staging, development..."""
    release: str | None = Field(
        default=None,
        validation_alias=AliasChoices(f"{_PREFIX}RELEASE", "FIXSTREAM_RELEASE"),
    )
    """The version of the service that is running."""
    in_app_modules: Names = ()
    """Module prefixes that count as the application's own."""
    sample_rate: float = Field(default=1.0, ge=0, le=1)
    """Share of errors that are reported."""
    ignore: Names = ()
    """Exception types that are not reported: names, with or without module, or globs of names."""
    ignore_messages: Names = ()
    """Globs of messages that are not reported."""
    ignore_loggers: Names = ()
    """Globs of loggers whose records are not reported."""
    max_body_bytes: int = Field(default=0, ge=0, le=limits.MAX_ATTRIBUTE_CHARS)
    """How much of a request's body is kept for the errors of that request; 0 keeps nothing."""
    predictions: bool = False
    """Whether to receive the suggested fixes of this service, for the log and, in the environment
    `development`, for the header X-Fixstream-Suggestion."""
    storm_burst: int = Field(default=50, ge=1)
    """How many events of one error pass at once."""
    storm_per_second: float = Field(default=5.0, ge=0)
    """How many events of one error pass a second after that."""
    max_events: int = Field(default=1000, ge=1)
    """Most events that wait to be sent."""
    max_bytes: int = Field(default=16 * 1024 * 1024, ge=65_536)
    """Most estimated bytes that wait to be sent."""
    send_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    """How long one event is tried before it is given up."""
    close_timeout_s: float = Field(default=2.0, ge=0, le=60)
    """Longest that the host's exit is held up to send what waits."""
    report_interval_s: float = Field(default=60.0, gt=0)
    """Shortest time between two reports of dropped events."""
    spill_folder: Path | None = None
    """Folder in which events wait until Kafka has acknowledged them; without it none is stored."""
    spill_max_bytes: int = Field(default=64 * 1024 * 1024, ge=MIN_BYTES)
    """Most bytes that may wait there, of all processes together."""

    def sink_config(self) -> KafkaSinkConfig:
        """The part of these that the Kafka sink needs."""
        return KafkaSinkConfig(
            max_events=self.max_events,
            max_bytes=self.max_bytes,
            send_timeout_s=self.send_timeout_s,
            close_timeout_s=self.close_timeout_s,
            report_interval_s=self.report_interval_s,
            spill=self._spill(),
        )

    def _spill(self) -> SpillConfig | None:
        if self.spill_folder is None:
            return None
        return SpillConfig(folder=self.spill_folder, max_bytes=self.spill_max_bytes)
