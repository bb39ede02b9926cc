"""A Schema Registry's ids, over its REST interface.

Schemas are registered under the record's full name (Confluent's RecordNameStrategy), because one
record may travel on several topics. Every answer is kept, so a registry is asked once for each
schema; without `FIXSTREAM_SCHEMA_REGISTRY_URL` it is never asked at all.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from fixstream.runtime.clock import Clock, SystemClock
from fixstream.runtime.settings import KafkaSettings
from fixstream.schemas.codec import Codec
from fixstream.schemas.errors import Misconfigured, RetryLater, SchemaConflict, UnknownSchema

REQUEST_TIMEOUT_S = 10.0
UNKNOWN_FOR_S = 60.0
"""How long an id that the registry does not know is not asked for again.

Hostile messages can carry any id; without this each would cost a request."""

_MAX_UNKNOWN_IDS = 10_000
_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"


def make_codec(settings: KafkaSettings) -> Codec:
    """The codec that these settings ask for: with a Schema Registry if they name one.

    Raises:
        Misconfigured: They name one, but the package `httpx` is not installed.
    """
    if settings.schema_registry_url is None:
        return Codec()
    try:
        import httpx  # noqa: F401
    except ImportError as error:
        raise Misconfigured("a Schema Registry needs fixstream[registry]") from error
    return Codec(SchemaRegistry(settings))


class SchemaRegistry:
    """The real `SchemaIds`; safe to share between threads."""

    def __init__(self, settings: KafkaSettings, clock: Clock | None = None) -> None:
        """Takes the address and the credentials.

        Raises:
            Misconfigured: The settings name no registry.
        """
        if settings.schema_registry_url is None:
            raise Misconfigured("FIXSTREAM_SCHEMA_REGISTRY_URL is not set")
        self._url = settings.schema_registry_url.rstrip("/")
        self._auth: tuple[str, str] | None = None
        if settings.schema_registry_username and settings.schema_registry_password:
            password = settings.schema_registry_password.get_secret_value()
            self._auth = (settings.schema_registry_username, password)
        self._clock = clock or SystemClock()
        self._ids: dict[tuple[str, str], int] = {}
        self._schemas: dict[int, str] = {}
        self._unknown_until: dict[int, float] = {}

    def id_of(self, subject: str, schema: str) -> int:
        """The id of this schema (JSON text) under this subject, registered if it is new.

        Raises:
            SchemaConflict: The registry refuses the schema as incompatible.
            RetryLater: The registry does not answer.
            Misconfigured: It refuses us, or is no Schema Registry.
        """
        known = self._ids.get((subject, schema))
        if known is not None:
            return known
        path = f"/subjects/{quote(subject, safe='')}/versions"
        status, answer = self._request("POST", path, {"schema": schema})
        if status in (409, 422):
            raise SchemaConflict(f"the Schema Registry refuses the schema of {subject}")
        schema_id = answer.get("id")
        if status != 200 or not isinstance(schema_id, int):
            raise self._no_registry(status)
        self._ids[subject, schema] = schema_id
        return schema_id

    def schema_of(self, schema_id: int) -> str:
        """The schema (JSON text) with this id.

        Raises:
            UnknownSchema: There is none, or it is not an Avro schema.
            RetryLater: The registry does not answer.
            Misconfigured: It refuses us, or is no Schema Registry.
        """
        known = self._schemas.get(schema_id)
        if known is not None:
            return known
        unknown = UnknownSchema(f"the Schema Registry has no Avro schema with id {schema_id}")
        if self._clock.monotonic() < self._unknown_until.get(schema_id, 0.0):
            raise unknown
        status, answer = self._request("GET", f"/schemas/ids/{schema_id}")
        if status == 404 or answer.get("schemaType", "AVRO") != "AVRO":
            self._remember_unknown(schema_id)
            raise unknown
        schema = answer.get("schema")
        if status != 200 or not isinstance(schema, str):
            raise self._no_registry(status)
        self._schemas[schema_id] = schema
        return schema

    def _remember_unknown(self, schema_id: int) -> None:
        if len(self._unknown_until) >= _MAX_UNKNOWN_IDS:
            self._unknown_until.clear()
        self._unknown_until[schema_id] = self._clock.monotonic() + UNKNOWN_FOR_S

    def _request(
        self, method: str, path: str, body: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One call; the few that a process makes do not need a kept connection."""
        import httpx

        try:
            response = httpx.request(
                method,
                self._url + path,
                content=json.dumps(body) if body else None,
                headers={"Content-Type": _CONTENT_TYPE, "Accept": _CONTENT_TYPE},
                auth=self._auth,
                timeout=REQUEST_TIMEOUT_S,
            )
        except httpx.TransportError as error:
            raise RetryLater(f"the Schema Registry does not answer: {error}") from error
        except httpx.InvalidURL as error:
            raise Misconfigured(f"FIXSTREAM_SCHEMA_REGISTRY_URL: {error}") from error
        if response.status_code in (401, 403):
            raise Misconfigured("the Schema Registry refuses our user name and password")
        if response.status_code == 429 or response.status_code >= 500:
            raise RetryLater(f"the Schema Registry answers with status {response.status_code}")
        try:
            answer = response.json()
        except ValueError:
            raise self._no_registry(response.status_code) from None
        return response.status_code, answer if isinstance(answer, dict) else {}

    def _no_registry(self, status: int) -> Misconfigured:
        return Misconfigured(
            f"FIXSTREAM_SCHEMA_REGISTRY_URL: no Schema Registry's answer (status {status})"
        )
