"""The settings of the crawlers, from `FIXSTREAM_CRAWL_*`; read once, by the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import SettingsConfigDict

from fixstream.runtime.settings import ServiceSettings

Address = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+")]
Repository = Annotated[
    str, StringConstraints(pattern=r"^\w[\w.-]{0,99}/[\w-][\w.-]{0,99}(=[^=]{1,100})?$")
]
Subreddit = Annotated[str, StringConstraints(pattern=r"^\w{2,50}$")]
Tag = Annotated[str, StringConstraints(pattern=r"^[^\s;&/]{1,50}$")]


class CrawlSettings(ServiceSettings):
    """Where to look, how much to take, and how politely."""

    model_config = SettingsConfigDict(env_prefix="FIXSTREAM_CRAWL_")

    data_folder: Path = Path(".fixstream/crawl")
    """Where cursors are kept; without it a new start begins at `lookback_days` again."""
    interval_s: float = Field(default=3600.0, ge=60)
    """Seconds from the start of one run to the start of the next."""
    lookback_days: float = Field(default=7.0, gt=0, le=3650)
    """How far the first run of a query looks back."""
    contact: str = Field(default="", max_length=200, pattern=r"^[\x20-\x7e]*$")
    """Who runs this crawler, an address or URL; stands in the User-Agent."""
    quarantine_hours: float = Field(default=24.0, ge=0, le=8760)
    """A crawled text may train this long after its last revision, when moderators had their say."""
    max_posts_per_run: int = Field(default=500, ge=1)
    """Posts that one run takes from one source; the next run goes on from there."""
    max_posts_per_author: int = Field(default=20, ge=1)
    """Records a day that are taken from one author of one source."""
    max_pages: int = Field(default=50, ge=1)
    """Pages that one run asks for in one query."""

    connect_timeout_s: float = Field(default=10.0, gt=0, le=120)
    """Longest wait for a connection."""
    read_timeout_s: float = Field(default=20.0, gt=0, le=300)
    """Longest wait for the next bytes of an answer."""
    total_timeout_s: float = Field(default=60.0, gt=0, le=900)
    """Longest that one answer may take as a whole."""
    max_body_bytes: int = Field(default=20_000_000, ge=1_000)
    """Largest answer, unpacked."""
    max_attempts: int = Field(default=4, ge=1, le=20)
    """How often one question is asked before the run gives it up."""
    max_wait_s: float = Field(default=120.0, ge=0, le=3600)
    """Longest pause that a run sits out when a host asks for one; a longer one ends the run."""
    use_proxy_environment: bool = False
    """Go through the proxies that HTTP_PROXY and HTTPS_PROXY name."""
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Serve /metrics and /healthz there while running hourly; None does not."""

    stackoverflow_base_url: Address = "https://api.stackexchange.com/2.3"
    """The Stack Exchange API, its version included."""
    stackoverflow_site: str = Field(default="stackoverflow", pattern=r"^[\w.-]{1,60}$")
    """Which site of the network, by its API parameter."""
    stackoverflow_tags: tuple[Tag, ...] = (
        "amazon-web-services",
        "azure",
        "google-cloud-platform",
        "kubernetes",
        "docker",
        "terraform",
        "networking",
        "ssl",
        "apache-kafka",
        "postgresql",
        "python",
        "java",
        "node.js",
        "go",
    )
    """Tags whose questions are read, as a JSON list."""
    stackoverflow_key: SecretStr | None = None
    """An application key, which raises the daily quota; it is no secret by the API's own words."""
    stackoverflow_quota_floor: int = Field(default=20, ge=0)
    """Requests of the daily quota that are left for others at the same address."""
    stackoverflow_min_score: int = 1
    """Score from which an answer that was not accepted counts as a fix."""
    stackoverflow_max_answers: int = Field(default=3, ge=1, le=30)
    """Answers taken for one question."""

    github_base_url: Address = "https://api.github.com"
    """GitHub's REST API."""
    github_repositories: tuple[Repository, ...] = (
        "kubernetes/kubernetes=kind/bug",
        "hashicorp/terraform=bug",
        "apache/airflow=kind:bug",
        "grafana/grafana=type/bug",
        "encode/httpx=bug",
        "aio-libs/aiohttp=bug",
    )
    """Repositories as `owner/name` or `owner/name=label`, as a JSON list; the label is `bug`."""
    github_token: SecretStr | None = None
    """A token without any rights: it raises the limit from 60 requests an hour to 5,000."""

    hackernews_base_url: Address = "https://hacker-news.firebaseio.com/v0"
    """The Hacker News API."""
    hackernews_max_stories: int = Field(default=200, ge=1, le=500)
    """How many of the top stories are looked at."""

    reddit_oauth_url: Address = "https://oauth.reddit.com"
    """Reddit's API for clients with a token."""
    reddit_base_url: Address = "https://www.reddit.com"
    """Where tokens are given out."""
    reddit_client_id: str | None = None
    """The client id of your own Reddit app; without it Reddit stays off."""
    reddit_client_secret: SecretStr | None = None
    """The secret of your own Reddit app; without it Reddit stays off."""
    reddit_subreddits: tuple[Subreddit, ...] = (
        "devops",
        "aws",
        "azure",
        "kubernetes",
        "networking",
        "netsec",
        "sysadmin",
        "googlecloud",
    )
    """Subreddits that are read, as a JSON list."""
    reddit_min_score: int = 2
    """Score from which a comment counts as a fix."""

    @model_validator(mode="after")
    def _secrets_stay_private(self) -> CrawlSettings:
        guarded = (
            (self.github_token, (self.github_base_url,)),
            (self.reddit_client_secret, (self.reddit_base_url, self.reddit_oauth_url)),
        )
        for secret, addresses in guarded:
            if secret is not None and any(map(_is_open, addresses)):
                raise ValueError("a secret is sent over https or to a host nearby only")
        return self


def _is_open(address: str) -> bool:
    parts = urlsplit(address)
    host = parts.hostname or ""
    # A name without a dot is one of this machine's or of a network of containers.
    is_near = host in {"127.0.0.1", "::1"} or not set(".:") & set(host)
    return parts.scheme != "https" and not is_near
