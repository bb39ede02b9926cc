"""Names of native functions: what is left of one between builds, and which ones tell nothing.

Machinery (of crashing, reporting, starting and allocating) stands on every stack; generic code (containers,
smart pointers, wrappers of calls) stands between the frames that tell faults apart. Holds no parser.
"""

from __future__ import annotations

import re

from fixstream.triage.traces.mangled import readable, rust_name

_MACHINERY = re.compile(
    r"^(?:(?:void |int |static )?(?:__interceptor_|__interception::|__asan|__hwasan|__msan|__tsan|__ubsan|__lsan|__sanitizer|___interceptor|_asan_rtl_|"
    r"__scudo|fuzzer::|LLVMFuzzer|Honggfuzz|base::debug::|logging::|base::internal::CheckError|base::ImmediateCrash|ImmediateCrash$|google::LogMessage|"
    r"google::logging|absl::(?:\w+::)*log_internal|blink::ReportFatal|blink::ReportV8|v8::base::OS::Abort|V8_Fatal|v8::base::debug|v8::api_internal::ToLocalEmpty|"
    r"v8::(?:internal::)?(?:__RT_impl_)?Runtime_Abort|v8::internal::__RT_impl_Runtime_Abort|v8::internal::V8::FatalProcessOutOfMemory|WTFCrash|WTFReport|WTF::(?:PartitionAlloc|BufferMalloc)|"
    r"std::(?:__\w+::)?(?:terminate|__terminate|unexpected|rethrow)|std::panicking|core::panicking|rust_begin_unwind|rust_panic|begin_panic|__rust_|"
    r"__cxa_|__cxxabi|_Unwind_|demangling_|abort_message|__gnu_cxx::__verbose|"
    r"abort$|raise$|gsignal$|__libc_|__GI_|__restore_rt|__kernel_rt_sigreturn|_start$|start_main$|start_thread$|__pthread_kill|pthread_kill|"
    r"std::process::abort|std::sys::|rust_oom|panic_|__assert|assert_rtn|_assert|__fortify|__chk_fail|__stack_chk|__android_log_assert|g_assertion_message|g_log|backtrace|print_(?:trace|stack)|dump_(?:stack|backtrace)|dump_stack|"
    r"kasan_|__kasan|print_report$|context_switch$|__schedule$|schedule$|do_syscall_|entry_SYSCALL_|x64_sys_call$|__asan_report|check_memory_region|print_address_desc|show_(?:stack|regs)|panic$|__warn|warn_slowpath|"
    r"die$|do_page_fault|__do_kernel_fault|do_mem_abort|el1_|notify_die|oops_end|asm_exc_|exc_page|report_bug|handle_bug|"
    r"llvm::(?:sys::(?:Print|RunSig)|report_|llvm_unreachable)|qFatal|qt_assert|QMessageLogger::fatal|mozalloc_abort|MOZ_Crash|NS_DebugBreak|node::(?:Abort|Assert|OnFatal|OOMErrorHandler)|"
    r"v8::Utils::Report|rb_bug|Py_FatalError|_Py_FatalError|rust_fuzzer_|boost::assertion_failed|\[vdso\]$|"
    r"kill$|tgkill$|main$|exit$|wmain$|__run_exit|syscall$|at$|in$|memcpy|memmove|memset|strlen|__aeabi_|fuzztest::|testing::|HandleOnePc|HF_|__wrap_|(?:g_|g_try_|x|_?_?k[vz]?m?)?(?:malloc|calloc|realloc|zalloc)$|c?free$|(?:posix_)?memalign$|aligned_alloc$|g_(?:free|strn?dup)|kmem_cache_|(?:vf?|vsn?|f|sn?)?printf$|__\w+_chk$|\w+InterceptorCommon|operator (?:new|delete)|mem(?:cpy|move|set|cmp|chr)$|str(?:len|cpy|cmp|ncpy|dup|cat|chr|str)$|"
    r"wcs(?:len|cpy)$|__memcpy|__memmove|__memset|__str\w+_(?:avx|sse|evex)|__mem\w+_(?:avx|sse|evex)|kfree$|kmalloc|ret_from_fork|"
    r"ntdll!|kernel32!|kernelbase!|ucrtbase|RtlRaise|RtlReport|Rtlp\w*Heap|RtlFreeHeap|RtlAllocateHeap|BaseThreadInitThunk|RtlUserThreadStart|RaiseException|KiUserException|"
    r"_?swift_(?:stdlib_|runtime_)?\w*(?:[Ff]atal|[Rr]eport)|Swift\._(?:assertionFailure|fatalError)|"
    r"<null>$|<unknown module>|\?\?$|\(anonymous namespace\)::(?:\w*Signal\w*|DumpStack)|SignalHandler|SigHandler|Ordinal\d+$|_platform_mem|__exceptionPreprocess|objc_exception_throw|objc_msgSend|[-+]\[NS[A-Z]|[-+]\[UI[A-Z]|boost::stacktrace|CrashTrampoline)|__libc_message)"
)
_MACHINERY_PART = re.compile(
    r"logging::|Sanitizer|StackTrace|DumpStackTrace|LogMessage|FatalError|FatalException|CheckError|crash_?handler|BreakIntoDebugger",
    re.IGNORECASE,
)
_GENERIC = re.compile(
    r"^(?:std::|__gnu|boost::|absl::|eastl::|folly::|_IO_|ld-|pthread_|g_main|gtk_|QMeta|QCore|__(?:invoke|apply|emplace|push_back|shared_ptr|"
    r"uninitialized|relocate|construct|destroy|throw|split_buffer|hash_table|tree|function|libcpp|compressed|destruct|visit|variant|"
    r"distance|copy|move|append|grow|assign|init)|operator(?:->|\*|\(\)|\[\])?$|(?:make|allocate)_(?:shared|unique)$|~?(?:unique|shared|weak)_ptr$)"
)
_GENERIC_FILE = re.compile(
    r"/c\+\+/|/libc\+\+|libcxx|libstdc\+\+|/bits/(?:stl_|basic_|shared_ptr|unique_ptr|move|alloc)|/ext/(?:new_|alloc)"
    r"|\babsl/|\bboost/|compiler-rt|/glibc|sysdeps/|/vcruntime|\\crt\\|/rustc/|libc\.so|libpthread|vctools\\crt"
)
_STATIC = re.compile(
    r"\$[0-9a-f]{32}(?:\.\w+)?|\.(?:cfi|isra|constprop|part|cold|llvm)(?:\.\d+)*|\[clone [^\]]*\]|::h[0-9a-f]{16}\b"
)
_OPERATOR = re.compile(
    r"\boperator ?(?:->\*?|<=>|<<=?|>>=?|<=|>=|<|>|\(\)|\[\]|[!=+*/%&|^~,-]+)(?=[\s(<]|$)"
)
_IMPLEMENTED = re.compile(r"^<(.+?) as [^\n]*?>(?=::\w+$)")
"""How Rust writes a type's method that a trait asks for."""
_CONVERSION = re.compile(r"\boperator (?=[A-Za-z_])")
_PRIVATE = re.compile(r"\((\w+) in _[0-9A-F]{32}\)")
"""How Swift writes a private name."""
_SWIFT_WORDS = re.compile(
    r"^(?:(?:function signature |generic |partial )?(?:not re-abstracted )?specialization +(?:\ue007 +)?of "
    r"|protocol witness for |partial apply forwarder for |merged |@objc |static )+"
)
_HIDE = str.maketrans("<>()[] ", "\ue000\ue001\ue002\ue003\ue004\ue005\ue006")
_SHOW = str.maketrans("\ue000\ue001\ue002\ue003\ue004\ue005\ue006", "<>()[] ")
_OPENED = "<([{"
_CLOSED = ">)]}"


