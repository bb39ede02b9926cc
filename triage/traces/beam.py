"""Traces of the BEAM: Elixir and Erlang. Refuses text without a frame that names an `.ex` or `.erl` file."""

from __future__ import annotations

import re

from fixstream.triage.traces.model import MAX_FRAMES, Frame, ParsedException, short_message

GATE = r'[\w/.-]+\.exs?:\d+: \S|\{file,"[^"\n]+\.erl"\}|\([\w./-]+\.erl, line \d+\)'

SIGNS = r"\.exs?:\d|\.erl\b"
"""What the gate cannot open without; quicker to look for."""

_ELIXIR = re.compile(
    r"^[^\S\n]*(?:\((?P<app>\w{1,64})(?: [\w.+-]{1,32})?\) )?(?P<file>[\w/.-]{1,300}\.(?:exs?|erl)):(?P<line>\d{1,9}): (?P<function>\S[^\n]{0,300})",
    re.MULTILINE,
)
_ERLANG = re.compile(
    r"\{(?P<module>[\w@']{1,100}),(?P<function>[\w@'/-]{1,100}),(?P<arity>\d{1,3}|\[[^\n]{0,300}?\]),"
    r'\s{0,80}\[\{file,"(?P<file>[^"\n]{1,300})"\},\s{0,80}\{line,(?P<line>\d{1,9})\}'
)
_SHELL = re.compile(
    r"^[^\S\n]*(?:in (?:call from|function) +)(?P<module>[\w@']{1,100}):(?P<function>[\w@'/-]{1,100})"
    r" \((?P<file>[\w./-]{1,300}\.erl), line (?P<line>\d{1,9})\)",
    re.MULTILINE,
)
_HEAD = re.compile(r"\*\* \((?P<type>[A-Z][\w.]{0,200}|exit|throw)\) ?(?P<message>[^\n]*)")
_REASON = re.compile(
    r"\{\{?(?P<type>[a-z]\w{0,60})[^\[\n]{0,200}\[|exception (?:error|exit|throw): (?P<message>[^\n]*)"
)
_LIBRARY = frozenset(
    (
        "elixir", "stdlib", "kernel", "logger", "mix", "ex_unit", "eex", "iex", "phoenix", "plug", "plug_cowboy",
        "ecto", "ecto_sql", "db_connection", "postgrex", "cowboy", "bandit", "telemetry", "phoenix_live_view", "absinthe",
    )
)  # fmt: skip
_STANDARD = frozenset(
    ("gen_server", "gen_statem", "proc_lib", "erlang", "lists", "maps", "gen", "supervisor", "ets", "timer", "io")
)  # fmt: skip
_ANONYMOUS = re.compile(r"^anonymous fn/\d+ in ")


def _elixir_frame(match: re.Match[str]) -> Frame:
    function, file = _ANONYMOUS.sub("", match["function"].strip()), match["file"]
    library = match["app"] in _LIBRARY or file.startswith("deps/")
    module = file.rpartition(".")[0]
    return Frame(function, file, int(match["line"]), module, not library)


def _erlang_frame(match: re.Match[str]) -> Frame:
    module, function = match["module"], match["function"]
    arity = match.groupdict().get("arity") or ""
    name = f"{function}/{arity}" if arity.isdecimal() else function
    return Frame(name, match["file"], int(match["line"]), module, module not in _STANDARD)


def parse(text: str) -> tuple[ParsedException, ...] | None:
    """Reads a trace of Elixir, else one of Erlang."""
    head = _HEAD.search(text)
    frames = [_elixir_frame(match) for match in _ELIXIR.finditer(text)]
    if head is not None and frames:
        return (_exception(head["type"], head["message"], frames),)
    if len(frames) > 1:
        return (_exception(None, "", frames),)
    frames = [_erlang_frame(match) for match in _ERLANG.finditer(text)]
    frames = frames or [_erlang_frame(match) for match in _SHELL.finditer(text)]
    if not frames:
        return None
    reason = _REASON.search(text)
    if reason is None:
        return (_exception(None, "", frames),)
    return (_exception(reason["type"], reason["message"] or "", frames),)


def _exception(kind: str | None, message: str, frames: list[Frame]) -> ParsedException:
    return ParsedException(kind, short_message(message), tuple(frames[:MAX_FRAMES]))


def language(exceptions: tuple[ParsedException, ...]) -> str:
    """Names erlang when no frame is in a file of Elixir."""
    files = [frame.file or "" for frame in exceptions[0].frames]
    return "elixir" if any(file.endswith((".ex", ".exs")) for file in files) else "erlang"
