"""Names the kind of a native crash: of sanitizers, kernels, debuggers, failed checks, the C library.

A kind that holds the words of a failed check names its group almost by itself. Refuses to guess: None
where the text speaks of no crash.
"""

from __future__ import annotations

import re

from fixstream.triage.gates import Gates
from fixstream.triage.normalise import normalise

GATE = (
    r"Sanitizer[: ]|runtime error: |#\d+ +(?:0x[0-9a-f]+ |pc [0-9a-f]{8})|(?i:check failed)|Assertion |ASSERT|(?i:assertion failed)"
    r"|SIG[A-Z]{3,5}\b|[Ff]atal error|FATAL:|#\d+ +[\w:~<>]+ \(.*\) at [^\n]+:\d+|BUG: |BUG at |\bOops\b|\+0x[0-9a-f]+/0x[0-9a-f]+"
    r"|\]\] ?\(?0x|\(\+?[\w]*\+0x[0-9a-f]+\) ?\[0x|libFuzzer: |[Rr]eceived signal|Access violation|\w![\w:~<>]+\+0x"
    r"|\[0x[0-9A-Fa-f]{6,16}\+\d+\]|terminate called|uncaught exception|stack smashing|double free or|\(\): (?:invalid|corrupt)"
    r"| \d+# [\w:]|\d[\s\]]+0x[0-9a-f]{8,16} [^\n]+ \+ \d+|frame #\d+: 0x|\d  [\w.+-]+!|== +(?:at|by) 0x|\n[CVJjv]  [\[~\w]"
    r"|Segmentation fault|Bus error|Illegal instruction|UNREACHABLE|buffer overflow detected|corrupted (?:double|size)|ANR in |Faulting application|ExceptionCode: "
    r"|timeout exceeded|seconds exceeded; exiting|RSS limit exceeded|memory allocation of \d|BUG DETECTED|Crash reason: |EXC_[A-Z]|(?:failed: file|in file|Expression:) "
)
SIGNS = (
    r"\d# |Sanitizer|runtime error: |#\d|(?i:check failed)|Assertion |ASSERT|(?i:assertion failed)|SIG[A-Z]|atal error|FATAL:|BUG: |BUG at |Oops|0x"
    r"|libFuzzer: |eceived signal|Access violation|terminate called|uncaught exception|stack smashing|double free or|\(\): (?:invalid|corrupt)"
    r"|\w!\w|\n[CVJjv]  "
)
"""What the gate cannot open without; quicker to look for."""

