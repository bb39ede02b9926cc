"""Prometheus metrics of the crawlers. Labels are closed sets: hosts are those of the settings."""

from __future__ import annotations

from prometheus_client import Counter

REQUESTS = Counter(
    "fixstream_crawl_requests_total",
    "Requests by host and outcome (answered, failed, limited).",
    ["host", "outcome"],
)
PUBLISHED = Counter(
    "fixstream_crawl_published_total",
    "Records that Kafka acknowledged, by source and kind (event, solution, tombstone).",
    ["source", "kind"],
)
SKIPPED = Counter(
    "fixstream_crawl_skipped_total",
    "Posts that were read and not published, by source and reason.",
    ["source", "reason"],
)
FAILED_QUERIES = Counter(
    "fixstream_crawl_failed_queries_total",
    "Queries that a run could not finish, by source and kind of failure.",
    ["source", "failure"],
)
