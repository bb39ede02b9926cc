"""C and C++: sanitizers, debuggers, kernels, glibc, failed checks and assertions.

The exception's type is the kind of crash; its frames leave out the machinery of crashing and reporting.
Refuses text that names neither a crash nor frames.
"""

from __future__ import annotations

import re

from fixstream.triage.gates import Gates
from fixstream.triage.normalise import normalise
from fixstream.triage.traces.model import MAX_FRAMES, Frame, ParsedException, short_message

GATE = (
    r"Sanitizer[: ]|runtime error: |#\d+ +(?:0x[0-9a-f]+ |pc [0-9a-f]{8})|(?i:check failed)|Assertion |ASSERT"
    r"|SIG[A-Z]{3,5}\b|[Ff]atal error|#\d+ +[\w:~<>]+ \(.*\) at [^\n]+:\d+|BUG: |\bOops\b|\+0x[0-9a-f]+/0x[0-9a-f]+"
    r"|\]\] ?\(?0x|\(\+?[\w]*\+0x[0-9a-f]+\) ?\[0x|libFuzzer: |[Rr]eceived signal|Access violation|\w![\w:~<>]+\+0x"
)

SIGNS = (
    r"Sanitizer|runtime error: |#\d|(?i:check failed)|Assertion |ASSERT|SIG[A-Z]|atal error|BUG: |Oops|0x"
    r"|libFuzzer: |eceived signal|Access violation"
)
"""What the gate cannot open without; quicker to look for."""

_NUMBERED = re.compile(
    r"^[^\n#]{0,120}?#(?P<number>\d{1,3}):? +(?:(?:pc )?(?:0x)?[0-9a-fA-F`]{6,18}(?: +|$))?(?:in )?(?P<rest>[^\n]*)$",
    re.MULTILINE,
)
_MAC = re.compile(
    r"^\d{1,3} +\S[^\n]{0,80}? +0x[0-9a-f]{8,16} (?P<function>\S[^\n]{0,500}?) \+ \d+", re.MULTILINE
)
_WINDOWS = re.compile(
    r"^[ \t]+(?P<function>\S[^\n]{0,500}?) \[0x[0-9A-F]{6,16}\+\d+\]", re.MULTILINE
)
_KERNEL = re.compile(
    r"^[^\n]{0,80}?(?:\[<[0-9a-f]+>\] )?(?:\([^)]*\) from )?(?P<function>[A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x[0-9a-f]+",
    re.MULTILINE,
)
_GLIBC = re.compile(
    r"^[^\n]{0,80}?(?P<file>[\w./-]+)\((?P<function>[\w:~]+)\+0x[0-9a-f]+\) ?\[0x[0-9a-f]+\]",
    re.MULTILINE,
)
_CDB = re.compile(
    r"^[^\n]{0,120}?(?P<file>[\w.]+)!(?P<function>[\w:~<>`' ,*&]+?)\+0x[0-9a-f]+", re.MULTILINE
)
_PLACE = re.compile(
    r"(?: at)? (?P<file>(?:[A-Za-z]:)?[^\s():]*[./\\][^\s():]*):(?P<line>\d{1,9})(?::\d{1,9})?(?: .*)?$"
    r"| \((?P<module>[^()\s]+)\+0x[0-9a-f]+\)(?: .*)?$|(?P<bare>(?: /[^\s]+| [\w./-]+\.(?:c|cc|cpp|cxx|h|hpp|S|so[\d.]*)))$"
)
_ANDROID = re.compile(
    r"^(?P<module>/[^\s]+|\S+\.so)(?: \((?P<function>[^()]*(?:\([^()]*\)[^()]*)*?)(?:\+\d+)?\))?"
)