_NAMED = r"SEGV|ABRT|ILL|FPE|BUS|TRAP|breakpoint|access-violation|stack-overflow"
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("out-of-memory", re.compile(r"ERROR: \w*Sanitizer: (?:allocator is out of memory|out of memory|requested allocation size|failed to allocate)()")),
    ("invalid-free", re.compile(r"ERROR: \w*Sanitizer:? attempting free on()")),
    ("{0}", re.compile(rf"ERROR: (?:HW)?AddressSanitizer:? (?:attempting )?(?!{_NAMED})([\w-]+)")),
    ("{0} leak", re.compile(r"ERROR: LeakSanitizer: detected memory leaks[^#]{0,300}?\b(Direct|Indirect) leak of")),
    ("leak", re.compile(r"ERROR: LeakSanitizer: detected memory leaks()")),
    ("{0}", re.compile(r"WARNING: MemorySanitizer: ([\w-]+)")),
    ("{0}", re.compile(r"WARNING: ThreadSanitizer: ([a-z -]+)")),
    ("{0}", re.compile(r"BUG: (?:KASAN|KMSAN|KCSAN|UBSAN): ([\w-]+)")),
    ("ubsan {0}", re.compile(r"(?<!panic): runtime error: ([^\n]{1,200})")),
    ("{0}", re.compile(r"GWP-ASan detected a memory error[ *]{1,8}\n([A-Z][A-Za-z -]{3,40}?) (?:at|on) ")),
    ("{0}", re.compile(r"===BUG DETECTED: ([^=\n]{1,100})={2}")),
    ("security check {0}", re.compile(r"(?i:security (?:d?check|assertion) failed): ?([^\n]{1,200})")),
    ("dcheck {0}", re.compile(r"(?i:debug check failed): ?([^\n]{1,200})")),
    # The same macro wrote "Check failed" in older releases.
    ("check {0}", re.compile(r"(?i:\bd?check failed): ?([^\n]{1,200})")),
    ("check {0} failed", re.compile(r"(CHECK_?\w{0,20}\([^\n]{1,200}?\)) failed\b")),
    ("fatal {0}", re.compile(r"# Fatal error in [^\n]*\n# ([^\n]{1,200})")),
    ("assert {0}", re.compile(r"Debug Assertion Failed![^:]{0,20}(?:[A-Z]\w{1,20}: [^\n]{0,400}\n\s{0,8}){1,5}Expression: ([^\n]{1,200})")),
    ("assert {0}", re.compile(r"(?i:assert(?:ion)? fail(?:ed|ure)(?: at \S{1,200} in [^\n:]{1,200})?): ?([^\n]{1,200})")),
    ("assert {0}", re.compile(r"(?i:\bassert(?:ion)?:?) [`'\"]?([^\n]{1,200}?)['\"]? failed")),
    ("assert {0}", re.compile(r"ASSERT: \"([^\n\"]{1,200})\" in file")),
    ("assert {0}", re.compile(r"ASSERT failure in ([^\n]{1,200})")),
    ("{0}", re.compile(r"(UNREACHABLE) executed\b")),
    ("fatal {0}", re.compile(r"FATAL:[^\s\]]*\] ?([^\n]{1,200})")),
    ("fatal {0}", re.compile(r"^F\d{4,8} [\d:.]{8,16} +\d+ [\w./-]+:\d+\] ([^\n]{1,200})", re.MULTILINE)),
    ("fatal {0}", re.compile(r"(stack smashing detected|buffer overflow detected|double free or corruption|corrupted (?:double-linked list|size vs\. prev_size)|(?:malloc|free|realloc|munmap_chunk|\b\w{3,20})\(\): (?:invalid|corrupted|memory|double free)[^\n:*]{0,60})")),
    ("uncaught {0}", re.compile(r"(?:terminate called after throwing an instance of|uncaught exception of type|uncaught exception:?) '?((?:[^\n':]|:(?! )){1,200})")),
    ("timeout", re.compile(r"(?:Timeout of \d+ seconds|Per-\w{1,10} timeout) exceeded()")),
    ("out-of-memory", re.compile(r"memory allocation of \d+ bytes failed()")),
    ("out-of-memory", re.compile(r"RSS limit exceeded: ()")),
    ("signal {0}", re.compile(r"Sanitizer:? (SEGV|ABRT|ILL|FPE|BUS|TRAP|breakpoint|access-violation)\b")),
    ("stack-overflow", re.compile(r"Sanitizer:? (stack-overflow)")),
    ("kernel BUG at {0}", re.compile(r"kernel BUG at (?:[\w.-]{1,80}/){0,20}([\w.-]{1,80})")),
    ("kernel {0}", re.compile(r"(Unable to handle kernel [\w ]+|Kernel panic|Internal error: \w+|general protection fault|BUG: [\w -]+)")),
    ("{0}", re.compile(r"ERROR: libFuzzer: (timeout|out-of-memory)")),
    ("signal {0}", re.compile(r"(?i:received signal|fatal signal|caught signal|terminated by signal|killed by)[ :]*(?:\d+ ?\(?)?(?:SIG)?([A-Z]{3,5})(?![A-Za-z])")),
    ("{0}", re.compile(r"\([0-9a-f]+\.[0-9a-f]+\): (?!WOW|Break|Single|Guard|C\+\+ EH)([A-Z][\w -]+?) - code [0-9a-f]{8}")),
    ("{0}", re.compile(r"ExceptionCode: [0-9a-f]{8} \(([\w -]{3,60})\)")),
    ("{0}", re.compile(r"Crash reason: +(EXCEPTION_\w{1,60})")),
    ("anr {0}", re.compile(r"^ANR in ([\w.]{1,200})(?:[^\n]*\n){1,3}?Reason: ([^\n(]{1,200})", re.MULTILINE)),
    ("signal {0}", re.compile(r"SIG(SEGV|ABRT|ILL|FPE|BUS|TRAP)\b")),
    ("fatal {0}", re.compile(r"(?i:fatal error:) ?([^\n]{1,200})")),
    ("fatal error in {0}", re.compile(r"# Fatal error in (?:[^\s,]*/)?([\w.-]+)")),
    ("{0}", re.compile(r"ERROR: libFuzzer: ([\w -]+)")),
    ("{0}", re.compile(r"SUMMARY: \w{1,20}Sanitizer: (?!\d)([\w-]+(?: [\w-]+){0,2}) [^\n ]*[/.:(]")),
    ("signal {0}", re.compile(r"EXC_([A-Z_]{3,20})\b")),
    ("signal {0}", re.compile(r"(Segmentation fault|Bus error|Illegal instruction)\b")),
    ("{0}", re.compile(r"==\d+== (Invalid (?:read|write|free)|Mismatched free|Conditional jump|Use of uninit|Source and destination overlap|[^\n]{1,60} definitely lost)")),
    ("faulting {0}", re.compile(
        r"Faulting application name: ([^,\n]{1,100}),[^\n]{0,200}\n[ \t]{0,8}Faulting module name: ([^,\n]{1,100}),[^\n]{0,200}\n[ \t]{0,8}Exception code: 0x([0-9a-f]{1,16})\s{1,8}Fault offset: 0x0*([0-9a-f]{1,16})")),
)  # fmt: skip
"""The surest form first."""
_SOURCE = re.compile(
    r"(?:FATAL:(?:[\w./-]*/)?|Fatal error in (?:[^\s,]*/)?|^F\d{4,8} [\d:.]{8,16} +\d+ (?:[\w./-]*/)?|^File: (?:[^\n]*[/\\])?)([\w.-]+\.\w+)"
    r"|: note: ((?:invalid )?vtable[^\n(]{0,80})",
    re.MULTILINE,
)
_SOURCE_FILE = re.compile(
    r"([\w+-]{1,80}\.(?:cc?|cpp|cxx|hh?|hpp|inl?|mm?|swift|tq|java|kt))(?=[:\"'\](),;! ]|$)",
    re.IGNORECASE,
)
"""A file that the line of a failed check names."""
_ACCESS = re.compile(
    r"\b(READ|WRITE|Read|Write) of size (\d+)|caused by a (READ|WRITE|UNKNOWN) memory access"
)
_NULL_PAGE = re.compile(r"(?:(?:unknown|fault) addr(?:ess)?|SEGV_MAPERR) (?:0x)?0*[0-9a-f]{1,4}\b")
"""The first 64 KiB are never mapped: an access there went through a null pointer."""
_EXPLAINED = re.compile(r"[;.] .*$")
_PLACED = re.compile(
    r"[,:]? (?:function \S+, )?(?:in |at )?file \S.*\bline:? \d.*$|,? at \S*[/\\.]\S*:\d.*$| \[\S*[/\\.]\S*(?::\d+)?\].*$| \([\w.]+: \w+: \d+\)$"
)
"""Where a check failed, behind what failed."""
_FIGURE = re.compile(r"(?<![\w'])[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf|nan)\b(?!-bit)")
_IN_WORDS = (
    "dcheck",
    "check",
    "security",
    "assert",
    "ubsan",
    "fatal",
    "uncaught",
    "out-of-memory",
    "kernel",
)
_SOURCED = ("dcheck", "check", "security", "fatal", "assert", "ubsan", "UNREACHABLE")

