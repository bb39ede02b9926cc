"""Traces of the JVM: Java, Kotlin, Scala, Groovy, Clojure, with causes and suppressed exceptions.

Refuses text without an `at package.Class.method(Source)` frame.
"""

from __future__ import annotations

import re

from fixstream.triage.traces.model import (
    MAX_FRAMES,
    Frame,
    ParsedException,
    short_message,
    with_ends,
)

GATE = (
    r"\bat [\w$./@<>-]+\.[\w$<>-]+ ?\((?:[\w$-]+\.(?:java|kt|kts|scala|groovy|clj)\b|Native Method"
    r"|Unknown Source|<generated>)"
)

SIGNS = r"\.(?:java|kt|scala|groovy|clj)\b|Native Method|Unknown Source|<generated>"
"""What the gate cannot open without; quicker to look for."""

_FRAME = re.compile(
    r"^[^\S\n]*at (?:[\w.@-]*/{1,2}){0,2}(?P<path>[\w$.<>-]+)\.(?P<function>[\w$<>-]+) ?"
    r"\((?P<source>[^()\n]{0,300})\)",
    re.MULTILINE,
)
_CAUSE = re.compile(
    r"^(?P<indent>[^\S\n]*)(?P<what>Caused by|Wrapped by|Suppressed): (?P<rest>[^\n]*)",
    re.MULTILINE,
)
_HEADER = re.compile(
    r"(?:^|[\s\"\]:])(?P<type>(?:[A-Za-z_]\w*\.)+[A-Z_]\w*(?:\$\w+)*"
    r"|[A-Z]\w*(?:Exception|Error|Failure|Throwable))(?=[:\s]|$)(?::[ ]?(?P<message>[^\n]*))?"
)
_LIBRARY = (
    "java.", "javax.", "jakarta.", "jdk.", "sun.", "com.sun.", "kotlin.", "kotlinx.", "_COROUTINE.", "scala.",
    "groovy.", "clojure.", "android.", "androidx.", "dalvik.", "com.android.internal.",
    "org.apache.tomcat.", "org.apache.catalina.", "org.apache.coyote.", "org.springframework.",
    "org.junit.", "junit.", "org.eclipse.jetty.", "org.mortbay.", "io.netty.", "reactor.",
    "io.reactivex.", "org.hibernate.", "com.fasterxml.", "com.google.common.", "okhttp3.",
    "retrofit2.", "org.codehaus.", "org.gradle.", "org.testng.", "akka.", "play.", "com.zaxxer.",
    "org.jboss.", "io.undertow.", "io.vertx.", "org.slf4j.", "ch.qos.logback.",
    "org.apache.maven.", "org.apache.http.", "org.apache.commons.", "org.mockito.", "com.mysql.",
    "org.postgresql.", "oracle.jdbc.", "feign.", "rx.", "software.amazon.awssdk.",
    "com.amazonaws.", "com.azure.", "com.google.cloud.", "io.grpc.", "org.aspectj.", "javassist.",
    "net.bytebuddy.", "org.apache.logging.",
)  # fmt: skip


def _frame(match: re.Match[str]) -> Frame:
    path, function, source = match.groups()
    file, _, number = source.partition(":")
    return Frame(
        function,
        file if "." in file else None,
        int(number[:9]) if number[:9].isdecimal() else None,
        path,
        not path.startswith(_LIBRARY),
    )


def _exception(header: str, body: str) -> ParsedException | None:
    frames = tuple(_frame(match) for match in _FRAME.finditer(body))[:MAX_FRAMES]
    found = _HEADER.search(header[-4000:])
    if not frames and found is None:
        return None
    if found is None:
        return ParsedException(None, short_message(header), frames)
    return ParsedException(found["type"], short_message(found["message"] or ""), frames)


def _causes(marks: list[re.Match[str]]) -> list[bool]:
    """Tells of each mark whether it goes on with the chain: what a suppressed one has inside does not."""
    inside: int | None = None
    goes_on = []
    for mark in marks:
        indent = len(mark["indent"])
        if mark["what"] == "Suppressed":
            inside = indent if inside is None else min(inside, indent)
        elif inside is not None and (inside == 0 or indent < inside):
            inside = None
        goes_on.append(
            mark["what"] != "Suppressed"
            and inside is None
            and not mark["rest"].startswith("[CIRCULAR")
        )
    return goes_on


def parse(text: str) -> tuple[ParsedException, ...] | None:
    """Reads a JVM trace: the deepest `Caused by` is the root; suppressed ones are left out.

    Loggers may turn the order round; then each one names what it is wrapped by.
    """
    first = _FRAME.search(text)
    if first is None:
        return None
    marks = list(_CAUSE.finditer(text))
    end = marks[0].start() if marks else len(text)
    head = text[: min(first.start(), end)]
    chain = [_exception(head, text[first.start() : end] if first.start() < end else "")]
    for (mark, limit), goes_on in zip(with_ends(marks, len(text)), _causes(marks), strict=True):
        if goes_on:
            chain.append(_exception(mark["rest"], text[mark.end() : limit]))
    found = [exception for exception in chain if exception is not None]
    root_first = any(mark["what"] == "Wrapped by" for mark in marks)
    return tuple(found if root_first else found[::-1]) or None


def language(exceptions: tuple[ParsedException, ...]) -> str:
    """Names the language of most files of the root's own frames: java, kotlin or scala."""
    root = next((found for found in exceptions if found.frames), exceptions[0])
    frames = [frame for frame in root.frames if frame.in_app] or root.frames
    endings = [(frame.file or "").rpartition(".")[2] for frame in frames]
    for ending, name in (("kt", "kotlin"), ("scala", "scala")):
        if endings.count(ending) * 2 > len(endings):
            return name
    return "java"
