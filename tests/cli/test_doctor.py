"""The doctor's checks of settings, which need neither Kafka nor services."""

from __future__ import annotations

import pytest

from fixstream.cli.doctor import Verdict, check_rest, check_settings


@pytest.mark.parametrize(
    "variable",
    [
        "LEARNING_BATCH_SIZE",
        "FIXSTREAM_BROKER_PORT",
        "FIXSTREAM_CRAWL_INTERVAL_S",
        "FIXSTREAM_INFERENCE_PORT",
        "FIXSTREAM_LOG_LEVEL",
        "FIXSTREAM_PRODUCERS_SAMPLE_RATE",
        "FIXSTREAM_SECURITY_PROTOCOL",
        "FIXSTREAM_STREAMS_WORKERS",
        "FIXSTREAM_TOPICS_PARTITIONS",
        "FIXSTREAM_TRAINER_SEED",
    ],
)
def test_a_wrong_setting_of_any_part_is_found(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_settings().verdict is Verdict.OK
    monkeypatch.setenv(variable, "wrong")
    finding = check_settings()
    assert finding.verdict is Verdict.FAILED
    assert variable in finding.detail


def test_all_wrong_settings_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNING_RATE", "wrong")
    monkeypatch.setenv("FIXSTREAM_TOPICS_PARTITIONS", "wrong")
    detail = check_settings().detail
    assert "LEARNING_RATE" in detail
    assert "FIXSTREAM_TOPICS_PARTITIONS" in detail


def test_an_unreadable_port_of_inference_does_not_end_the_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIXSTREAM_INFERENCE_PORT", "wrong")
    assert check_rest().verdict is Verdict.WARNING
