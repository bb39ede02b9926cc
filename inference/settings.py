"""What can be set from outside: `FIXSTREAM_INFERENCE_*`, read once by the entry point."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from fixstream.runtime.settings import ServiceSettings


class InferenceSettings(ServiceSettings):
    """The inference service's settings."""

    model_config = SettingsConfigDict(env_prefix="FIXSTREAM_INFERENCE_")

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    checkpoint_dir: str = Field(
        default="models/continuous_learning",
        validation_alias=AliasChoices("FIXSTREAM_INFERENCE_CHECKPOINT_DIR", "CHECKPOINT_DIR"),
    )
    """Folder or URL under which checkpoints lie. No other place is read."""
    trusted_keys: str | None = None
    """File or folder with the public keys whose updates are trusted: `<CHECKPOINT_DIR>/keys`."""
    streams_group: str = "streams"
    """The processor's consumer group, without the prefix, whose lag is shown."""
    model_name: str | None = None
    """Follow the updates of this model only; default: every model on the topic."""
    num_threads: int = Field(default=0, ge=0, le=256)
    """Torch threads of a prediction; 0 takes the machine's cores, at most 4."""
    precision: str = Field(default="auto", pattern="^(auto|float32|bfloat16|int8)$")
    """`auto` measures at load and takes the fastest that answers alike."""
    sentence_encoder: Path | None = None
    """Folder of a sentence-transformers model, frozen: fixes are found by it, and a model that
    learnt with it reads with it."""
    vector_store: SecretStr = SecretStr("memory://")
    """Where vectors of fixes are held: in this process, or `http(s)://host:6333` of a Qdrant."""
    vector_store_key: SecretStr | None = None
    """API key of the vector store."""
    vector_store_limit_ms: float = Field(default=50.0, gt=0, le=1000)
    """Milliseconds that a search in the vector store may take; after that, words find alone."""
    max_batch: int = Field(default=16, ge=1, le=256)
    """The most predictions in one pass of the model."""
    company_wait_ms: float = Field(default=2.0, ge=0, le=100)
    """Milliseconds that a batch stays open for more, under load."""
    max_waiting: int = Field(default=512, ge=1)
    """Predictions that may wait; further requests are answered 503."""
    deadline_s: float = Field(default=5.0, gt=0)
    """Seconds after which a waiting prediction is given up with 503."""
    max_wait_s: float = Field(default=2.0, gt=0)
    """Where a further prediction would have to wait longer, it is answered 503 at once."""
    cache_ttl_s: float = Field(default=300.0, ge=0)
    """Seconds that an answer is kept for the same error under the same model."""
    cache_size: int = Field(default=10_000, ge=1)
    """Answers kept at most."""
    min_confidence: float = Field(default=0.3, ge=0, le=1)
    """A right fix has to be so likely among the first three, or none is shown: none is known."""
    generation: bool = False
    """Adapt the fixes shown to the error, where the model has learnt to and is sure enough."""
    generation_deadline_s: float = Field(default=0.25, gt=0, le=10)
    """Seconds after which the fixes stand as they were retrieved."""
    exploration: float = Field(default=0.05, ge=0, le=0.3)
    """The least share of answers that each way of ordering near-equal fixes gets; 0: none."""
    top_k: int = Field(default=3, ge=1, le=20)
    """Fixes in a published suggestion, and in an answer that does not ask for another number."""
    load_starter: bool = True
    """Publish the starter set of fixes when the topic holds none of it."""
    page_history_h: float = Field(default=24.0, ge=0, le=24)
    """Hours of past errors that the page reads again at start."""
    max_body_bytes: int = Field(default=1_048_576, ge=1024)
    """The largest request body; a larger one is answered 413."""
    body_deadline_s: float = Field(default=10.0, gt=0)
    """Seconds that a client may take to send its body."""
    rate_limit: str = "60000/minute"
    """Requests of one caller to each of predict, suggest-fix and errors, as `limits` writes it."""
    feedback_rate_limit: str = "600/minute"
    """Feedback of one caller."""
    rate_limit_store: SecretStr = SecretStr("memory://")
    """Where calls are counted, as `limits` writes it: `redis://host:6379` for several instances."""
    api_keys: str | None = None
    """File of API keys, made by `fixstream keys new`; without one everybody may do everything."""
    refused_rate_limit: str = "60/minute"
    """Requests with no or a wrong API key from one address."""
    trusted_proxies: str = "127.0.0.1"
    """Comma-separated addresses whose `X-Forwarded-For` is believed; `*` believes everybody."""
    allowed_hosts: str | None = None
    """Comma-separated names that requests may be for, beside addresses and local names;
    `*.example.com` takes all below it, `*` any. Left out: any with API keys or TLS, else none."""
    tls_certificate: str | None = None
    """File with the certificate and its chain (PEM): REST is then served by HTTPS only."""
    tls_private_key: str | None = None
    """File with the certificate's private key (PEM); left out: it stands in the same file."""
    tls_private_key_password: SecretStr | None = None
    """Password of the private key."""
    tls_min_version: Literal["1.2", "1.3"] = "1.2"
    """The oldest TLS that is spoken."""
    max_connections: int = Field(default=1000, ge=1)
    """Requests under way at once; above it the answer is 503."""
    max_open_connections: int = Field(default=10_000, ge=1)
    """Connections open at once, idle ones too; a further one is answered 503 and closed."""
    header_deadline_s: float = Field(default=10.0, gt=0)
    """Seconds that a connection may take to send a request's headers."""
    submitter_key: SecretStr | None = None
    """Key of the hash that stands for a submitter; default: one kept beside the model keys."""
    drain_timeout_s: float = Field(default=10.0, gt=0)
    """Seconds that requests under way have to end after SIGTERM."""

    @property
    def trusted_keys_path(self) -> str:
        """Where the trusted public keys lie.

        Raises:
            Misconfigured: checkpoints lie at a URL, and it was not said where the keys are.
        """
        from fixstream.trainer.checkpoint import keys_beside  # It brings torch along.

        if self.trusted_keys is not None:
            return self.trusted_keys
        return str(keys_beside(self.checkpoint_dir, "FIXSTREAM_INFERENCE_TRUSTED_KEYS"))

    @property
    def keys_folder(self) -> str:
        """A local folder for a key of this service's own: where the model keys lie."""
        path = Path(self.trusted_keys_path)
        return str(path.parent if path.suffix == ".pub" else path)
