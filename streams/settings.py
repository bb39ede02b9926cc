"""The processor's settings, read once in the entry point. Nothing here connects or creates."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from fixstream.runtime.settings import KafkaSettings, ServiceSettings
from fixstream.schemas.limits import MAX_MESSAGE_BYTES


class StreamsSettings(ServiceSettings):
    """How the processor reads, windows, publishes and stops."""

    model_config = SettingsConfigDict(env_prefix="FIXSTREAM_STREAMS_")

    group_id: str = Field(default="streams", pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Consumer group, after the topic prefix; all workers of one deployment share it."""
    window_size: int = Field(default=32, ge=1, le=10_000)
    """Examples after which a window closes."""
    window_max_bytes: int = Field(default=384 * 1024, ge=1024, le=768 * 1024)
    """Bytes of examples that a window may hold, unless a single one is larger."""
    window_max_age_s: float = Field(default=2.0, gt=0)
    """Seconds after its first event at which a window closes."""
    window_max_offsets: int = Field(default=4096, ge=1)
    """Offsets after which a window closes, however many of them collapsed."""
    crawled_quota: float = Field(default=0.25, gt=0, le=1)
    """Largest share of a mixed batch's weight that crawled texts may have."""
    take_size: int = Field(default=256, ge=1, le=10_000)
    """Records of one partition that are handed to the agent together."""
    max_event_bytes: int = Field(default=MAX_MESSAGE_BYTES, ge=1024, le=MAX_MESSAGE_BYTES)
    """A raw message over this many bytes is a dead letter."""
    max_attempts: int = Field(default=3, ge=1)
    """How often our own code may fail on one event before it becomes a dead letter."""
    max_groups: int = Field(default=100_000, ge=1)
    """Groups that are remembered for each partition; the least recently seen go first."""
    cause_window_s: float = Field(default=30.0, gt=0, le=3600)
    """Longest time between the outbreak of an error and one that it brings about elsewhere."""
    triage_memory: int = Field(default=4096, ge=1)
    """Judgements that triage keeps, so that the same error is scrubbed and parsed once."""
    max_in_flight: int = Field(default=20_000, ge=1)
    """Messages that may wait for their delivery reports before intake pauses."""
    max_in_flight_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Bytes that may wait for their delivery reports before intake pauses."""
    linger_ms: int = Field(default=20, ge=0, le=1000)
    """Milliseconds that a message waits for company on its way to the broker.

    At 5 the worker takes a quarter more processor time, and the broker almost twice its own.
    """
    session_timeout_s: float = Field(default=10.0, ge=1)
    """How long a killed worker keeps its partitions."""
    heartbeat_s: float = Field(default=3.0, gt=0)
    """Pause between two signs of life to the group's coordinator."""
    commit_interval_s: float = Field(default=1.0, gt=0)
    """Pause between two commits of what was delivered."""
    delivery_timeout_s: float = Field(default=300.0, ge=1)
    """How long a message may stay undelivered before the processor gives up and exits."""
    start_timeout_s: float = Field(default=60.0, gt=0)
    """How long a start may take before the processor gives up and exits."""
    stop_timeout_s: float = Field(default=20.0, gt=0)
    """How long a stop may wait for open windows to be delivered."""
    stall_timeout_s: float = Field(default=60.0, gt=0)
    """After this long with events processed but none committed, the health check fails."""
    data_dir: Path = Path(".fixstream/streams")
    """Folder for Faust's own files; nothing of ours is kept there."""
    metrics_port: int | None = Field(default=9101, ge=0, le=65_535)
    """Port of /metrics and /healthz; 0 takes any free one, empty serves none."""
    metrics_host: str = "127.0.0.1"
    """Address that /metrics and /healthz listen on."""
    workers: int = Field(default=1, ge=1, le=256)
    """Local worker processes; they share the partitions between them."""

    def full_group_id(self, kafka: KafkaSettings) -> str:
        """The consumer group's whole name."""
        return kafka.topic_prefix + self.group_id
