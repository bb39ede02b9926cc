"""Settings from the environment: right ones, wrong ones, secret ones."""

from __future__ import annotations

import pytest
from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from fixstream.runtime.settings import KafkaSettings, LogSettings, ServiceSettings, load_settings
from fixstream.schemas.errors import Misconfigured
from fixstream.schemas.topics import ERRORS_RAW


class PartSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="FIXSTREAM_PART_")

    size: int = Field(gt=0)
    """How many."""
    rate: float = Field(default=0.5, validation_alias="LEARNING_RATE", lt=1)
    """How fast."""
    names: tuple[str, ...] = ()
    """Who."""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BOOTSTRAP_SERVERS", "TOPIC_PREFIX", "SECURITY_PROTOCOL", "PART_SIZE"):
        monkeypatch.delenv(f"FIXSTREAM_{name}", raising=False)


def test_the_defaults_are_a_broker_on_this_machine() -> None:
    settings = load_settings(KafkaSettings)
    assert settings.client_config() == {
        "bootstrap.servers": "localhost:9092",
        "security.protocol": "PLAINTEXT",
    }
    assert settings.topic(ERRORS_RAW) == "fixstream.errors.raw.v1"


def test_the_environment_overrides_and_empty_variables_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIXSTREAM_BOOTSTRAP_SERVERS", "kafka:9093")
    monkeypatch.setenv("FIXSTREAM_TOPIC_PREFIX", "")
    settings = load_settings(KafkaSettings)
    assert settings.bootstrap_servers == "kafka:9093"
    assert settings.topic_prefix == "fixstream."


def test_sasl_reaches_librdkafka_and_stays_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SECURITY_PROTOCOL": "SASL_SSL",
        "SASL_MECHANISM": "SCRAM-SHA-512",
        "SASL_USERNAME": "me",
        "SASL_PASSWORD": "hunter2",
        "SSL_CA_LOCATION": "/etc/ca.pem",
    }.items():
        monkeypatch.setenv(f"FIXSTREAM_{name}", value)
    settings = load_settings(KafkaSettings)
    config = settings.client_config()
    assert config["sasl.password"] == "hunter2"
    assert config["ssl.ca.location"] == "/etc/ca.pem"
    assert "hunter2" not in repr(settings)


def test_half_a_sasl_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIXSTREAM_SECURITY_PROTOCOL", "SASL_SSL")
    with pytest.raises(Misconfigured, match="SASL protocol needs sasl_mechanism"):
        load_settings(KafkaSettings)


def test_a_wrong_value_is_named_in_one_line_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIXSTREAM_TOPIC_PREFIX", "hunter2 !")
    monkeypatch.setenv("FIXSTREAM_SECURITY_PROTOCOL", "hunter2")
    with pytest.raises(Misconfigured) as refused:
        load_settings(KafkaSettings)
    line = str(refused.value)
    assert "FIXSTREAM_TOPIC_PREFIX: " in line
    assert "FIXSTREAM_SECURITY_PROTOCOL: " in line
    assert "\n" not in line
    assert "hunter2" not in line


def test_a_missing_value_and_an_alias_are_named_as_the_variables_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEARNING_RATE", "7")
    with pytest.raises(Misconfigured, match=r"FIXSTREAM_PART_SIZE: .*; LEARNING_RATE: "):
        load_settings(PartSettings)


def test_a_list_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIXSTREAM_PART_SIZE", "1")
    monkeypatch.setenv("FIXSTREAM_PART_NAMES", "[")
    with pytest.raises(Misconfigured, match=r"^FIXSTREAM_PART_NAMES: no JSON"):
        load_settings(PartSettings)


def test_an_alias_does_not_hide_the_field_name() -> None:
    assert PartSettings(size=1, rate=0.25).rate == 0.25


def test_settings_are_frozen_and_documented() -> None:
    settings = LogSettings()
    with pytest.raises(ValidationError):
        settings.level = "DEBUG"
    for settings_type in (KafkaSettings, LogSettings):
        for name, field in settings_type.model_fields.items():
            assert field.description, name
