"""Crash logs: what tells two native faults apart, and what does not."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from fixstream.triage.fingerprint import fingerprint
from fixstream.triage.trace import parse_trace
from fixstream.triage.traces.crash_kind import crash_kind
from fixstream.triage.traces.mangled import readable
from fixstream.triage.traces.native_names import plain_name
from support.beside import load_beside
from support.events import make_event

CASES = load_beside(__file__, "crash_cases").CASES
DATA = Path(__file__).parents[3] / "shared/data/crash_grouping.jsonl.gz"
ASAN = """==12==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000010 at pc 0x0000004f1b2c
READ of size 8 at 0x602000000010 thread T0
    #0 0x4f1b2b in __interceptor_memcpy /llvm/compiler-rt/lib/asan/asan_interceptors.cpp:22:5
    #1 0x4f1b2b in size /usr/include/c++/v1/vector:658:46
    #2 0x4f1c00 in shop::Cart::total(std::vector<int, std::allocator<int> > const&) const /src/cart.cc:31:7
    #3 0x4f1c10 in each /src/each.h:7:7
    #4 0x4f1c20 in each /src/each.h:9:7
    #5 0x4f1c30 in each /src/each.h:11:7
    #6 0x4f1c40 in each /src/each.h:13:7
    #7 0x4f1c50 in shop::Order::sum() /src/order.cc:3:1
    #8 0x4f2000 in main /src/main.cc:9:3
"""
KERNEL = """BUG: KASAN: use-after-free in ring_read+0x93/0x190
Read of size 4 at addr ffff8800 by task worker/12
Call Trace:
 dump_stack+0x10/0x20
 ring_read+0x93/0x190
 ? ring_free+0x11/0x40
 ring_poll+0x33/0x90
 do_poll+0x41/0x70
"""
WINDOWS = """[1:2:0101/101010.1:FATAL:queue.cc(12)] Check failed: !is_closed.
Backtrace:
\u2003base::debug::CollectStackTrace [0x00007FFE913FFCF2+18] (base/debug/stack_trace_win.cc:329)
\u2003shop::Queue::Push [0x00007FFE93CBFC2A+26] (shop/queue.cc:12)
\u2003shop::Worker::Run [0x00007FFE91273008+664] (shop/worker.cc:66)
"""
SWIFT = """==9==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000000 (pc 0x1 bp 0x2 sp 0x3 T0)
    #0 0x1a in closure #1 (Swift.Int) -> () in Swift._assertionFailure(_: Swift.String) -> Swift.Never (/out/shop+0x1c1b464)
    #1 0x1b in Shop.Cart.(total in _5FB1CFBCD94CAF2E3EDFB98EFEFF52A1)<A where A: Shop.Item>(of: A) throws -> Swift.Int /src/Cart.swift:9:9
    #2 0x1c in protocol witness for Shop.Priced.price() -> Swift.Int in conformance Shop.Item : Shop.Priced in Shop /src/Item.swift:2:1
