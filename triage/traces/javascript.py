"""Traces of JavaScript and TypeScript: V8 (Chrome, Node, Deno), Firefox and Safari.

Refuses lines that begin with `at` but name no place in a file, so that prose is no trace.
"""

from __future__ import annotations

import re

from fixstream.triage.traces.model import MAX_FRAMES, Frame, ParsedException, short_message

GATE = (
    r"\bat (?:[^\n()]{1,200} )?\(?[^\s()]*(?:\([^\s()]*\)[^\s()]*)*:\d+:\d+\)?"
    r"|\bat [^\n()]{1,200} \((?:native|<anonymous>|unknown location|index \d+)\)"
    r"|[\w$.</*\[\]]*@(?:https?|file|resource|webpack|chrome|moz-extension|safari-extension|app|capacitor)"
    r":[^\s]*:\d+(?::\d+)?|\bin [A-Z]\w* \(at [^\s()]+\.[jt]sx?:\d+\)"
)

SIGNS = r":\d+:\d|\((?:native|<anonymous>|unknown location)\)|\(index |@(?:https?|file|resource|webpack|chrome|moz-extension|safari-extension|app|capacitor):|\(at \S+:\d"
"""What the gate cannot open without; quicker to look for."""

_V8 = re.compile(
    r"^[^\S\n]*at (?:(?P<function>[^\n(]{0,300}?) ?\((?P<place>[^\n]{0,600})\)|(?P<bare>\S{1,600}))[ \t]*$",
    re.MULTILINE,
)
_GECKO = re.compile(
    r"^[^\S\n]*(?P<function>(?:(?:global|module|eval) )?[^\s@]{0,300})@(?P<file>[^\s]{1,600}?):(?P<line>\d{1,9})(?::\d{1,9})?[ \t]*$",
    re.MULTILINE,
)
_REACT = re.compile(
    r"^[^\S\n]*in (?P<function>[A-Z]\w{0,200}) \(at (?P<file>[^\s():]{1,400}\.[jt]sx?):(?P<line>\d{1,9})\)[ \t]*$",
    re.MULTILINE,
)
"""Components of a page, as React wrote them before it took the browser's form."""
_PLACE = re.compile(r"(?P<file>.*?):(?P<line>\d{1,9})(?::\d{1,9})?$")
_HEADER = re.compile(
    r"^[^\n]{0,200}?\b(?P<type>(?:[A-Za-z_$][\w$]*\.)*[A-Z][\w$]*(?:Error|Exception)|Error)\b"
    r"(?: \[(?P<code>\w+)\])?(?:: (?P<message>[^\n]*))?",
    re.MULTILINE,
)
_UNCAUGHT = re.compile(r"^(?:Uncaught )?(?P<message>\S[^\n]*)$", re.MULTILINE)
_CAUSE = re.compile(r"^[^\S\n]*(?:\[cause\]|Caused by): ", re.MULTILINE)
_LIBRARY = re.compile(
    r"node_modules/|^node:|^internal/|\bnode:internal|^native$|^<anonymous>$|bower_components/"
    r"|/(?:vendors?|polyfills?|runtime|jquery|react|vue|angular|zone)[\w.~-]*\.js|chrome-extension:"
    r"|^(?:events|net|fs|http|https|stream|timers|module|util|_\w+|bootstrap_node|path|tls|dns)\.js$",
    re.IGNORECASE,
)
_MODULE = re.compile(r"^(?:[a-z-]+://[^/]*/)?(?:.*?node_modules/)?(?P<path>.*?)(?:\?.*)?$")
_HASH = re.compile(r"[.-][0-9a-zA-Z_]*\d[0-9a-zA-Z_]{4,}(?=[.-])")


def module_of(file: str) -> str:
    """Names the module by its last two folders, without host, query and content hash."""
    found = _MODULE.match(file)
    path = (found["path"] if found else file).replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    name = "/".join(parts[-2:])
    return _HASH.sub("", name).removesuffix(".js").removesuffix(".ts")


def _v8_frame(match: re.Match[str]) -> Frame | None:
    place = match["place"] if match["bare"] is None else match["bare"]
    found = _PLACE.match(place.rstrip(")"))
    if found is None and match["bare"] is not None:
        return None
    file = found["file"].rpartition("(")[2] if found else place
    function = (match["function"] or "<anonymous>").removeprefix("async ").removeprefix("new ")
    return Frame(
        function.partition(" [as ")[0],
        file,
        int(found["line"]) if found else None,
        module_of(file),
        _LIBRARY.search(file) is None,
    )


def _gecko_frame(match: re.Match[str]) -> Frame:
    file = match["file"].rpartition(" > ")[0] or match["file"]
    return Frame(
        match["function"].rstrip("/<") or "<anonymous>",
        file,
        int(match["line"]),
        module_of(file),
        _LIBRARY.search(file) is None,
    )


def _exception(block: str) -> ParsedException | None:
    places = list(_V8.finditer(block))
    frames = [frame for match in places if (frame := _v8_frame(match)) is not None]
    if not frames:
        places = list(_GECKO.finditer(block)) or list(_REACT.finditer(block))
        frames = [_gecko_frame(match) for match in places]
    if not frames:
        return None
    head = block[: places[0].start()][-4000:]
    found = _HEADER.search(head)
    if found is None:
        lines = _UNCAUGHT.findall(head)
        return ParsedException(None, short_message(lines[-1] if lines else ""), tuple(frames))
    return ParsedException(
        found["type"], short_message(found["message"] or ""), tuple(frames[:MAX_FRAMES])
    )


def parse(text: str) -> tuple[ParsedException, ...] | None:
    """Reads a trace; behind it may stand its causes, the deepest last."""
    exceptions = [found for block in _CAUSE.split(text) if (found := _exception(block))]
    return tuple(exceptions[::-1]) or None


def language(exceptions: tuple[ParsedException, ...]) -> str:
    """Names typescript when most own frames are in its files, else javascript."""
    files = [frame.file or "" for frame in exceptions[0].frames if frame.in_app]
    typed = sum(file.endswith((".ts", ".tsx", ".mts", ".cts")) for file in files)
    return "typescript" if typed * 2 > len(files) else "javascript"
