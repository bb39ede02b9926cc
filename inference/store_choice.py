"""Which vector store the settings name. It opens no connection yet."""

from __future__ import annotations

from urllib.parse import urlsplit

from fixstream.inference.settings import InferenceSettings
from fixstream.inference.vectors import MemoryStores, VectorStores
from fixstream.runtime.clock import Clock
from fixstream.schemas.errors import Misconfigured

MEMORY = "memory://"
WRITE_TIMEOUT_S = 10


def vector_stores(settings: InferenceSettings, prefix: str, clock: Clock) -> VectorStores:
    """Stores in this process, or in the Qdrant at an HTTP address.

    Args:
        settings: Name the store.
        prefix: Of everything that is kept there.
        clock: For pauses after a failure.

    Raises:
        Misconfigured: The address is none, or the extra is not installed.
    """
    address = settings.vector_store.get_secret_value()
    if address == MEMORY:
        return MemoryStores()
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Misconfigured(
            f"FIXSTREAM_INFERENCE_VECTOR_STORE has to be {MEMORY}, or http(s)://host of a Qdrant"
        )
    try:
        from qdrant_client import QdrantClient

        from fixstream.inference.qdrant_stores import QdrantStores
    except ImportError:
        raise Misconfigured(
            "a vector store in Qdrant needs the extra: pip install 'fixstream[qdrant]'"
        ) from None
    key = settings.vector_store_key
    client = QdrantClient(
        url=address,
        port=parts.port or (443 if parts.scheme == "https" else 6333),
        api_key=key.get_secret_value() if key else None,
        timeout=WRITE_TIMEOUT_S,
        check_compatibility=False,  # It would connect here and now.
    )
    return QdrantStores(client, clock, prefix, settings.vector_store_limit_ms / 1000)