_WATCHED = ("timeout", "out-of-memory")
"""Kinds that a watchdog tells, each in its own words."""
_WHAT = re.compile(r"'?\s{1,10}what\(\): *([^\n]{1,200})")
TELLING = (
    "check",
    "security check",
    "dcheck",
    "assert",
    "fatal",
    "ubsan",
    "UNREACHABLE",
    "anr",
    "faulting",
)
"""How kinds begin that hold the words of what failed, so that they name a group by themselves."""

_MAY_CRASH = Gates([GATE])


def may_be_crash(text: str) -> bool:
    """Tells quickly whether looking for a kind of crash is worth while."""
    return bool(_MAY_CRASH.open(text.encode("utf-8", "surrogatepass")))


def _line(text: str, found: re.Match[str]) -> str:
    end = text.find("\n", found.end())
    return text[text.rfind("\n", 0, found.start()) + 1 : len(text) if end < 0 else end]


def _source(text: str, kind: str, found: re.Match[str]) -> str | None:
    """Names the file of a failed check, if the log does.

    An assertion has its own form for it. Others have that of the logger, or the file somewhere in their line.
    """
    line = _line(text, found)[:2000]
    if kind.startswith("assert"):
        behind = line.find(found[0])
        named = _SOURCE_FILE.search(line, max(0, behind)) or _SOURCE_FILE.search(line)
        if named is not None:
            return named[1]
    placed = _SOURCE.search(text)
    if placed is not None:
        return placed[1] or placed[2]
    named = _SOURCE_FILE.search(line)
    return named[1] if named is not None else None


