"""The Faust app: one agent that hands bundles to the worker. No table, no web server, no decoding.

Everything that is Faust's stands here and in `intake`. `concurrency` is always 1: above that Faust
loses events; scale by partitions.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from typing import Any, cast

import faust
import structlog
from faust.types import TP

from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.topics import ERRORS_RAW
from fixstream.streams.intake import (
    BundleScheduler,
    BundleSchema,
    SettledConsumer,
    SettledTransport,
)
from fixstream.streams.settings import StreamsSettings
from fixstream.streams.worker import Worker

log = structlog.get_logger(__name__)

_BUFFERED_BUNDLES = 8
"""Bundles that wait before the agent; each is at most one fetch of a partition, about 1 MiB."""
_RELEASE_SHARE = 0.5
"""Part of the session timeout that handing partitions over may take."""

_LEAVE_TIMEOUT_S = 15.0


class ProcessorApp(faust.App):
    """A Faust app whose consumer commits what was settled."""

    mundane_level = "debug"

    def _new_transport(self) -> SettledTransport:
        return SettledTransport(self.conf.broker_consumer, self)


class FaustIntake:
    """Consumes the raw topic for a worker: the worker's `Ownership`, on Faust."""

    def __init__(self, settings: StreamsSettings, kafka: KafkaSettings, worker: Worker) -> None:
        """Makes the app; nothing connects before `start`."""
        self._settings = settings
        self._raw = kafka.topic(ERRORS_RAW)
        self._worker = worker
        self._failed: asyncio.Event = asyncio.Event()
        self.failure: Exception | None = None
        self.app = ProcessorApp(settings.full_group_id(kafka), **_faust_config(settings, kafka))
        topic = self.app.topic(self._raw, schema=BundleSchema())
        self.app.agent(topic, name="process", concurrency=1)(self._process)
        worker.ownership = self

    async def start(self, timeout_s: float) -> bool:
        """Starts consuming; returns whether partitions were assigned (or none are left) in time."""
        assigned = asyncio.Event()

        async def on_assigned(sender: Any, *assigned_now: Any, **_: Any) -> None:
            partitions = sorted(tp.partition for tps in assigned_now for tp in tps)
            log.info("partitions assigned", partitions=partitions)
            assigned.set()

        self.app.on_partitions_assigned.connect(cast("Any", on_assigned), weak=False)
        self.app.finalize()
        for name in ("faust", "mode"):  # They tell of each service that they start and stop.
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            async with asyncio.timeout(timeout_s):
                await self.app.start()
                self._consumer.before_revoked = self._before_revoked
                await assigned.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self, timeout_s: float) -> None:
        """Delivers and commits what is open, then leaves the group; never longer than it may.

        Leaving comes last and always: Faust's threads would keep the process alive. What could not
        be delivered in time stays uncommitted, so the next owner reads it again.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._worker.drain(self.app.consumer_generation_id, timeout_s)
                await self._consumer.commit()
        # An edge: whatever goes wrong here, what was not committed is read again by the next owner.
        except Exception as error:  # noqa: BLE001
            log.warning("stopped before everything was committed", reason=repr(error))
        try:
            await asyncio.wait_for(self.app.stop(), _LEAVE_TIMEOUT_S)
        except TimeoutError:
            # Its threads cannot be ended and would hold the process for ever; all of ours is done.
            log.exception("Faust did not stop in time")
            os._exit(1)

    def is_current(self, generation: int | None) -> bool:
        """Whether messages of this generation of the group are still ours to process."""
        return bool(generation == self.app.consumer_generation_id)

    def settle(self, partition: int, next_offset: int) -> None:
        """Takes note that everything before `next_offset` may be committed."""
        self._consumer.settle(TP(self._raw, partition), next_offset)

    def committed(self) -> dict[int, int]:
        """The offsets that were committed since the start, by partition."""
        offsets = self.app.monitor.tp_committed_offsets
        return {tp.partition: offset for tp, offset in offsets.items() if tp.topic == self._raw}

    def end_offsets(self) -> dict[int, int]:
        """The ends of the partitions as the last fetch saw them."""
        offsets = self.app.monitor.tp_end_offsets
        return {tp.partition: offset for tp, offset in offsets.items() if tp.topic == self._raw}

    def crash_reason(self) -> Exception | None:
        """Why consuming cannot go on, if it cannot."""
        if self.failure is None and self.app.crashed:
            return RuntimeError(f"Faust crashed: {self.app.crash_reason!r}")
        return self.failure

    @property
    def _consumer(self) -> SettledConsumer:
        consumer = self.app.consumer
        assert isinstance(consumer, SettledConsumer)
        return consumer

    async def _process(self, stream: Any) -> None:
        async for event in stream.noack().events():
            if self.failure is not None:
                continue  # The service is about to exit; nothing may be processed out of order.
            message = event.message
            try:
                await self._worker.take(message.partition, message.generation_id, event.value)
            # An edge: the agent must not die, for Faust would restart it behind the lost bundle.
            except Exception as error:
                log.exception("processing stopped", partition=message.partition)
                self.failure = error

    async def _before_revoked(self, revoked: set[TP]) -> None:
        partitions = {tp.partition for tp in revoked if tp.topic == self._raw}
        log.info("partitions revoked", partitions=sorted(partitions))
        timeout_s = self._settings.session_timeout_s * _RELEASE_SHARE
        await self._worker.release(partitions, self.app.consumer_generation_id, timeout_s)


def _faust_config(settings: StreamsSettings, kafka: KafkaSettings) -> dict[str, Any]:
    class Scheduler(BundleScheduler):
        take_size = settings.take_size

    return {
        "broker": [f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(",")],
        "broker_credentials": _credentials(kafka),
        "broker_session_timeout": settings.session_timeout_s,
        "broker_heartbeat_interval": settings.heartbeat_s,
        "broker_commit_interval": settings.commit_interval_s,
        "consumer_auto_offset_reset": "earliest",
        "ConsumerScheduler": Scheduler,
        "datadir": settings.data_dir,
        "stream_buffer_maxsize": _BUFFERED_BUNDLES,
        "stream_wait_empty": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_enabled": False,
        "autodiscover": False,
        "processing_guarantee": "at_least_once",
    }


def _credentials(kafka: KafkaSettings) -> Any:
    if kafka.security_protocol == "PLAINTEXT":
        return None
    context = _ssl_context(kafka) if kafka.security_protocol.endswith("SSL") else None
    if kafka.security_protocol == "SSL":
        return faust.SSLCredentials(context)
    password = kafka.sasl_password
    return faust.SASLCredentials(
        username=kafka.sasl_username,
        password=password.get_secret_value() if password else None,
        mechanism=kafka.sasl_mechanism,
        ssl_context=context,
    )


def _ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=kafka.ssl_ca_location)
    if kafka.ssl_certificate_location:
        password = kafka.ssl_key_password
        context.load_cert_chain(
            kafka.ssl_certificate_location,
            kafka.ssl_key_location,
            password.get_secret_value() if password else None,
        )
    return context
