"""Settings from the environment, read once in an entry point, and the ones that all parts share.

Each service derives its own frozen class from `ServiceSettings` with the prefix
`FIXSTREAM_<PART>_`. A wrong value ends in one line that names the variable and never shows what
was in it, because it may be a secret.
"""

from __future__ import annotations

import re
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from fixstream.schemas.errors import Misconfigured
from fixstream.schemas.topics import DEFAULT_PREFIX, Topic

T = TypeVar("T", bound=BaseSettings)


class ServiceSettings(BaseSettings):
    """What every settings class has in common: frozen, documented, empty variables ignored."""

    model_config = SettingsConfigDict(
        frozen=True,
        use_attribute_docstrings=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
        # With an alias (the specification's own names) the field's name works in code as well.
        populate_by_name=True,
    )


class KafkaSettings(ServiceSettings):
    """How to reach Kafka, and under which names our topics stand there."""

    model_config = SettingsConfigDict(env_prefix="FIXSTREAM_")

    bootstrap_servers: str = "localhost:9092"
    """Comma-separated `host:port` of brokers to ask first."""
    topic_prefix: str = Field(default=DEFAULT_PREFIX, pattern=r"^[A-Za-z0-9._-]{0,100}$")
    """What the names of all our topics and consumer groups start with."""
    schema_registry_url: str | None = Field(default=None, pattern=r"^https?://")
    """Base address of a Schema Registry; messages are Confluent-framed when it is set."""
    schema_registry_username: str | None = None
    """User name for the registry's basic authentication."""
    schema_registry_password: SecretStr | None = None
    """Password for the registry's basic authentication."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How connections to the brokers are protected."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """How we authenticate, with a SASL protocol."""
    sasl_username: str | None = None
    """User name, with a SASL protocol."""
    sasl_password: SecretStr | None = None
    """Password, with a SASL protocol."""
    ssl_ca_location: str | None = None
    """File with the certificates that brokers' certificates are checked against."""
    ssl_certificate_location: str | None = None
    """File with our certificate, where brokers ask for one."""
    ssl_key_location: str | None = None
    """File with our certificate's private key."""
    ssl_key_password: SecretStr | None = None
    """Password of the private key."""

    @model_validator(mode="after")
    def _sasl_is_complete(self) -> KafkaSettings:
        given = (self.sasl_mechanism, self.sasl_username, self.sasl_password)
        if self.security_protocol.startswith("SASL_") and None in given:
            raise ValueError("a SASL protocol needs sasl_mechanism, sasl_username, sasl_password")
        return self

    def topic(self, topic: Topic) -> str:
        """The full name of one of our topics under this prefix."""
        return topic.name(self.topic_prefix)

    def client_config(self) -> dict[str, str]:
        """librdkafka's connection settings, secrets in clear: never log them."""
        options = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": _revealed(self.sasl_password),
            "ssl.ca.location": self.ssl_ca_location,
            "ssl.certificate.location": self.ssl_certificate_location,
            "ssl.key.location": self.ssl_key_location,
            "ssl.key.password": _revealed(self.ssl_key_password),
        }
        return {name: value for name, value in options.items() if value is not None}


class LogSettings(ServiceSettings):
    """What is logged, and in which shape."""

    model_config = SettingsConfigDict(env_prefix="FIXSTREAM_LOG_")

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe level that is written."""
    format: Literal["auto", "console", "json"] = "auto"
    """`auto` writes for people on a terminal and JSON lines elsewhere."""


_QUOTED = re.compile(r'"(\w+)"')
"""The field in pydantic's message, which quotes no value."""


def load_settings(settings_type: type[T], **given: Any) -> T:
    """Reads the settings from the environment.

    Args:
        settings_type: Which settings.
        given: Fields that are known already, whatever the environment says.

    Raises:
        Misconfigured: A variable is missing or wrong; the message names each one, in one line.
    """
    try:
        return settings_type(**given)
    except ValidationError as error:
        problems = [
            f"{_variable(settings_type, item['loc'])}: {_reason(item['msg'])}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise Misconfigured("; ".join(problems)) from None
    except SettingsError as error:  # A variable that should hold JSON does not.
        told = str(error).splitlines()[0]
        field = _QUOTED.search(told)
        variable = _variable(settings_type, (field[1],)) if field else told
        raise Misconfigured(f"{variable}: no JSON, as a list has to be") from None


def _variable(settings_type: type[BaseSettings], location: tuple[int | str, ...]) -> str:
    if not location:
        return settings_type.__name__
    name = str(location[0])
    if name not in settings_type.model_fields:
        return name.upper()  # An alias is the variable's whole name.
    return f"{settings_type.model_config.get('env_prefix', '')}{name}".upper()


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
