"""`fixstream doctor`: looks at everything that a deployment needs and says what is wrong.

It changes nothing. Each check answers with one line; a failed one makes the exit status 1.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fixstream.cli.console import out
from fixstream.cli.extras import EXTRAS
from fixstream.schemas.errors import FixstreamError, Misconfigured

if TYPE_CHECKING:
    from fixstream.runtime.settings import ServiceSettings

FREE_DISK_WARNING_GB = 5
KAFKA_TIMEOUT_S = 5.0
REST_TIMEOUT_S = 3.0
RARE_EXTRAS = ("federated",)
"""Not in `all`, so that their absence is no finding."""


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    subject: str
    verdict: Verdict
    detail: str


Check = Callable[[], Finding]


def doctor() -> None:
    """Check this machine, the settings, Kafka, the topics and the services."""
    findings = [check() for check in CHECKS]
    colours = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}
    for finding in findings:
        mark = f"[{colours[finding.verdict]}]{finding.verdict:8}[/]"
        out.print(f"{mark} {finding.subject}: ", end="")
        out.print(finding.detail, markup=False)
    if any(finding.verdict is Verdict.FAILED for finding in findings):
        raise typer.Exit(code=1)


def check_python() -> Finding:
    """The interpreter's version."""
    version = platform.python_version()
    verdict = Verdict.OK if sys.version_info >= (3, 11) else Verdict.FAILED
    return Finding("Python", verdict, f"{version} at {sys.executable}")


def check_machine() -> Finding:
    """Cores and free disk."""
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    verdict = Verdict.OK if free_gb >= FREE_DISK_WARNING_GB else Verdict.WARNING
    return Finding("machine", verdict, f"{os.cpu_count()} cores, {free_gb:.0f} GB free here")


def check_parts() -> Finding:
    """Which parts have what they need installed."""
    lacking = _lacking_modules()
    if not lacking:
        return Finding("parts", Verdict.OK, "all are installed")
    told = "; ".join(f"{part} lacks {', '.join(names)}" for part, names in lacking.items())
    return Finding("parts", Verdict.WARNING, told)


def _lacking_modules() -> dict[str, list[str]]:
    """The modules that are not installed, by the extra that brings them."""
    missing = {
        part: [module for module in modules if not _is_there(module)]
        for part, modules in EXTRAS.items()
        if part not in RARE_EXTRAS
    }
    return {part: modules for part, modules in missing.items() if modules}


def _is_there(module: str) -> bool:
    # Once imported, Faust has no spec any more, and `find_spec` raises for it.
    return module in sys.modules or importlib.util.find_spec(module) is not None


def check_settings() -> Finding:
    """Whether the settings of all that is installed can be read."""
    from fixstream.runtime.settings import KafkaSettings, load_settings

    problems = []
    for settings_type in _settings_types():
        try:
            load_settings(settings_type)
        except Misconfigured as error:
            problems.append(str(error))
    if problems:
        return Finding("settings", Verdict.FAILED, "; ".join(problems))
    kafka = load_settings(KafkaSettings)
    registry = kafka.schema_registry_url or "none (single-object encoding)"
    return Finding(
        "settings",
        Verdict.OK,
        f"brokers {kafka.bootstrap_servers}, prefix {kafka.topic_prefix}, registry {registry}",
    )


def _settings_types() -> Iterator[type[ServiceSettings]]:
    from fixstream.runtime.settings import KafkaSettings, LogSettings
    from fixstream.runtime.topics_plan import TopicsSettings

    yield from (LogSettings, KafkaSettings, TopicsSettings)
    from fixstream.producers.crawl.settings import CrawlSettings
    from fixstream.producers.settings import ProducerSettings

    yield from (ProducerSettings, CrawlSettings)
    lacking = _lacking_modules()
    if "broker" not in lacking:
        from fixstream.runtime.broker import BrokerSettings

        yield BrokerSettings
    if "streams" not in lacking:
        from fixstream.streams.settings import StreamsSettings

        yield StreamsSettings
    if "trainer" not in lacking:
        from fixstream.trainer.settings import LearningSettings, TrainerSettings

        yield from (LearningSettings, TrainerSettings)
    if "inference" not in lacking:
        from fixstream.inference.settings import InferenceSettings

        yield InferenceSettings


def check_kafka() -> Finding:
    """Whether Kafka answers and has our topics as they should be."""
    from fixstream.runtime.settings import KafkaSettings, load_settings
    from fixstream.runtime.topics_admin import verify_topics, wait_until_ready

    try:
        kafka = load_settings(KafkaSettings)
        wait_until_ready(kafka, KAFKA_TIMEOUT_S)
        verify_topics(kafka).require()
    except FixstreamError as error:
        return Finding("Kafka", Verdict.FAILED, str(error))
    return Finding("Kafka", Verdict.OK, "answers, and every topic is as it should be")


def check_rest() -> Finding:
    """Whether the inference service answers and serves a model."""
    import httpx

    from fixstream.inference.settings import InferenceSettings
    from fixstream.runtime.settings import load_settings

    try:
        settings = load_settings(InferenceSettings)
    except Misconfigured as error:
        return Finding("inference", Verdict.WARNING, f"where it listens cannot be read: {error}")
    url = f"http://{settings.host}:{settings.port}/readyz"
    try:
        response = httpx.get(url, timeout=REST_TIMEOUT_S)
    except httpx.TransportError as error:
        return Finding("inference", Verdict.WARNING, f"{url}: {type(error).__name__}")
    verdict = Verdict.OK if response.is_success else Verdict.WARNING
    return Finding("inference", verdict, f"{url}: {response.status_code} {response.text[:200]}")


CHECKS: tuple[Check, ...] = (
    check_python,
    check_machine,
    check_parts,
    check_settings,
    check_kafka,
    check_rest,
)
