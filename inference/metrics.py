"""The service's Prometheus metrics, in one place. It measures nothing itself."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_PREFIX = "fixstream_inference"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10)

REQUESTS = Counter(f"{_PREFIX}_requests_total", "REST requests", ("route", "method", "status"))
REQUEST_SECONDS = Histogram(
    f"{_PREFIX}_request_seconds", "REST request durations", ("route",), buckets=_SECONDS
)
PREDICTIONS_REFUSED = Counter(
    f"{_PREFIX}_predictions_refused_total", "Predictions refused or given up under load"
)
PREDICTIONS_FAILED = Counter(f"{_PREFIX}_predictions_failed_total", "Predictions that raised")
BATCH_SIZE = Histogram(
    f"{_PREFIX}_batch_texts", "Texts in one pass of the model", buckets=(1, 2, 4, 8, 16, 32)
)
SENTENCES_SKIPPED = Counter(
    f"{_PREFIX}_sentences_skipped_total",
    "Errors answered without the sentence encoder (late, failed)",
    ("reason",),
)
VECTOR_STORE_FAILED = Counter(
    f"{_PREFIX}_vector_store_failures_total",
    "Calls of the vector store that failed, were late, or were left out after a failure",
    ("operation",),
)
KEYS_REFUSED = Counter(
    f"{_PREFIX}_keys_refused_total",
    "Requests without a key for what they ask (missing, unknown, scope)",
    ("reason",),
)
CONNECTIONS_REFUSED = Counter(
    f"{_PREFIX}_connections_refused_total",
    "Connections closed before they became a request (too_many, slow_headers, large_headers)",
    ("reason",),
)
RATE_STORE_FAILED = Counter(
    f"{_PREFIX}_rate_store_failures_total",
    "Calls counted locally because the shared store did not answer",
)
CACHE = Counter(f"{_PREFIX}_cache_lookups_total", "Answer look-ups", ("cache", "outcome"))
MODEL_VERSION = Gauge(f"{_PREFIX}_model_version", "Version of the model in use; 0 without one")
MODEL_ARITHMETIC = Gauge(
    f"{_PREFIX}_model_arithmetic", "1 for what the model in use calculates in", ("arithmetic",)
)
ARITHMETIC_SECONDS = Gauge(
    f"{_PREFIX}_arithmetic_seconds",
    "Processor time of one long prediction in each arithmetic, when last measured",
    ("arithmetic",),
)
MODEL_SCORE = Gauge(
    f"{_PREFIX}_model_score",
    "What the model in use scored on events before it learnt them; log loss tells its calibration",
    ("name",),
)
MODELS_HELD = Gauge(f"{_PREFIX}_models_held", "Models in memory: the one in use and those draining")
RELOADS = Counter(f"{_PREFIX}_reloads_total", "Models put in use, the first one included")
UPDATES_REFUSED = Counter(f"{_PREFIX}_updates_refused_total", "Model updates refused", ("reason",))
RELOAD_SECONDS = Histogram(
    f"{_PREFIX}_reload_seconds",
    "From seeing an update to serving it",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
)
SOLUTIONS = Gauge(f"{_PREFIX}_solutions", "Fixes in the knowledge base")
SUGGESTIONS = Counter(f"{_PREFIX}_suggestions_total", "Suggestions published", ("has_fix",))
SUGGESTION_SECONDS = Histogram(
    f"{_PREFIX}_raise_to_suggestion_seconds",
    "From an error's occurrence to its suggestion's delivery",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 60),
)
GENERATED = Counter(
    f"{_PREFIX}_generated_fixes_total",
    "Fixes that were to be adapted (generated, kept, refused, failed), and answers too late (late)",
    ("outcome",),
)
FEEDBACK = Counter(f"{_PREFIX}_feedback_total", "Feedback read", ("worked",))
RECORDS_SKIPPED = Counter(
    f"{_PREFIX}_records_skipped_total", "Records that could not be read", ("topic", "error_class")
)
LAG = Gauge(f"{_PREFIX}_lag_records", "Records not yet read", ("topic",))