"""


def of(text: str) -> str:
    return fingerprint(make_event("it crashed", stack_trace=text), parse_trace(text))


def of_message(text: str) -> str:
    return fingerprint(make_event(text), parse_trace(text))


def functions(text: str) -> list[str]:
    trace = parse_trace(text)
    assert trace is not None
    return [frame.function for frame in trace.root.frames]


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (ASAN, "heap-buffer-overflow", "stack-buffer-overflow"),
        (ASAN, "READ of size 8", "READ of size 4"),
        (ASAN, "READ of size", "WRITE of size"),
        (ASAN, "Cart::total", "Cart::count"),
        (ASAN, "shop::Order::sum", "shop::Order::list"),
        (KERNEL, "use-after-free", "slab-out-of-bounds"),
        (KERNEL, "ring_poll", "ring_wait"),
        (WINDOWS, "is_closed", "is_empty"),
        (WINDOWS, "queue.cc(12)", "stack.cc(12)"),
        (WINDOWS, "Queue::Push", "Queue::Pop"),
        (WINDOWS, "Check failed", "Security CHECK failed"),
        (SWIFT, "(total in", "(count in"),
        (SWIFT, "Priced.price", "Priced.name"),
    ],
)
def test_another_fault_gets_its_own(text: str, old: str, new: str) -> None:
    assert old in text
    assert of(text.replace(old, new)) != of(text)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (ASAN, "0x4f1c", "0x9e2d"),
        (ASAN, "==12==", "==4711=="),
        (ASAN, "in size /usr/include", "in back /usr/include"),
        (ASAN, "std::allocator<int>", "shop::Pool<int>"),
        (ASAN, "/src/cart.cc:31:7", "/home/ci/build-9/src/cart.cc:44:1"),
        (KERNEL, "? ring_free+0x11/0x40", "? other_guess+0x1/0x2"),
        (KERNEL, "+0x93/0x190", "+0x97/0x1a0"),
        (KERNEL, " dump_stack+0x10/0x20\n", ""),
        (WINDOWS, "Check failed", "DCHECK failed"),
        (WINDOWS, "0x00007FFE93CBFC2A+26", "0x00007FFA01CBFC2A+31"),
        (WINDOWS, "[1:2:0101/101010.1:", "[99:7:1122/235959.9:"),
        (SWIFT, "_5FB1CFBCD94CAF2E3EDFB98EFEFF52A1", "_00000000D94CAF2E3EDFB98EFEFF52A1"),
        (SWIFT, "(Swift.Int) -> () in Swift._assert", "(Swift.UInt) -> () in Swift._assert"),
    ],
)
def test_builds_and_runs_do_not_count(text: str, old: str, new: str) -> None:
    assert old in text
    assert of(text.replace(old, new)) == of(text)


def _numbered_again(text: str) -> str:
    """Numbers the first stack anew, so that a frame may be put on top of it."""
    stack = re.search(r"(?:^ +#\d+ 0x[^\n]*\n)+", text, re.MULTILINE)
    if stack is None:
        return text
    lines = enumerate(stack[0].splitlines(keepends=True))
    renumbered = "".join(re.sub(r"#\d+", f"#{number}", line, count=1) for number, line in lines)
    return text[: stack.start()] + renumbered + text[stack.end() :]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("of_text", [of, of_message], ids=["as a stack", "as a message"])
def test_logs_in_many_forms(case: Any, of_text: Callable[[str], str]) -> None:
    group = of_text(case.text)
    for old, new in case.same:
        assert old in case.text
        assert of_text(_numbered_again(case.text.replace(old, new))) == group, (old, new)
    for old, new in case.other:
        assert old in case.text
        assert of_text(case.text.replace(old, new)) != group, (old, new)


def test_the_first_stack_that_tells_something_counts() -> None:
    text = "#0 0x7f00aaaa in backtrace\n#0 0x7f00bbbb base::debug::StackTrace()\n#1 0x7f00cccc in shop::run()\n#2 0x7f00dddd in shop::go()\n"
    assert functions(f"SIGSEGV\n{text}") == ["shop::run", "shop::go"]


def test_a_recursion_is_named_by_its_calls_wherever_it_ends() -> None:
    calls = ["read_list", "read_item", "read_value"]
    texts = [
        "==1==ERROR: AddressSanitizer: stack-overflow on address 0x7ffe1234 (pc 0x1 bp 0x2)\n"
        + "\n".join(
            f"    #{n} 0x{n + 4096:x} in {calls[(n + start) % 3]} /src/p.c:{n}" for n in range(200)
        )
        for start in range(3)
    ]
    assert len({of(text) for text in texts}) == 1
    assert of(texts[0].replace("read_item", "read_name")) != of(texts[0])


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("void shop::sort<int, std::less<int> >(int*, int*)", "shop::sort"),
        ("shop::Ptr<Cart>::operator->() const", "shop::Ptr::operator->"),
        ("operator<(Cart const&, Cart const&)", "operator<"),
        ("Vector<T>::operator[](unsigned long)", "Vector::operator[]"),
        ("shop::(anonymous namespace)::helper(int)", "shop::::helper"),
        ("work.constprop.0", "work"),
        ("shop::total::h0123456789abcdef", "shop::total"),
        ("generic specialization <Swift.Int> of Shop.map<A>(A) -> B", "Shop.map"),
    ],
)
def test_what_is_left_of_a_name(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("==1==ERROR: AddressSanitizer: attempting free on address which was not malloc()-ed: 0x5", "invalid-free"),
        ("==1==ERROR: AddressSanitizer: attempting double-free on 0x6020", "double-free"),
        ("==1==ERROR: AddressSanitizer: requested allocation size 0x9a exceeds maximum", "out-of-memory"),
        ("==1==ERROR: LeakSanitizer: detected memory leaks\n\nIndirect leak of 8 byte(s)", "Indirect leak"),
        ("F1110 15:37:25.280898 2384071 cart.cc:220] no such price", "fatal no such price in cart.cc"),
        ("GLib:ERROR:../a.c:709:parse: assertion failed: (j < i)", "assert (j < i) in a.c"),
        ("shop: cart.c:12: total: Assertion `price > 0' failed.", "assert price > <n> in cart.c"),
        ("terminate called after throwing an instance of 'shop::NoPrice'", "uncaught shop::NoPrice"),
        ("free(): invalid pointer\nAborted", "fatal free(): invalid pointer"),
        ("kernel BUG at kernel/time/timer.c:1147!", "kernel BUG at timer.c"),
        ("(1f4c.1ee4): Access violation - code c0000005 (first chance)", "Access violation"),
        ("(1f4c.1ee4): WOW64 single step exception - code 4000001e (first chance)", None),
        ("everything is fine", None),
    ],
)  # fmt: skip
def test_kinds_of_crash(text: str, kind: str | None) -> None:
    assert crash_kind(text) == kind


def test_without_a_trace_the_lines_that_name_a_failure_count() -> None:
    noise = "\n".join(f"INFO: step {n} of the start" for n in range(40))
    one, two = (f"{noise}\nERROR: cannot open the {what}\n{noise}" for what in ("door", "window"))
    assert of(one) != of(two)
    assert of(one) == of(one.replace("step", "step", 1).replace("INFO: step 20", "INFO: step 999"))


def _events() -> list[tuple[tuple[str, str], str]]:
    if not DATA.exists():
        pytest.skip("no crash logs beside the checkout")
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in gzip.decompress(DATA.read_bytes()).splitlines()
    ]
    seen: set[str] = set()
    labelled = []
    for row in rows:
        # Of two logs whose texts were cut to the same characters one is enough.
        plain = re.sub(r"\d", "", row["text"])
        if row["crash_type"] and row["crash_state"] and plain not in seen:
            seen.add(plain)
            labelled.append(((row["crash_type"], row["crash_state"]), of(row["text"])))
    return labelled


def test_pairs_of_labelled_crash_logs() -> None:
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for (label, group), (other_label, other_group) in combinations(_events(), 2):
        counts[label == other_label, group == other_group] += 1
    found, missed, wrong = counts[True, True], counts[True, False], counts[False, True]
    assert found / (found + wrong) >= 0.97
    assert found / (found + missed) >= 0.80


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("_ZN4shop4Cart5totalEi", "shop::Cart::total"),
        ("__ZNK4shop5Order3sumEv", "shop::Order::sum"),
        ("_ZN4shop4CartC2Ev", "shop::Cart::Cart"),
        ("_ZN4shop4CartD1Ev", "shop::Cart::~Cart"),
        ("_ZN4shop3PtrINS_4CartESaIiEE3getEv", "shop::Ptr::get"),
        ("_ZZN4shop4Cart5totalEvENKUlvE_clEv", "shop::Cart::total"),
        ("_Z5totali", "total"),
        ("_ZL5totali", "total"),
        ("_ZNSt6vectorIiSaIiEE2atEm", "std::vector::at"),
        ("_ZN4shop4cart5total17h0123456789abcdefE", "shop::cart::total"),
        (
            "_ZN41_$LT$shop..Order$u20$as$u20$shop..Sum$GT$3sum17h0123456789abcdefE",
            "<shop::Order as shop::Sum>::sum",
        ),
        ("_Zoom", "_Zoom"),
        ("zone", "zone"),
    ],
)
def test_mangled_names(name: str, plain: str) -> None:
    assert readable(name) == plain


def test_a_rust_method_is_named_with_its_type() -> None:
    plain = "<shop::order::Order as shop::Sum>::sum"
    mangled = "_$LT$shop..order..Order$u20$as$u20$shop..Sum$GT$::sum::h0123456789abcd00"
    assert plain_name(plain) == plain_name(mangled) == "shop::order::Order::sum"