def _condition(said: str) -> str:
    """Leaves out the two values that were compared, and what explains the check, unless that is all it says."""
    depth = 0
    compared = said.find(" vs. ")
    for place in range(compared - 1, 0, -1):
        depth += (said[place] == ")") - (said[place] == "(")
        if depth < 0:
            said = said[:place]
            break
    short = _EXPLAINED.sub("", said)
    return said if short in ("false", "0") else short


def _detail(form: str, kind: str, text: str, found: re.Match[str]) -> str:
    """Adds what tells two crashes of one kind apart: the source, or how memory was touched."""
    if kind.startswith(_SOURCED) and " in " not in kind[:16]:
        source = _source(text, kind, found)
        kind += f" in {source}" if source else ""
    if not form.startswith(_IN_WORDS):
        access = _ACCESS.search(text)
        if access is not None:
            kind += " " + " ".join(part.upper() for part in access.groups() if part)
    if kind.startswith(("signal SEGV", "signal access")) and _NULL_PAGE.search(text):
        kind = "null " + kind
    return kind


def _said(form: str, found: re.Match[str]) -> str:
    """The words of the log that tell the kind, without values and places."""
    said = " ".join(part for part in found.groups() if part)
    if form.startswith("faulting"):
        return said
    if "check" in form:
        said = _condition(said)
    elif form.startswith(("assert", "fatal")):
        said = _PLACED.sub("", said)
    elif form.startswith("ubsan"):
        said = _FIGURE.sub("0", said)
    return normalise(said).strip(" .#")


def _found(text: str) -> tuple[str, re.Match[str]] | None:
    for form, pattern in _KINDS:
        found = pattern.search(text)
        if found is not None:
            return _detail(form, form.format(_said(form, found)), text, found), found
    return None


def crash_kind(text: str) -> str | None:
    """Names the kind of crash that the text speaks of, the surest form first."""
    found = _found(text)
    return None if found is None else found[0]


def crash_line(text: str) -> tuple[str, str] | None:
    """Names the kind of a crash, with the words that say so; none where they say no more than the kind."""
    found = _found(text)
    if found is None:
        return None
    kind, match = found
    if kind.startswith(_WATCHED):
        return kind, ""
    line = _line(text, match)
    if kind.startswith("uncaught"):
        line = line[line.find(match[0]) :]
    explained = _WHAT.match(text, match.end())
    return kind, line if explained is None else f"{line} {explained[1]}"