def _hidden(found: re.Match[str]) -> str:
    return found[0].replace("operator ", "operator").translate(_HIDE)


def _swift_name(plain: str) -> str:
    """Takes the function out of what Swift says around it: specialised, a witness, a closure in it."""
    plain = _SWIFT_WORDS.sub("", plain).partition(" in conformance ")[0]
    if plain.startswith(("closure", "implicit closure")):
        plain = plain.rpartition(" in ")[2]
    return plain.partition("\ue007")[0].replace(" throws", "").replace(" async", "").strip()


def _outside_brackets(name: str) -> str:
    depth, kept = 0, []
    for char in name:
        if char in _OPENED:
            depth += 1
        elif char in _CLOSED:
            depth = max(0, depth - 1)
        elif depth == 0:
            kept.append(char)
    return "".join(kept)


def plain_name(name: str) -> str:
    """Cuts arguments, template arguments and return types, which differ between builds.

    Operators keep their signs, methods of Objective-C their selectors. Of a Swift closure the function that it stands in is named.
    """
    if name.startswith(("-[", "+[")):
        return name
    name = readable(name[:1000].strip())
    if "$" in name:
        name = rust_name(name)
    name = _STATIC.sub("", name).replace(" -> ", " \ue007 ")
    if "operator" in name:
        name = _CONVERSION.sub("operator\ue006", _OPERATOR.sub(_hidden, name))
    if name.startswith("<") and " as " in name:
        name = _IMPLEMENTED.sub(r"\1", name)
    if " in _" in name:
        name = _PRIVATE.sub(r"\1", name)
    plain = _outside_brackets(name).replace(" const", "").strip()
    if "\ue007" in plain or " witness for " in plain:
        plain = _swift_name(plain)
    return plain.rsplit(" ", 1)[-1].translate(_SHOW)


def is_machinery(name: str) -> bool:
    """Tells whether a function stands on stacks whatever the fault."""
    return _MACHINERY.match(name) is not None or _MACHINERY_PART.search(name) is not None


def is_generic(name: str, file: str | None) -> bool:
    """Tells whether a function is a library's that faults of all kinds pass through."""
    return _GENERIC.match(name) is not None or (
        file is not None and _GENERIC_FILE.search(file) is not None
    )
