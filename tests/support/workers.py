"""The processor as a process, and what tests ask of it: commits, books, partitions."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fixstream.cli.audit.ledger import AuditReport, Ledger, PartitionSpan
from fixstream.runtime.process import GuardedProcess
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import decode
from fixstream.schemas.records import ErrorEvent, TrainingBatch, TriagedError
from fixstream.schemas.topics import ERRORS_DLQ, ERRORS_TRIAGED, TRAINING_BATCHES
from fixstream.schemas.validation import validate
from support.deadlines import eventually
from support.streams import committed_offset, error_event, read_topic

GROUP = "streams"
KINDS = ("refused", "timed out", "denied", "missing", "reset", "full", "late")


def events(num_events: int, first: int = 0) -> Iterator[ErrorEvent]:
    for number in range(first, first + num_events):
        kind = KINDS[number % len(KINDS)]
        error_type = f"Kind{number % 61}Error"
        yield error_event(f"e{number}", message=f"connection {kind}", error_type=error_type)


def data_folder(folder: Path) -> Path:
    """Where a worker of a test keeps its files; neither it nor the one above is there before."""
    return folder / "of nobody yet" / "faust"


@contextmanager
def worker(kafka: KafkaSettings, folder: Path, **settings: str) -> Iterator[GuardedProcess]:
    environment = {
        **os.environ,
        "FIXSTREAM_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "FIXSTREAM_TOPIC_PREFIX": kafka.topic_prefix,
        "FIXSTREAM_STREAMS_METRICS_PORT": "0",
        "FIXSTREAM_STREAMS_DATA_DIR": str(data_folder(folder)),
        "FIXSTREAM_STREAMS_WINDOW_MAX_AGE_S": "0.5",
        "FIXSTREAM_LOG_FORMAT": "json",
        **settings,
    }
    argv = [sys.executable, "-m", "fixstream.streams"]
    with GuardedProcess(argv, log_file=folder / "worker.log", env=environment) as process:
        yield process


def wait_for_commit(kafka: KafkaSettings, expected: Mapping[int, int], timeout_s: float) -> None:
    def all_committed() -> bool:
        group = kafka.topic_prefix + GROUP
        found = {p: committed_offset(kafka, group, p) for p in expected}
        assert found == expected
        return True

    eventually(all_committed, timeout_s)


def audit(kafka: KafkaSettings, num_events: Mapping[int, int]) -> AuditReport:
    """Reads everything back, checks each record, and balances the books."""
    ledger = Ledger([PartitionSpan(p, 0, n) for p, n in num_events.items()])
    for message in read_topic(kafka, kafka.topic(ERRORS_TRIAGED)):
        triaged = decode(message.value() or b"", TriagedError)
        validate(triaged)
        ledger.add_triaged(triaged.origin.partition, triaged.origin.offset)
    for message in read_topic(kafka, kafka.topic(TRAINING_BATCHES)):
        batch = decode(message.value() or b"", TrainingBatch)
        validate(batch)
        ledger.add_batch(batch)
    for message in read_topic(kafka, kafka.topic(ERRORS_DLQ)):
        headers = dict(message.headers() or [])
        partition = int(headers["fixstream-dlq-partition"] or b"")
        ledger.add_dead_letter(partition, int(headers["fixstream-dlq-offset"] or b""))
    return ledger.report()


def triaged_at_least(kafka: KafkaSettings, num_events: int) -> bool:
    return len(read_topic(kafka, kafka.topic(ERRORS_TRIAGED))) >= num_events


def owns_partitions(process: GuardedProcess) -> bool:
    lines = [json.loads(line) for line in process.tail(200) if line.startswith("{")]
    return any(line["event"] == "partitions assigned" and line["partitions"] for line in lines)
