"""A service filled with a small shop's bad hour, for tests of the page and its pictures."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fixstream.inference.bandit import ARMS, Draw
from fixstream.inference.group_history import fit_to_show
from fixstream.inference.lag import Reading, TopicEnds
from fixstream.inference.page_groups import public_inquiry
from fixstream.inference.starter import starter_solutions
from fixstream.inference.suggest import visibility_key
from fixstream.runtime.clock import SystemClock
from fixstream.schemas.enums import CauseBasis, EventSource, LabelSource, UpdateKind
from fixstream.schemas.records import (
    CauseEdge,
    ErrorEvent,
    FixFeedback,
    Label,
    ModelUpdate,
    OffsetRange,
    Origin,
    RootCause,
    SuggestedFix,
    TriagedError,
)
from fixstream.triage.scrub import Scrubber
from fixstream.triage.triage import TRIAGE_VERSION, Triager
from support.inference import FakeLoader, FakeModel, Service, ServiceOptions, service

_PYTHON = """Traceback (most recent call last):
  File "/app/{service}/main.py", line 88, in handle
    return await endpoint(request)
  File "/app/{service}/routes.py", line 41, in {function}
    rows = await repository.{function}(order_id)
  File "/app/{service}/repository.py", line 117, in {function}
    async with pool.acquire(timeout=5) as connection:
{type}: {message}"""


@dataclass(frozen=True)
class Fault:
    """One kind of error of the shop, and how often it came, per minute, at its peak."""

    name: str
    service: str
    error_type: str
    message: str
    function: str
    severity: str
    domain: str
    category: str
    peak: float
    began_min_ago: float
    lasts_min: float


FAULTS = (
    Fault("pool", "orders", "psycopg.OperationalError",
          "FATAL: sorry, too many clients already", "load_order",
          "critical", "general", "resource_exhausted", 22, 34, 30),
    Fault("timeout", "checkout", "httpx.ReadTimeout",
          "timed out after 5.0 s reading http://orders:8000/orders/48211", "price_basket",
          "high", "network", "timeout", 14, 32, 30),
    Fault("basket", "web", "shop.errors.BasketUnavailable",
          "basket of session [token] could not be priced", "show_basket",
          "high", "general", "dependency", 9, 31, 30),
    Fault("tls", "payments", "ssl.SSLCertVerificationError",
          "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired"
          " (_ssl.c:1006)", "charge", "critical", "security", "tls", 6, 52, 50),
    Fault("jwt", "accounts", "jwt.exceptions.InvalidSignatureError",
          "Signature verification failed", "authenticate",
          "high", "security", "authentication", 3, 58, 58),
    Fault("lock", "stock", "sqlite3.OperationalError", "database is locked", "reserve",
          "medium", "general", "concurrency", 4, 45, 45),
    Fault("space", "images", "OSError", "[Errno 28] No space left on device: '/var/cache/thumbs'",
          "store_thumbnail", "emergency", "general", "resource_exhausted", 11, 12, 12),
    Fault("dns", "mailer", "socket.gaierror", "[Errno -2] Name or service not known: smtp.internal",
          "send_receipt", "medium", "network", "dns", 2, 55, 55),
    Fault("json", "search", "json.decoder.JSONDecodeError",
          "Expecting value: line 1 column 1 (char 0)", "parse_facets",
          "low", "general", "serialization", 2, 59, 59),
    Fault("quota", "exports", "botocore.exceptions.ClientError",
          "An error occurred (ThrottlingException) when calling the PutObject operation:"
          " Rate exceeded", "upload", "medium", "cloud", "quota", 5, 40, 25),
    Fault("widget", "web", "shop.errors.PaletteMismatch",
          "palette 7 of banner ochre-nine disagrees with frame kestrel", "draw_banner",
          "low", "general", "programming", 1, 50, 50),
    Fault("palette", "web", "shop.errors.PaletteMissing",
          "banner ochre-nine has no palette for frame kestrel", "draw_banner",
          "low", "general", "programming", 1, 57, 40),
)  # fmt: skip


class _Model(FakeModel):
    @property
    def precision(self) -> str:
        return "bfloat16"


class _Loader(FakeLoader):
    def load(self, update: ModelUpdate) -> FakeModel:
        return _Model(update.version)


@contextmanager
def filled_service(
    options: ServiceOptions | None = None,
) -> Iterator[tuple[Service, dict[str, str]]]:
    """A service that has seen the shop's hour, and each fault's fingerprint by its name."""
    options = replace(options or ServiceOptions(loader=_Loader()), reading=_reading)
    with service(options) as running:
        now = SystemClock().now()
        for one in starter_solutions():
            running.knowledge.put(one)
        running.knowledge.commit()
        names: dict[str, str] = {}
        for fault in FAULTS:
            names[fault.name] = _happened(running, fault, now, names.get("pool"))
        _edges(running, names, now)
        _models(running, now)
        _outcomes(running, names, now)
        _suggestions(running, names, now)
        yield running, names


def _happened(running: Service, fault: Fault, now: datetime, cause: str | None) -> str:
    scrubber = Scrubber()
    record = _triaged(fault, now, Triager(scrubber))
    if fault.name == "timeout" and cause:
        record = replace(record, root_cause=_cause(cause))
    shown = fit_to_show(record, scrubber)
    random_of = random.Random(fault.name)
    history = running.observations.history
    for minute in range(60 * 24, -1, -1):
        into = fault.began_min_ago - minute
        rate = 0.004 * fault.peak
        if 0 <= into <= fault.lasts_min:
            rate = fault.peak * math.sin(math.pi * (0.12 + 0.8 * into / fault.lasts_min)) ** 2
        for _ in range(int(rate + random_of.random())):
            at = now - timedelta(minutes=minute, seconds=random_of.uniform(0, 20))
            history.saw(record.fingerprint, at, lambda: shown)
    running.suggester.note_seen(record)
    running.observations.group_counted(record.fingerprint, 0, random_of.randint(900, 40_000))
    return record.fingerprint


def _triaged(fault: Fault, now: datetime, triager: Triager) -> TriagedError:
    trace = _PYTHON.format(
        service=fault.service, function=fault.function, type=fault.error_type, message=fault.message
    )
    event = ErrorEvent(
        event_id=f"event-{fault.name}",
        occurred_at=now - timedelta(seconds=40),
        service=fault.service,
        environment="production",
        release="2026.11.3",
        source=EventSource.MIDDLEWARE,
        error_type=fault.error_type,
        message=fault.message,
        stack_trace=trace,
        language="python",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    )
    triage = triager.triage(event)

    def label(value: str, source: LabelSource, confidence: float) -> Label:
        return Label(value, source, confidence)

    return TriagedError(
        event=event,
        fingerprint=triage.fingerprint,
        title=triage.title,
        domain=label(fault.domain, LabelSource.RULE, 0.86),
        severity=label(fault.severity, LabelSource.REPORTER, 1.0),
        category=label(fault.category, LabelSource.OPERATOR, 1.0),
        is_new_group=False,
        occurrences=1,
        origin=Origin("fixstream.errors.raw.v1", 0, 0),
        triaged_at=now,
        triage_version=TRIAGE_VERSION,
    )


def _cause(fingerprint: str) -> RootCause:
    return RootCause(
        fingerprint=fingerprint,
        event_id="event-pool",
        service="orders",
        basis=CauseBasis.TRACE,
        seconds_before=0.31,
        confidence=0.93,
    )


def _edges(running: Service, names: dict[str, str], now: datetime) -> None:
    pairs = (
        ("pool", "timeout", "orders", "checkout", 418),
        ("timeout", "basket", "checkout", "web", 203),
    )
    for cause, effect, from_service, to_service, count in pairs:
        for partition, share in ((0, 2), (1, 3)):
            edge = CauseEdge(
                cause=names[cause],
                effect=names[effect],
                cause_service=from_service,
                effect_service=to_service,
                count=count // share,
                last_seen_at=now - timedelta(minutes=3),
            )
            running.observations.causes.put(f"{cause}>{effect}@{partition}", edge)


def _models(running: Service, now: datetime) -> None:
    kinds = {4: UpdateKind.REJECTED, 8: UpdateKind.REJECTED, 10: UpdateKind.ROLLED_BACK}
    reasons = {
        UpdateKind.REJECTED: "severity accuracy fell from 0.71 to 0.58 on 412 held-out examples",
        UpdateKind.ROLLED_BACK: "fixes worked in 18% of the tries since version 9, "
        "86% before, by 20 submitters",
    }
    for version in range(1, 13):
        kind = kinds.get(version, UpdateKind.PROMOTED)
        dent = {UpdateKind.REJECTED: 0.13, UpdateKind.ROLLED_BACK: 0.02}.get(kind, 0.0)
        share = 1 - math.exp(-version / 5)
        metrics = {}
        for head, top in (("severity", 0.55), ("domain", 0.78), ("category", 0.69)):
            metrics[f"progressive.{head}.macro_f1"] = 0.12 + top * share - dent
            metrics[f"validation.{head}.accuracy"] = 0.3 + 0.8 * top * share - dent
            metrics[f"progressive.{head}.log_loss"] = 1.7 - 1.2 * top * share + 2 * dent
        running.follower.see(
            ModelUpdate(
                model="errors",
                version=version,
                parent=version - 1 or None,
                kind=kind,
                artifact_uri=f"checkpoint-{version:08d}",
                manifest_sha256="0" * 64,
                size_bytes=320_000_000,
                metrics=metrics,
                lineage=(OffsetRange("fixstream.errors.raw.v1", 0, 0, 15_340 * version),),
                examples_seen=3_200 * (version if version < 10 else version - 1),
                created_at=now - timedelta(minutes=7 * (12 - version) + 2),
                key_id="",
                signature=b"",
                reason=reasons.get(kind),
                blocked=(OffsetRange("fixstream.errors.raw.v1", 2, 88_120, 91_320),)
                if kind is UpdateKind.ROLLED_BACK
                else (),
            )
        )


def _outcomes(running: Service, names: dict[str, str], now: datetime) -> None:
    voices = random.Random(4)
    for number in range(48):
        worked = voices.random() < 0.74
        submitter = f"submitter-{number}"
        running.evidence.add(
            FixFeedback(
                feedback_id=str(number),
                error_id="event-pool",
                solution_id="starter-postgres-too-many-clients",
                solution_worked=worked,
                submitted_at=now,
                submitter=submitter,
            ),
            names["pool"],
        )
        arm = ARMS[number % 3 if number % 2 else 0]
        running.suggester.bandit.learn(
            Draw(arm, 0.6 if arm == ARMS[0] else 0.2), worked, submitter, "e"
        )


def _suggestions(running: Service, names: dict[str, str], now: datetime) -> None:
    history = running.observations.history
    for number, name in enumerate(("lock", "quota", "jwt", "space", "tls", "pool")):
        seen = history.seen(names[name], now)
        assert seen is not None
        inquiry = public_inquiry(seen.record)
        key = (12, visibility_key(None), f"group:{inquiry.fingerprint}")
        advice = running.suggester.advise(key, inquiry, None)
        running.observations.suggested(
            seen.record.title,
            SuggestedFix(
                suggestion_id=f"suggestion-{number}",
                event_id=seen.record.event.event_id,
                fingerprint=inquiry.fingerprint,
                service=seen.record.event.service,
                environment="production",
                model_version=12,
                created_at=now,
                domain=advice.labels.domain,
                severity=advice.labels.severity,
                category=advice.labels.category,
                fixes=advice.fixes[:3],
            ),
        )


def _reading() -> Reading:
    ends = {
        "raw": 184_233,
        "triaged": 184_230,
        "dlq": 2,
        "batches": 5_761,
        "suggested": 184_201,
        "feedback": 48,
    }
    return Reading(
        {name: TopicEnds({0: count}) for name, count in ends.items()},
        {"processor": 3, "suggestions": 29},
    )
