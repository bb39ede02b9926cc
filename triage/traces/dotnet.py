"""Traces of .NET: C#, F#, Visual Basic, with inner and aggregate exceptions.

Refuses `at` lines whose brackets hold a source file: those are the JVM's.
"""

from __future__ import annotations

import re

from fixstream.triage.traces.model import MAX_FRAMES, Frame, ParsedException, short_message

GATE = (
    r"\bat [^\s()]+ ?\([^()\n]*\)(?: \[0x[0-9a-fA-F]+\])? in [^\n]+:(?:line )?\d+"
    r"|--- End of (?:inner exception )?stack trace|Exception Info: |\(at [^\n()]+\.cs:\d+\)|:(?:Zeile|ligne|l[^\n ]{1,3}nea) \d"
    r"|\bat (?:System|Microsoft)\.[^\s()]+ ?\([^()\n]*\)"
    r"|\bat [\w.`<>+|\[\],]+\.[\w.`<>|\[\],]+\((?:[\w.`\[\]&<>,]+ \w+(?:, )?)+\)"
)

SIGNS = r"at [^\s(]+ ?\(|--- End of|\(at [A-Z]|\.cs:[Zl]"
"""What the gate cannot open without; quicker to look for."""

_FRAME = re.compile(
    r"^[^\S\n]*(?:at|bei|\u00e0|en) (?:(?P<path>[^\s(]{1,400}?)\.)?(?P<function>[^\s.(]{1,200}|\.c?ctor) ?"
    r"\((?P<args>[^\n]{0,500}?)\)(?: \[0x[0-9a-fA-F]+\])?(?: (?:in|dans|en) (?P<file>[^\n]{1,400}?):(?:(?:line|Zeile|ligne|l\u00ednea) )?(?P<line>\d{1,9})\.?)?"
    r"[ \t]*$",
    re.MULTILINE,
)
_UNITY = re.compile(
    r"^(?P<path>[\w.+<>`]{1,400})[.:](?P<function>\.?\w{1,200}) ?\([^\n()]{0,500}\) \(at (?P<file>[^\n()]{1,400}\.cs):(?P<line>\d{1,9})\)[ \t]*$",
    re.MULTILINE,
)
_TYPE = re.compile(
    r"(?:(?:^[^\S\n]*(?:Unhandled exception\. )?|---> )(?P<named>(?:[A-Za-z_]\w*\.)+[A-Z]\w*)"
    r"|(?:^|[\s\]:])(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Exception|Error|Fault|Timeout)))"
    r"(?: \(0x[0-9A-Fa-f]+\))?(?:: (?P<message>[^\n]*?))?(?=(?: ---> )|\n|\r|$)",
    re.MULTILINE,
)
"""A type with its namespace may have any name, another one has to sound like an exception's."""
_LIBRARY = ("System.", "Microsoft.", "MS.", "Newtonsoft.", "Npgsql.", "MySql.", "NUnit.", "Xunit.",
            "Moq.", "Castle.", "Autofac.", "Serilog.", "Dapper.", "Grpc.", "Azure.", "Amazon.",
            "StackExchange.", "RestSharp.", "Polly.", "AutoMapper.", "MediatR.", "Hangfire.", "Mono.")  # fmt: skip
_END_INNER = re.compile(r"^[^\S\n]*--- End of inner exception stack trace ---", re.MULTILINE)
_OTHER_INNER = re.compile(r"^[^\S\n]*---> \(Inner Exception #", re.MULTILINE)
"""Behind an aggregate its parts are printed again, and those that it did not begin with."""
_GENERATED = re.compile(r"[+.]?<(?P<name>\w*)>[cdbg]__\w*(?:`\d+)?")
_ARITY = re.compile(r"`\d+(?:\[[^\]]*\]+)?")


def _frame(match: re.Match[str]) -> Frame:
    path, function = match["path"] or "", match["function"]
    generated = _GENERATED.search(path)
    if generated is not None:
        function = generated["name"] or function
        path = path[: generated.start()]
    return Frame(
        _GENERATED.sub(lambda found: found["name"], function),
        match["file"],
        int(match["line"]) if match["line"] else None,
        _ARITY.sub("", path).rstrip(".+"),
        not path.startswith(_LIBRARY),
    )


def parse(text: str) -> tuple[ParsedException, ...] | None:
    """Reads a .NET trace. The innermost exception's frames come first, then those of the outer."""
    form = _FRAME
    first = form.search(text)
    if first is None:
        form = _UNITY
        first = form.search(text)
    if first is None:
        return None
    heads = list(_TYPE.finditer(text[: first.start()][-8000:]))
    bodies = _END_INNER.split(_OTHER_INNER.split(text[first.start() :], maxsplit=1)[0])
    exceptions = []
    for index, body in enumerate(bodies):
        frames = tuple(_frame(match) for match in form.finditer(body))[:MAX_FRAMES]
        head = heads[-1 - index] if index < len(heads) else None
        message = short_message(head["message"] or "") if head else ""
        if not frames and head is None:
            continue
        kind = (head["named"] or head["type"]) if head else None
        exceptions.append(ParsedException(kind, message, frames))
    return tuple(exceptions) or None