_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("{0}", re.compile(r"ERROR: (?:HW)?AddressSanitizer:? (?:attempting )?(?!SEGV|ABRT|ILL|FPE|BUS|TRAP|breakpoint|access-violation|stack-overflow)([\w-]+)")),
    ("leak", re.compile(r"ERROR: LeakSanitizer: detected memory leaks()")),
    ("{0}", re.compile(r"WARNING: MemorySanitizer: ([\w-]+)")),
    ("{0}", re.compile(r"WARNING: ThreadSanitizer: ([a-z -]+)")),
    ("{0}", re.compile(r"\bBUG: (?:KASAN|KMSAN|KCSAN|UBSAN): ([\w-]+)")),
    ("ubsan {0}", re.compile(r": runtime error: ([^\n]{1,200})")),
    ("dcheck {0}", re.compile(r"(?i:(?:dcheck|debug check) failed): ?([^\n]{1,200})")),
    ("check {0}", re.compile(r"(?i:\bcheck failed): ?([^\n]{1,200})")),
    ("fatal {0}", re.compile(r"# Fatal error in [^\n]*\n# ([^\n]{1,200})")),
    ("assert {0}", re.compile(r"(?i:assert(?:ion)?(?: failed| failure)?):? ?`?([^\n]{1,200}?)'? failed")),
    ("assert {0}", re.compile(r"(?i:assert(?:ion)? fail(?:ed|ure)): ?([^\n]{1,200})")),
    ("fatal {0}", re.compile(r"\bFATAL:[^\s\]]*\] ?([^\n]{1,200})")),
    ("signal {0}", re.compile(r"Sanitizer: (SEGV|ABRT|ILL|FPE|BUS|TRAP|breakpoint|access-violation)\b")),
    ("stack-overflow", re.compile(r"Sanitizer: (stack-overflow)")),
    ("kernel {0}", re.compile(r"(Unable to handle kernel [\w ]+|Kernel panic|Internal error: \w+|general protection fault|BUG: [\w -]+)")),
    ("{0}", re.compile(r"ERROR: libFuzzer: (timeout|out-of-memory)")),
    ("signal {0}", re.compile(r"(?i:received signal|fatal signal|caught signal|terminated by signal|killed by)[ :]*(?:\d+ ?\(?)?(?:SIG)?([A-Z]{3,5})\b")),
    ("{0}", re.compile(r"\([0-9a-f]+\.[0-9a-f]+\): ([A-Z][\w -]+?) - code [0-9a-f]{8}")),
    ("signal {0}", re.compile(r"\bSIG(SEGV|ABRT|ILL|FPE|BUS|TRAP)\b")),
    ("fatal {0}", re.compile(r"(?i:fatal error:) ?([^\n]{1,200})")),
    ("{0}", re.compile(r"ERROR: libFuzzer: ([\w -]+)")),
)  # fmt: skip
_SOURCE = re.compile(
    r"(?:FATAL:|Fatal error in (?:[^\s,]*/)?)([\w.-]+\.\w+)|: note: ((?:invalid )?vtable[^\n(]{0,80})"
)
_ACCESS = re.compile(r"\b(READ|WRITE) of size (\d+)|caused by a (READ|WRITE|UNKNOWN) memory access")
_NULL_PAGE = re.compile(r"(?:unknown|fault) addr(?:ess)? (?:0x)?0*[0-9a-f]{1,4}\b")
"""The first 64 KiB are never mapped: an access there went through a null pointer."""
_COMPARED = re.compile(r" ?\([^\n]* vs\. .*$|[;.] .*$")

_MACHINERY = re.compile(
    r"^(?:(?:void |int |static )?(?:__interceptor_|__interception::|__asan|__hwasan|__msan|__tsan|__ubsan|__lsan|__sanitizer|__lsan|___interceptor|"
    r"__scudo|fuzzer::|LLVMFuzzer|base::debug::|logging::|base::internal::CheckError|base::ImmediateCrash|google::LogMessage|"
    r"google::logging|absl::(?:\w+::)*log_internal|blink::ReportFatal|v8::base::OS::Abort|V8_Fatal|v8::base::debug|"
    r"v8::internal::V8::FatalProcessOutOfMemory|WTFCrash|WTFReport|WTF::(?:PartitionAlloc|BufferMalloc)|"
    r"std::(?:__\w+::)?(?:terminate|__terminate|unexpected|rethrow)|std::panicking|core::panicking|rust_begin_unwind|"
    r"__cxa_|__cxxabi|_Unwind_|demangling_|abort_message|__gnu_cxx::__verbose|"
    r"abort$|raise$|gsignal$|__libc_|__GI_|__restore_rt|_start$|start_thread$|__pthread_kill|pthread_kill|"
    r"std::process::abort|std::sys::|rust_oom|panic_|__assert|assert_rtn|_assert|__fortify|__chk_fail|__stack_chk|backtrace|print_(?:trace|stack)|dump_(?:stack|backtrace)|dump_stack|"
    r"kasan_|__kasan|__asan_report|check_memory_region|print_address_desc|show_(?:stack|regs)|panic$|__warn|warn_slowpath|"
    r"die$|do_page_fault|__do_kernel_fault|do_mem_abort|el1_|notify_die|oops_end|asm_exc_|exc_page|report_bug|handle_bug|"
    r"operator_?$|kill$|tgkill$|main$|exit$|wmain$|__run_exit|syscall$|at$|in$|memcpy|memmove|memset|strlen|__aeabi_|fuzztest::|testing::|HandleOnePc|HF_|__wrap_|malloc$|calloc$|realloc$|free$|operator (?:new|delete)|mem(?:cpy|move|set|cmp|chr)$|str(?:len|cpy|cmp|ncpy|dup|cat|chr|str)$|"
    r"wcs(?:len|cpy)$|__memcpy|__memmove|__memset|__str\w+_(?:avx|sse|evex)|__mem\w+_(?:avx|sse|evex)|kfree$|kmalloc|ret_from_fork|"
    r"ntdll!|kernel32!|kernelbase!|ucrtbase|RtlRaise|RtlReport|RaiseException|KiUserException|"
    r"<null>$|<unknown module>|\?\?$|\(anonymous namespace\)::(?:\w*Signal\w*|DumpStack)|SignalHandler|SigHandler)|__libc_message)"
)
_MACHINERY_PART = re.compile(
    r"logging::|Sanitizer|StackTrace|DumpStackTrace|LogMessage|FatalError|FatalException|CheckError|crash_?handler",
    re.IGNORECASE,
)
_LIBRARY = re.compile(
    r"^(?:std::|__gnu|boost::|absl::|__\w|_IO_|ld-|pthread_|g_main|gtk_|QMeta|QCore)"
)
_STATIC = re.compile(
    r"\$[0-9a-f]{32}(?:\.\w+)?|\.(?:cfi|isra|constprop|part|cold|llvm)(?:\.\d+)*|\[clone [^\]]*\]"
)


