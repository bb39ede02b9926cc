"""The environment variables that the services read, taken from their settings classes."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from fixstream.inference.settings import InferenceSettings
from fixstream.producers.crawl.settings import CrawlSettings
from fixstream.producers.settings import ProducerSettings
from fixstream.runtime.settings import KafkaSettings, LogSettings
from fixstream.runtime.topics_plan import TopicsSettings
from fixstream.streams.settings import StreamsSettings
from fixstream.trainer.settings import LearningSettings, TrainerSettings

ALL_SETTINGS: tuple[type[BaseSettings], ...] = (
    KafkaSettings,
    LogSettings,
    TopicsSettings,
    ProducerSettings,
    CrawlSettings,
    StreamsSettings,
    TrainerSettings,
    LearningSettings,
    InferenceSettings,
)


def known_variables() -> frozenset[str]:
    """Every variable that some service reads."""
    return frozenset(name for settings in ALL_SETTINGS for name in _variables(settings))


def default_of(variable: str) -> object:
    """The default behind a variable; raises KeyError where no service reads it."""
    for settings in ALL_SETTINGS:
        for name, field in settings.model_fields.items():
            if variable in set(_field_variables(settings, name)):
                return field.default
    raise KeyError(variable)


def _variables(settings: type[BaseSettings]) -> Iterator[str]:
    for name in settings.model_fields:
        yield from _field_variables(settings, name)


def _field_variables(settings: type[BaseSettings], name: str) -> Iterator[str]:
    alias = settings.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        yield from (str(choice) for choice in alias.choices)
    else:
        yield f"{settings.model_config.get('env_prefix', '')}{name}".upper()
