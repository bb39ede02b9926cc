"""Kafka's jars: pinned by version and hash, downloaded once per user, then used without a network.

The list stands in `broker_jars.txt`; `jgo` fetches each jar from Maven Central. A jar counts as
there only when its hash has been checked, so an interrupted download leaves nothing that is later
trusted. It resolves nothing at run time: a version changes in the list or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from fixstream.schemas.errors import StartFailed

KAFKA_VERSION = "4.2.0"
_NUM_DOWNLOADS = 6

Progress = Callable[[str, int, int], None]
"""Told (what, number done, number in all) as a slow step goes on."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned jar."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        """Its name in the cache."""
        return f"{self.artifact}-{self.version}.jar"


def pinned_jars() -> list[Jar]:
    """The list that this release runs on."""
    text = resources.files("fixstream.runtime").joinpath("broker_jars.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    fields = [line.replace(":", " ").split() for line in lines]
    return [Jar(group, artifact, version, sha256) for group, artifact, version, sha256 in fields]


def default_cache_folder() -> Path:
    """Where jars are kept for this user: `$XDG_CACHE_HOME/fixstream` or `~/.cache/fixstream`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fixstream"


class JarCache:
    """The folder of jars, complete or not there."""

    def __init__(self, folder: Path, *, repository_url: str | None = None) -> None:
        """Keeps jars below `folder`; `repository_url` stands in for Maven Central."""
        self._folder = folder
        self._repository_url = repository_url

    @property
    def jar_folder(self) -> Path:
        """Where the jars lie once `ensure` has returned."""
        # The list's hash in the name: a changed list never meets an old folder.
        listed = "".join(jar.sha256 for jar in pinned_jars())
        digest = hashlib.sha256(listed.encode()).hexdigest()[:12]
        return self._folder / f"kafka-{KAFKA_VERSION}-{digest}"

    def ensure(self, progress: Progress | None = None) -> Path:
        """The folder with all jars, downloaded if need be.

        Raises:
            StartFailed: A jar cannot be had or is not the one that was pinned.
        """
        if self.jar_folder.is_dir():
            return self.jar_folder
        self._folder.mkdir(parents=True, exist_ok=True)
        with locked(self._folder / "jars.lock"):
            if not self.jar_folder.is_dir():  # Else another process has just brought them.
                self._download(progress or (lambda what, done, total: None))
        return self.jar_folder

    def _download(self, progress: Progress) -> None:
        jars = pinned_jars()
        staging = self._folder / "incoming"
        staging.mkdir(exist_ok=True)
        progress("downloading Kafka", 0, len(jars))
        with ThreadPoolExecutor(_NUM_DOWNLOADS, thread_name_prefix="jar-download") as pool:
            waiting = [pool.submit(self._fetch, jar, staging) for jar in jars]
            for done, future in enumerate(as_completed(waiting), start=1):
                try:
                    future.result()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
                progress("downloading Kafka", done, len(jars))
        shutil.rmtree(staging / "repository", ignore_errors=True)
        staging.rename(self.jar_folder)

    def _fetch(self, jar: Jar, staging: Path) -> None:
        target = staging / jar.filename
        if target.exists():
            return  # Checked by an earlier run that did not get to the end.
        from jgo.maven import MavenContext  # Slow to import, and needed once.

        repository = staging / "repository"
        sources = {"central": self._repository_url} if self._repository_url else None
        context = MavenContext(repo_cache=repository, remote_repos=sources)
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        if artifact.cached_path is not None:
            Path(artifact.cached_path).unlink(missing_ok=True)  # Cut short by an earlier run.
        try:
            fetched = Path(artifact.resolve())
        except (RuntimeError, OSError) as error:  # requests' errors are OSErrors.
            raise StartFailed(f"cannot download {jar.filename}: {error}") from error
        if hashlib.sha256(fetched.read_bytes()).hexdigest() != jar.sha256:
            raise StartFailed(f"{jar.filename} is not the pinned one: its sha256 differs")
        fetched.rename(target)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a file lock; the kernel gives it up with the process."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
