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
    r"| \d+# [\w:]|\d[\s\]]+0x[0-9a-f]{8,16} [^\n]+ \+ \d+"
)
SIGNS = (
    r"\d# |Sanitizer|runtime error: |#\d|(?i:check failed)|Assertion |ASSERT|(?i:assertion failed)|SIG[A-Z]|atal error|FATAL:|BUG: |BUG at |Oops|0x"
    r"|libFuzzer: |eceived signal|Access violation|terminate called|uncaught exception|stack smashing|double free or|\(\): (?:invalid|corrupt)"
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
    ("{0}", re.compile(r"\bBUG: (?:KASAN|KMSAN|KCSAN|UBSAN): ([\w-]+)")),
    ("ubsan {0}", re.compile(r": runtime error: ([^\n]{1,200})")),
    ("security check {0}", re.compile(r"(?i:security (?:d?check|assertion) failed): ?([^\n]{1,200})")),
    ("dcheck {0}", re.compile(r"(?i:debug check failed): ?([^\n]{1,200})")),
    # The same macro wrote "Check failed" in older releases.
    ("check {0}", re.compile(r"(?i:\bd?check failed): ?([^\n]{1,200})")),
    ("fatal {0}", re.compile(r"# Fatal error in [^\n]*\n# ([^\n]{1,200})")),
    ("assert {0}", re.compile(r"(?i:assert(?:ion)? fail(?:ed|ure)(?: at \S{1,200} in [^\n:]{1,200})?): ?([^\n]{1,200})")),
    ("assert {0}", re.compile(r"(?i:\bassert(?:ion)?:?) [`'\"]?([^\n]{1,200}?)['\"]? failed")),
    ("fatal {0}", re.compile(r"\bFATAL:[^\s\]]*\] ?([^\n]{1,200})")),
    ("fatal {0}", re.compile(r"^F\d{4} [\d:.]{8,16} +\d+ [\w./-]+:\d+\] ([^\n]{1,200})", re.MULTILINE)),
    ("fatal {0}", re.compile(r"(?:\*\*\*|^)[^\n]{0,80}?(stack smashing detected|double free or corruption|(?:malloc|free|realloc|munmap_chunk|\w{3,20})\(\): (?:invalid|corrupted|memory)[^\n:*]{0,60})", re.MULTILINE)),
    ("uncaught {0}", re.compile(r"(?:terminate called after throwing an instance of|uncaught exception of type|uncaught exception:?) '?([^\n']{1,200})")),
    ("signal {0}", re.compile(r"Sanitizer:? (SEGV|ABRT|ILL|FPE|BUS|TRAP|breakpoint|access-violation)\b")),
    ("stack-overflow", re.compile(r"Sanitizer:? (stack-overflow)")),
    ("kernel BUG at {0}", re.compile(r"kernel BUG at (?:[\w.-]{1,80}/){0,20}([\w.-]{1,80})")),
    ("kernel {0}", re.compile(r"(Unable to handle kernel [\w ]+|Kernel panic|Internal error: \w+|general protection fault|BUG: [\w -]+)")),
    ("{0}", re.compile(r"ERROR: libFuzzer: (timeout|out-of-memory)")),
    ("signal {0}", re.compile(r"(?i:received signal|fatal signal|caught signal|terminated by signal|killed by)[ :]*(?:\d+ ?\(?)?(?:SIG)?([A-Z]{3,5})\b")),
    ("{0}", re.compile(r"\([0-9a-f]+\.[0-9a-f]+\): (?!WOW|Break|Single|Guard|C\+\+ EH)([A-Z][\w -]+?) - code [0-9a-f]{8}")),
    ("signal {0}", re.compile(r"\bSIG(SEGV|ABRT|ILL|FPE|BUS|TRAP)\b")),
    ("fatal {0}", re.compile(r"(?i:fatal error:) ?([^\n]{1,200})")),
    ("fatal error in {0}", re.compile(r"# Fatal error in (?:[^\s,]*/)?([\w.-]+)")),
    ("{0}", re.compile(r"ERROR: libFuzzer: ([\w -]+)")),
)  # fmt: skip
"""The surest form first."""
_SOURCE = re.compile(
    r"(?:FATAL:|Fatal error in (?:[^\s,]*/)?|^F\d{4} [\d:.]{8,16} +\d+ (?:[\w./-]*/)?)([\w.-]+\.\w+)|: note: ((?:invalid )?vtable[^\n(]{0,80})",
    re.MULTILINE,
)
_ACCESS = re.compile(
    r"\b(READ|WRITE|Read|Write) of size (\d+)|caused by a (READ|WRITE|UNKNOWN) memory access"
)
_NULL_PAGE = re.compile(r"(?:unknown|fault) addr(?:ess)? (?:0x)?0*[0-9a-f]{1,4}\b")
"""The first 64 KiB are never mapped: an access there went through a null pointer."""
_COMPARED = re.compile(r" ?\([^\n]* vs\. .*$|[;.] .*$")
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
_SOURCED = ("dcheck", "check", "security", "fatal", "ubsan control")

TELLING = ("check", "security check", "dcheck", "assert", "fatal", "ubsan", "uncaught")
"""How kinds begin that hold the words of what failed, so that they name a group by themselves."""

_MAY_CRASH = Gates([GATE])


def may_be_crash(text: str) -> bool:
    """Tells quickly whether looking for a kind of crash is worth while."""
    return bool(_MAY_CRASH.open(text.encode("utf-8", "surrogatepass")))


def _detail(form: str, kind: str, text: str) -> str:
    """Adds what tells two crashes of one kind apart: the source, or how memory was touched."""
    if kind.startswith(_SOURCED) and " in " not in kind[:16]:
        source = _SOURCE.search(text)
        kind += f" in {source[1] or source[2]}" if source else ""
    if not form.startswith(_IN_WORDS):
        access = _ACCESS.search(text)
        if access is not None:
            kind += " " + " ".join(part.upper() for part in access.groups() if part)
    if kind.startswith(("signal SEGV", "signal access")) and _NULL_PAGE.search(text):
        kind = "null " + kind
    return kind


def crash_kind(text: str) -> str | None:
    """Names the kind of crash that the text speaks of, the surest form first."""
    for form, pattern in _KINDS:
        found = pattern.search(text)
        if found is not None:
            said = _COMPARED.sub("", found[1]) if "check" in form else found[1]
            return _detail(form, form.format(normalise(said).strip(" .#")), text)
    return None