_OPERATOR = re.compile(r"\boperator ?(?:->\*?|<=>|<<=?|>>=?|<=|>=|<|>|\(\)|\[\]|[!=+*/%&|^~,-]+)")
_OFFSET = re.compile(r"\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?$|^_[es]text$|^\S+\.\w+:\d+$")


def _without_brackets(name: str) -> str:
    """Cuts arguments and template arguments, which differ between builds, keeping operators."""
    depth, kept = 0, []
    for char in name[:1000]:
        if char in "<([{":
            depth += 1
        elif char in ">)]}":
            depth = max(0, depth - 1)
        elif depth == 0:
            kept.append(char)
    plain = _STATIC.sub("", "".join(kept)).replace(" const", "").strip()
    return plain.rsplit(" ", 1)[-1] if "operator" not in plain else plain


def _frame(rest: str) -> Frame | None:
    android = _ANDROID.match(rest)
    if android is not None:
        if not android["function"]:
            return None
        name, file, line = android["function"], android["module"], None
    else:
        place = _PLACE.search(rest)
        name = rest[: place.start()] if place else rest
        file = (place["file"] or place["module"] or place["bare"]) if place else None
        line = int(place["line"]) if place and place["line"] else None
        if place and place["module"] and not name.strip():
            name = rest[place.start("module") :].partition(")")[0].rpartition("/")[2]
            return Frame(name, place["module"], None, None, not name.startswith("lib"))
    function = _OFFSET.sub("", _without_brackets(_STATIC.sub("", name)))
    if not function or function.startswith(("0x", "<")):
        return None
    module = function.rpartition("::")[0]
    return Frame(
        function, file.strip() if file else None, line, module, _LIBRARY.match(function) is None
    )


def _is_machinery(name: str) -> bool:
    return _MACHINERY.match(name) is not None or _MACHINERY_PART.search(name) is not None


def _frames(text: str) -> tuple[Frame, ...]:
    """Reads the first stack of the text: numbering that starts again begins another one."""
    frames: list[Frame] = []
    last = -1
    for match in _NUMBERED.finditer(text):
        number = int(match["number"])
        if number <= last and frames:
            break
        last = number
        if (frame := _frame(match["rest"])) is not None:
            frames.append(frame)
        if len(frames) >= MAX_FRAMES:
            break
    if not frames:
        for form in (_MAC, _WINDOWS, _KERNEL, _GLIBC, _CDB):
            names = [match["function"] for match in form.finditer(text)][:MAX_FRAMES]
            if names:
                frames = [Frame(_without_brackets(name), None, None, None, True) for name in names]
                break
    useful = [frame for frame in frames if not _is_machinery(frame.function)]
    return tuple(useful)


_MAY_CRASH = Gates([GATE])


def may_be_crash(text: str) -> bool:
    """Tells quickly whether looking for a kind of crash is worth while."""
    return bool(_MAY_CRASH.open(text.encode("utf-8", "surrogatepass")))


def crash_kind(text: str) -> str | None:
    """Names the kind of crash that the text speaks of, the surest form first."""
    for form, pattern in _KINDS:
        found = pattern.search(text)
        if found is None:
            continue
        said = _COMPARED.sub("", found[1]) if "check" in form else found[1]
        kind = form.format(normalise(said).strip(" .#"))
        if kind.startswith(("dcheck", "check", "fatal", "ubsan control")):
            source = _SOURCE.search(text)
            kind += f" in {source[1] or source[2]}" if source else ""
        access = _ACCESS.search(text)
        if access is not None and not form.startswith(
            ("dcheck", "check", "assert", "ubsan", "fatal")
        ):
            kind += " " + " ".join(part for part in access.groups() if part)
        if kind.startswith(("signal SEGV", "signal access")) and _NULL_PAGE.search(text):
            kind = "null " + kind
        return kind
    return None


def parse(text: str) -> tuple[ParsedException, ...] | None:
    """Reads a crash log: the kind of crash and the first stack."""
    frames = _frames(text)
    if not frames:
        return None
    kind = crash_kind(text)
    return (ParsedException(kind, short_message(kind or ""), frames),)
