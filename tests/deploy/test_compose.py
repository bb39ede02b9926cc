"""What `deploy/` and `docker-compose.yml` promise fits what the code has. Needs no Docker."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

import fixstream.inference.metrics
import fixstream.producers.metrics
import fixstream.runtime.kafka
import fixstream.trainer.metrics  # noqa: F401
from fixstream.cli.main import app
from fixstream.streams.metrics import StreamsMetrics
from support.settings_names import known_variables

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: Mapping[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
LONG_RUNNING = {name for name in SERVICES if name not in {"topics-apply", "trusted-keys"}}
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/fixstream.json").read_text())
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
SCRAPE = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()

METRIC = re.compile(r"\bfixstream_[a-z_]+\b")
BY_LABELS = re.compile(r"by \(([^)]*)\)")
MATCHED_LABELS = re.compile(r"(fixstream_\w+)\{(\w+)")


@cache
def metrics() -> dict[str, frozenset[str]]:
    """Each series that the code can expose, with its labels."""
    streams = CollectorRegistry()
    StreamsMetrics(streams)
    found: dict[str, frozenset[str]] = {}
    for registry in (REGISTRY, streams):
        for collector, names in registry._collector_to_names.items():
            if isinstance(collector, MetricWrapperBase):
                labels = frozenset(collector._labelnames)
                found |= {name: labels | {"instance", "le"} for name in names}
    return found


def expressions() -> list[str]:
    from_panels = [
        target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])
    ]
    from_alerts = [rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]]
    return from_panels + from_alerts


def command_path(service: Mapping[str, Any]) -> list[str]:
    command: list[str] = service["command"]
    return command


def test_images_are_pinned_to_exact_tags() -> None:
    for name, service in SERVICES.items():
        if name not in OURS:
            assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"]), name
    assert re.search(r"^ARG PYTHON_IMAGE=python:\d+\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)


def test_ports_are_bound_to_loopback() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_no_secret_has_a_default() -> None:
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY$")
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if secret.search(variable):
                assert re.fullmatch(r"\$\{\w+:-\}", str(value)), f"{name}: {variable}"


def test_every_long_running_service_is_watched_and_restarted() -> None:
    for name in LONG_RUNNING:
        service = SERVICES[name]
        assert service["restart"] == "unless-stopped", name
        in_image = name in OURS and "HEALTHCHECK" in DOCKERFILE
        assert in_image or "test" in service["healthcheck"], name


def test_dependencies_exist_and_can_be_waited_for() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            is_one_shot = needed not in LONG_RUNNING
            wanted = "service_completed_successfully" if is_one_shot else "service_healthy"
            assert how["condition"] == wanted, f"{name} on {needed}"


def test_named_volumes_are_declared_and_all_used() -> None:
    mounted = {
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
    }
    assert {name for name in mounted if not name.startswith("./")} == set(COMPOSE["volumes"])
    assert [name for name in mounted if name.startswith("./") and not (ROOT / name).exists()] == []


def test_the_private_key_is_mounted_only_where_it_is_needed() -> None:
    with_keys = {
        name
        for name, service in SERVICES.items()
        if any(volume.startswith("keys:") for volume in service.get("volumes", []))
    }
    assert with_keys == {"train", "trusted-keys"}


@pytest.mark.parametrize("name", sorted(set(OURS) - {"trusted-keys"}))
def test_commands_are_ones_that_the_cli_has(name: str) -> None:
    command: Any = typer.main.get_command(app)
    for word in command_path(OURS[name]):
        command = command.commands[word]
    assert command.callback is not None


def test_settings_exist() -> None:
    in_compose = {
        variable
        for service in OURS.values()
        for variable in service.get("environment", {})
        if variable != "HEALTH_URL"
    }
    in_image = set(re.findall(r"\b(FIXSTREAM_\w+|CHECKPOINT_DIR)=", DOCKERFILE))
    assert in_compose | in_image <= known_variables()
    assert in_image


def test_health_and_scraping_use_the_ports_that_services_listen_on() -> None:
    targets = {
        target
        for job in SCRAPE["scrape_configs"]
        for config in job["static_configs"]
        for target in config["targets"]
    }
    for name, variable in (
        ("stream", "FIXSTREAM_STREAMS_METRICS_PORT"),
        ("train", "FIXSTREAM_TRAINER_METRICS_PORT"),
        ("serve", "FIXSTREAM_INFERENCE_PORT"),
    ):
        environment = OURS[name]["environment"]
        port = environment[variable]
        assert f"{name}:{port}" in targets
        assert environment["HEALTH_URL"].startswith(f"http://127.0.0.1:{port}/")


def test_the_image_is_built_from_every_part_and_runs_as_nobody_special() -> None:
    parts = {path.name for path in (ROOT / ".namespace/fixstream").iterdir()}
    copied = set(re.findall(r"^COPY (\w+)/ \1/$", DOCKERFILE, re.MULTILINE))
    assert copied == parts | {"requirements"}
    ignored = (ROOT / "deploy/Dockerfile.dockerignore").read_text().split()
    assert {f"!{part}" for part in parts} <= set(ignored)
    assert re.search(r"^USER (?!root)\w+$", DOCKERFILE, re.MULTILINE)


def test_the_image_takes_its_versions_from_the_lock_file() -> None:
    pattern = re.search(r"grep -oE '([^']+)' requirements/all\.lock", DOCKERFILE)
    assert pattern
    lock = (ROOT / "requirements/all.lock").read_text()
    pins = [match[0] for match in re.finditer(pattern[1], lock, re.MULTILINE)]
    assert len(pins) == len(re.findall(r"^[A-Za-z0-9]", lock, re.MULTILINE))
    assert any(pin.startswith("torch==") for pin in pins)


def test_every_metric_shown_exists() -> None:
    shown = {name for expression in expressions() for name in METRIC.findall(expression)}
    assert len(shown) > 20
    assert shown - set(metrics()) == set()


def test_every_label_asked_for_exists() -> None:
    for expression in expressions():
        (name, *_) = METRIC.findall(expression) or [""]
        if not name:
            continue
        asked = {
            label.strip() for labels in BY_LABELS.findall(expression) for label in labels.split(",")
        }
        assert asked <= metrics()[name], expression
        for metric, label in MATCHED_LABELS.findall(expression):
            assert label in metrics()[metric], expression


def test_every_part_is_on_the_dashboard() -> None:
    shown = " ".join(expressions())
    for part in ("streams", "trainer", "inference", "runtime"):
        assert f"fixstream_{part}_" in shown


def test_panels_do_not_overlap_and_have_unique_ids() -> None:
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_dashboard_asks_the_provisioned_datasource() -> None:
    provisioned = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text()
    )
    uids = {source["uid"] for source in provisioned["datasources"]}
    asked = {p["datasource"]["uid"] for p in DASHBOARD["panels"] if "datasource" in p}
    assert asked == uids
