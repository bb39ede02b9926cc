"""Crash logs in many forms: what does not count in them, and what does."""

from __future__ import annotations

from typing import NamedTuple


class CrashCase(NamedTuple):
    """A log with replacements that have to leave its group alone, and others that have to change it."""

    name: str
    text: str
    same: tuple[tuple[str, str], ...]
    other: tuple[tuple[str, str], ...]


CASES = [
    CrashCase(
        "asan uaf",
        """=================================================================
==77==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x55d0c1 bp 0x7ffd1 sp 0x7ffd0
READ of size 8 at 0x602000000010 thread T0
    #0 0x55d0c1 in shop::Cart::total(int) const /src/shop/cart.cc:31:7
    #1 0x55d0c2 in shop::Order::sum() /src/shop/order.cc:12:3
    #2 0x55d0c3 in shop::Till::close(shop::Order*) /src/shop/till.cc:99:1
    #3 0x55d0c4 in main /src/shop/main.cc:3:1

0x602000000010 is located 0 bytes inside of 8-byte region [0x602000000010,0x602000000018)
freed by thread T0 here:
    #0 0x4f1 in free /llvm/asan_malloc_linux.cc:52
    #1 0x4f2 in shop::Cart::clear() /src/shop/cart.cc:77:3
previously allocated by thread T0 here:
    #0 0x4f1 in operator new(unsigned long) /llvm/asan_new_delete.cc:95
    #1 0x4f2 in shop::Cart::add() /src/shop/cart.cc:70:3
SUMMARY: AddressSanitizer: heap-use-after-free /src/shop/cart.cc:31:7 in shop::Cart::total(int) const
Shadow bytes around the buggy address:
  0x0c047fff7fb0: fa fa fa fa fa fa fa fa
==77==ABORTING
""",
        (
            ("0x55d0c", "0x7ffa91"),
            (":31:7", ":48:2"),
            ("/src/shop/", "/home/ci/b-77/shop/"),
            ("shop::Order*", "shop::Order const*"),
            ("==77==", "==4==\n"),
            ("thread T0\n", "thread T12 (worker)\n"),
            ("Cart::add", "Cart::put"),
            ("0x602000000010", "0x61d00000f0a8"),
            (
                "    #0 0x55d0c1 in",
                "    #0 0x55d0c0 in __asan_memcpy /llvm/x.cpp:3\n    #1 0x55d0c1 in",
            ),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Till::close", "Till::open"),
            ("Order::sum", "Order::tax"),
            ("READ of", "WRITE of"),
            ("use-after-free on", "buffer-overflow on"),
            ("size 8 at", "size 1 at"),
        ),
    ),
    CrashCase(
        "asan inlined copy",
        """==77==ERROR: AddressSanitizer: stack-buffer-overflow on address 0x7ffd12 at pc 0x55d0c1 bp 0x7ffd1 sp 0x7ffd0
WRITE of size 4 at 0x7ffd12 thread T0
    #0 0x55d0c1 in shop::Cart::total(int) const /src/shop/cart.cc:31:7
    #1 0x55d0c2 in shop::Order::sum() /src/shop/order.cc:12:3
    #2 0x55d0c3 in shop::Till::close(shop::Order*) /src/shop/till.cc:99:1
    #3 0x55d0c4 in main /src/shop/main.cc:3:1
""",
        (
            ("0x55d0c", "0x7ffa91"),
            (":31:7", ":48:2"),
            ("/src/shop/", "/home/ci/b-77/shop/"),
            ("shop::Order*", "shop::Order const*"),
            (
                "    #0 0x55d0c1 in",
                "    #0 0x55d0c1 in std::__1::vector<int, std::__1::allocator<int>>::operator[][abi:v160006](unsigned long) /usr/lib/llvm/include/c++/v1/vector:1400\n    #1 0x55d0c1 in",
            ),
            (
                "    #0 0x55d0c1 in",
                "    #0 0x55d0c1 in char* std::copy<char const*, char*>(char const*, char const*, char*) /usr/include/c++/12/bits/stl_algobase.h:385:2\n    #1 0x55d0c1 in",
            ),
            (
                "    #0 0x55d0c1 in",
                "    #0 0x55d0c1 in __interceptor_strlen.part.0 (/opt/shop/till+0x3a1)\n    #1 0x55d0c1 in",
            ),
            (
                "    #0 0x55d0c1 in",
                "    #0 0x55d0c1 in strcpy (/opt/shop/till+0x3a1)\n    #1 0x55d0c1 in",
            ),
            (
                "    #0 0x55d0c1 in",
                "    #0 0x55d0c1 in printf_common(void*, char const*, __va_list_tag*) /b/compiler-rt/lib/asan/../sanitizer_common/sanitizer_common_interceptors_format.inc:551\n    #1 0x55d0c0 in vsnprintf /b/compiler-rt/lib/x.inc:1\n    #2 0x55d0c1 in",
            ),
            (
                "    #0 0x55d0c1 in",
                "    #0 0x55d0c1 in memcmp (/lib/x86_64-linux-gnu/libc.so.6+0x9b1a2)\n    #1 0x55d0c1 in",
            ),
            (
                "    #0 0x55d0c1 in",
                "    #0 0x55d0c1 in __strlen_chk /b/bionic/libc/bionic/fortify.cpp:9\n    #1 0x55d0c1 in",
            ),
            (
                "    #0 0x55d0c1 in",
                "    #0 0x55d0c1 in MemcmpInterceptorCommon(void*, int (*)(void const*, void const*, unsigned long), void const*, void const*, unsigned long) /b/llvm/x.inc:813:7\n    #1 0x55d0c1 in",
            ),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Till::close", "Till::open"),
            ("Order::sum", "Order::tax"),
        ),
    ),
    CrashCase(
        "asan null segv",
        """==9==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000018 (pc 0x55d0c1 bp 0x7ffd1 sp 0x7ffd0 T0)
==9==The signal is caused by a READ memory access.
==9==Hint: address points to the zero page.
    #0 0x55d0c1 in shop::Cart::total(int) const /src/shop/cart.cc:31:7
    #1 0x55d0c2 in shop::Order::sum() /src/shop/order.cc:12:3
    #2 0x55d0c3 in shop::Till::close(shop::Order*) /src/shop/till.cc:99:1
    #3 0x55d0c4 in main /src/shop/main.cc:3:1
""",
        (
            ("0x55d0c", "0x7ffa91"),
            (":31:7", ":48:2"),
            ("/src/shop/", "/home/ci/b-77/shop/"),
            ("shop::Order*", "shop::Order const*"),
            ("000000000018", "000000000020"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Till::close", "Till::open"),
            ("Order::sum", "Order::tax"),
            ("a READ m", "a WRITE m"),
        ),
    ),
    CrashCase(
        "asan summary only",
        """[ci] step 3 failed, last lines of the log:
SUMMARY: AddressSanitizer: heap-use-after-free /src/shop/cart.cc:31:7 in shop::Cart::total(int) const
""",
        (
            (":31:7", ":32:1"),
            ("/src/shop", "/b/77/shop"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("heap-use-after-free", "double-free"),
        ),
    ),
    CrashCase(
        "ubsan inf is outside the range of re",
        """/src/shop/cart.cc:31:7: runtime error: inf is outside the range of representable values of type 'int'
    #0 0x55d0c1 in shop::Cart::total(int) const /src/shop/cart.cc:31:7
    #1 0x55d0c2 in shop::Order::sum() /src/shop/order.cc:12:3
    #2 0x55d0c3 in shop::Till::close(shop::Order*) /src/shop/till.cc:99:1
    #3 0x55d0c4 in main /src/shop/main.cc:3:1
SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior /src/shop/cart.cc:31:7
""",
        (
            ("0x55d0c", "0x7ffa91"),
            (":31:7", ":48:2"),
            ("/src/shop/", "/home/ci/b-77/shop/"),
            ("shop::Order*", "shop::Order const*"),
            (
                "inf is outside the range of representable values of type 'int'",
                "3.1 is outside the range of representable values of type 'int'",
            ),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Till::close", "Till::open"),
            ("Order::sum", "Order::tax"),
            (
                "runtime error: inf is outside the range of representable values of type 'int'",
                "runtime error: execution reached an unreachable program point",
            ),
        ),
    ),
    CrashCase(
        "ubsan bare signed integer overflow: 21474",
        """../src/shop/cart.cc:31:7: runtime error: signed integer overflow: 2147483647 + 1 cannot be represented in type 'int'
SUMMARY: UndefinedBehaviorSanitizer: undefined-behavior ../src/shop/cart.cc:31:7 in
""",
        (
            (":31:7", ":40:1"),
            (
                "signed integer overflow: 2147483647 + 1 cannot be represented in type 'int'",
                "signed integer overflow: -21 + -7 cannot be represented in type 'int'",
            ),
        ),
        (("cart.cc", "till.cc"),),
    ),
    CrashCase(
        "tsan",
        """==================
WARNING: ThreadSanitizer: data race (pid=312)
  Write of size 4 at 0x7b0400000810 by thread T1 (mutexes: write M0):
    #0 0x55d0c1 in shop::Cart::total(int) const /src/shop/cart.cc:31:7
    #1 0x55d0c2 in shop::Order::sum() /src/shop/order.cc:12:3
    #2 0x55d0c3 in shop::Till::close(shop::Order*) /src/shop/till.cc:99:1
    #3 0x55d0c4 in main /src/shop/main.cc:3:1

  Previous read of size 4 at 0x7b0400000810 by main thread:
    #0 shop::Cart::peek() /src/shop/cart.cc:60:3 (till+0x4b1)
    #1 main /src/shop/main.cc:12 (till+0x4c)

  Location is heap block of size 16 at 0x7b0400000810 allocated by main thread:
    #0 operator new(unsigned long) /x.cc:64 (till+0x44)
    #1 main /src/shop/main.cc:8 (till+0x4c)
SUMMARY: ThreadSanitizer: data race /src/shop/cart.cc:31:7 in shop::Cart::total(int) const
""",
        (
            ("0x55d0c", "0x7ffa91"),
            (":31:7", ":48:2"),
            ("/src/shop/", "/home/ci/b-77/shop/"),
            ("shop::Order*", "shop::Order const*"),
            ("pid=312", "pid=9"),
            ("T1 (mutexes: write M0)", "T9"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Till::close", "Till::open"),
            ("Order::sum", "Order::tax"),
            ("data race (", "lock-order-inversion (potential deadlock) ("),
        ),
    ),
    CrashCase(
        "lsan alloc fn",
        """=================================================================
==44==ERROR: LeakSanitizer: detected memory leaks

Direct leak of 80 byte(s) in 2 object(s) allocated from:
    #0 0x4f1 in operator new(unsigned long) /llvm/asan_malloc_linux.cc:67
    #1 0x55d0c1 in shop::Cart::total(int) const /src/shop/cart.cc:31:7
    #2 0x55d0c2 in shop::Order::sum() /src/shop/order.cc:12:3
    #3 0x55d0c3 in shop::Till::close(shop::Order*) /src/shop/till.cc:99:1
    #4 0x55d0c4 in main /src/shop/main.cc:3:1

SUMMARY: AddressSanitizer: 80 byte(s) leaked in 2 allocation(s).
""",
        (
            ("in operator new(unsigned long) /", "in __interceptor_calloc /"),
            (
                "in operator new(unsigned long) /",
                "in operator new[](unsigned long, std::nothrow_t const&) /",
            ),
            ("in operator new(unsigned long) /", "in strdup /"),
            ("in operator new(unsigned long) /", "in posix_memalign /"),
            ("in operator new(unsigned long) /", "in aligned_alloc /"),
            ("in operator new(unsigned long) /", "in realloc /"),
        ),
        (),
    ),
    CrashCase(
        "kasan",
        """[   63.110301][ T5842] ==================================================================
[   63.111000][ T5842] BUG: KASAN: slab-use-after-free in cart_read+0x2f1/0x3c0
[   63.112000][ T5842] Read of size 8 at addr ffff88801a2b3c40 by task till/5842
[   63.113000][ T5842]
[   63.114000][ T5842] CPU: 1 UID: 0 PID: 5842 Comm: till Not tainted 6.12.0-rc1 #0
[   63.115000][ T5842] Call Trace:
[   63.116000][ T5842]  <TASK>
[   63.117000][ T5842]  __dump_stack lib/dump_stack.c:94 [inline]
[   63.117000][ T5842]  dump_stack_lvl+0x241/0x360 lib/dump_stack.c:120
[   63.118000][ T5842]  print_report+0x169/0x550 mm/kasan/report.c:488
[   63.119000][ T5842]  kasan_report+0x143/0x180 mm/kasan/report.c:601
[   63.120000][ T5842]  cart_read+0x2f1/0x3c0 fs/cart/read.c:120
[   63.121000][ T5842]  order_walk+0x93/0x190 fs/cart/order.c:31
[   63.122000][ T5842]  till_ioctl+0x33/0x90 fs/cart/till.c:9
[   63.123000][ T5842]  do_syscall_64+0xf3/0x230
[   63.124000][ T5842]  entry_SYSCALL_64_after_hwframe+0x77/0x7f
[   63.125000][ T5842]  </TASK>
[   63.126000][ T5842] Allocated by task 5842:
[   63.127000][ T5842]  kasan_save_track+0x3f/0x80
[   63.127500][ T5842]  cart_new+0x3f/0x80
""",
        (
            ("T5842", "T9"),
            ("+0x2f1/0x3c0", "+0x2f7/0x3d0"),
            ("cart_new", "cart_make"),
            ("[   63.", "[ 1163."),
            (
                "__dump_stack lib/dump_stack.c:94 [inline]",
                "dump_stack_x lib/dump_stack.c:94 [inline]",
            ),
            (" lib/dump_stack.c:120", ""),
        ),
        (
            ("cart_read", "cart_write"),
            ("order_walk", "order_sort"),
            ("Read of", "Write of"),
            ("slab-use-after-free", "slab-out-of-bounds"),
        ),
    ),
    CrashCase(
        "soft lockup",
        """watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [till:123]
RIP: 0010:cart_read+0x1/0x20
Call Trace:
 order_walk+0x93/0x190
""",
        (
            ("CPU#0 stuck for 22s", "CPU#3 stuck for 26s"),
            ("till:123", "till:99"),
        ),
        (("order_walk", "x_y"),),
    ),
    CrashCase(
        "gdb all threads",
        """Core was generated by `./till --fast'.
Program terminated with signal SIGABRT, Aborted.
#0  __pthread_kill_implementation (threadid=<optimized out>, signo=6, no_tid=0) at pthread_kill.c:44

Thread 3 (Thread 0x7f1122 (LWP 33)):
#0  0x00007f11 in __futex_abstimed_wait_common (futex_word=0x55) at ./nptl/futex-internal.c:57
#1  pthread_cond_wait () at x.c:3
#2  shop::Pool::idle (this=0x1) at pool.cc:7

Thread 2 (Thread 0x7f1123 (LWP 32)):
#0  0x00007f11 in epoll_wait () at x.c:1
#1  shop::Net::loop (this=0x1) at net.cc:7

Thread 1 (Thread 0x7f1124 (LWP 31)):
#0  __pthread_kill_implementation (threadid=1, signo=6, no_tid=0) at pthread_kill.c:44
#1  0x00007f in raise () from /lib/libc.so.6
#2  0x00007f in abort () from /lib/libc.so.6
#3  0x00005 in shop::Cart::total (this=0x0) at cart.cc:31
#4  0x00005 in shop::Order::sum (this=0x0) at order.cc:12
#5  main () at main.cc:3
""",
        (
            ("LWP 33", "LWP 34"),
            ("shop::Pool::idle", "shop::Pool::rest"),
            ("--fast", "--slow"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Order::sum", "Order::x"),
        ),
    ),
    CrashCase(
        "lldb",
        """Process 4242 stopped
* thread #1, queue = 'com.apple.main-thread', stop reason = EXC_BAD_ACCESS (code=1, address=0x0)
    frame #0: 0x0000000100003f2c till`shop::Cart::total(this=0x0000000000000000, n=3) const at cart.cc:31:10
   28
-> 31    return items[n];
(lldb) bt
* thread #1, queue = 'com.apple.main-thread', stop reason = EXC_BAD_ACCESS (code=1, address=0x0)
  * frame #0: 0x0000000100003f2c till`shop::Cart::total(this=0x0000000000000000, n=3) const at cart.cc:31:10
    frame #1: 0x0000000100003e88 till`shop::Order::sum(this=0x000000016fdff0a8) at order.cc:12:3
    frame #2: 0x0000000100003e00 till`main at main.cc:3:1
    frame #3: 0x0000000187 dyld`start + 2236
""",
        (
            ("0x0000000100003f2c", "0x0000000104403f2c"),
            ("n=3", "n=9"),
            ("31:10", "33:1"),
            ("Process 4242", "Process 1"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Order::sum", "Order::x"),
            ("EXC_BAD_ACCESS", "EXC_BREAKPOINT"),
        ),
    ),
    CrashCase(
        "minidump",
        """Operating system: Linux
                  0.0.0 Linux 5.10
CPU: amd64
     family 6 model 85 stepping 7
     4 CPUs

Crash reason:  SIGSEGV /SEGV_MAPERR
Crash address: 0x0
Process uptime: not available

Thread 4 (crashed)
 0  till!shop::Cart::total(int) [cart.cc : 31 + 0x5]
    rax = 0x0000000000000000   rdx = 0x000055d0c1
    rip = 0x000055d0c1
    Found by: given as instruction pointer in context
 1  till!shop::Order::sum() [order.cc : 12 + 0x3]
    rip = 0x000055d0c2
    Found by: call frame info
 2  till!main [main.cc : 3 + 0x1]
    Found by: call frame info
 3  libc.so.6 + 0x29d90
    Found by: stack scanning

Thread 0
 0  libc.so.6!epoll_wait [x.c : 1 + 0x0]
 1  till!shop::Net::loop() [net.cc : 7 + 0x1]
""",
        (
            ("31 + 0x5", "33 + 0x9"),
            ("Thread 4 (", "Thread 7 ("),
            ("Net::loop", "Net::run"),
            ("0x000055d0c", "0x000077d0c"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Order::sum", "Order::x"),
            ("SIGSEGV /SEGV_MAPERR", "SIGILL"),
        ),
    ),
    CrashCase(
        "wer",
        r"""Faulting application name: till.exe, version: 4.2.0.0, time stamp: 0x5f3c1a2b
Faulting module name: cart.dll, version: 4.2.0.0, time stamp: 0x5f3c1a2c
Exception code: 0xc0000005
Fault offset: 0x0000000000012af4
Faulting process id: 0x1a2c
Faulting application start time: 0x01d7a
Faulting application path: C:\Shop\till.exe
Faulting module path: C:\Shop\cart.dll
Report Id: 1b2c3d4e-0000-1111-2222-333344445555
""",
        (
            ("0x1a2c", "0x2b3d"),
            ("4.2.0.0", "4.2.1.0"),
            ("1b2c3d4e", "aa2c3d4e"),
            ("0x5f3c1a2", "0x600c1a2"),
        ),
        (
            ("module name: cart.dll", "module name: net.dll"),
            ("0xc0000005", "0xc0000409"),
        ),
    ),
    CrashCase(
        "windbg",
        r"""EXCEPTION_RECORD:  (.exr -1)
ExceptionAddress: 00007ff612345678 (till!shop::Cart::total+0x0000000000000018)
   ExceptionCode: c0000005 (Access violation)
  ExceptionFlags: 00000000

PROCESS_NAME:  till.exe
READ_ADDRESS:  0000000000000000
ERROR_CODE: (NTSTATUS) 0xc0000005 - The instruction at 0x%p referenced memory at 0x%p.

STACK_TEXT:
000000e4`2f7ff6a0 00007ff6`12345680     : 00000000`00000003 00000000`00000000 : till!shop::Cart::total+0x18 [C:\b\cart.cc @ 31]
000000e4`2f7ff6e0 00007ff6`12345700     : 00000000`00000003 00000000`00000000 : till!shop::Order::sum+0x44 [C:\b\order.cc @ 12]
000000e4`2f7ff720 00007ffa`aaaa7034     : 00000000`00000000 00000000`00000000 : till!main+0x11 [C:\b\main.cc @ 3]
000000e4`2f7ff760 00007ffa`bbbb2651     : 00000000`00000000 00000000`00000000 : kernel32!BaseThreadInitThunk+0x14
000000e4`2f7ff790 00000000`00000000     : 00000000`00000000 00000000`00000000 : ntdll!RtlUserThreadStart+0x21
""",
        (
            ("000000e4`2f7", "000000f9`117"),
            ("@ 31]", "@ 44]"),
            ("+0x18", "+0x1c"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Order::sum", "Order::x"),
            ("c0000005 (Access violation)", "c0000094 (Integer divide-by-zero)"),
        ),
    ),
    CrashCase(
        "tombstone logcat",
        """11-30 12:00:00.123  4300  4300 F DEBUG   : *** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***
11-30 12:00:00.123  4300  4300 F DEBUG   : Build fingerprint: 'google/sunfish/sunfish:11/RQ3A/123:user/release-keys'
11-30 12:00:00.123  4300  4300 F DEBUG   : Revision: 'MP1.0'
11-30 12:00:00.123  4300  4300 F DEBUG   : ABI: 'arm64'
11-30 12:00:00.123  4300  4300 F DEBUG   : Timestamp: 2026-05-05 10:11:12+0200
11-30 12:00:00.123  4300  4300 F DEBUG   : pid: 4242, tid: 4299, name: RenderThread  >>> com.shop.till <<<
11-30 12:00:00.123  4300  4300 F DEBUG   : uid: 10123
11-30 12:00:00.123  4300  4300 F DEBUG   : signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x7ab3c0de00
11-30 12:00:00.123  4300  4300 F DEBUG   :     x0  0000000000000000  x1  0000007fd1
11-30 12:00:00.123  4300  4300 F DEBUG   :     lr  0000007  sp 0000008  pc 0000009
11-30 12:00:00.123  4300  4300 F DEBUG   :
11-30 12:00:00.123  4300  4300 F DEBUG   : backtrace:
11-30 12:00:00.123  4300  4300 F DEBUG   :       #00 pc 00000000000a1b2c  /data/app/~~Zm9v==/com.shop.till-YmFy==/lib/arm64/libcart.so (shop::Cart::total(int)+44) (BuildId: 0a1b2c3d4e5f)
11-30 12:00:00.123  4300  4300 F DEBUG   :       #01 pc 00000000000a1c00  /data/app/~~Zm9v==/com.shop.till-YmFy==/lib/arm64/libcart.so (shop::Order::sum()+128) (BuildId: 0a1b2c3d4e5f)
11-30 12:00:00.123  4300  4300 F DEBUG   :       #02 pc 000000000004ed30  /apex/com.android.runtime/lib64/bionic/libc.so (__pthread_start(void*)+64) (BuildId: aa)
""",
        (
            ("4300  4300", "71 71"),
            ("12:00:00.123", "12:01:01.999"),
            ("total(int)+44", "total(int)+48"),
        ),
        (("Cart::total", "Cart::count"),),
    ),
    CrashCase(
        "tombstone abort",
        """*** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***
Build fingerprint: 'google/sunfish/sunfish:11/RQ3A/123:user/release-keys'
Revision: 'MP1.0'
ABI: 'arm64'
Timestamp: 2026-05-05 10:11:12+0200
pid: 4242, tid: 4299, name: RenderThread  >>> com.shop.till <<<
uid: 10123
signal 6 (SIGABRT), code -1 (SI_QUEUE), fault addr --------
Abort message: 'cart.cc:31] Check failed: index < size '
    x0  0000000000000000  x1  0000007fd1
    lr  0000007  sp 0000008  pc 0000009

backtrace:
      #00 pc 0000000000089e28  /apex/com.android.runtime/lib64/bionic/libc.so (abort+180) (BuildId: bb)
      #01 pc 00000000000a1b2c  /data/app/~~Zm9v==/com.shop.till-YmFy==/lib/arm64/libcart.so (shop::Cart::total(int)+44) (BuildId: 0a1b2c3d4e5f)
      #01 pc 00000000000a1c00  /data/app/~~Zm9v==/com.shop.till-YmFy==/lib/arm64/libcart.so (shop::Order::sum()+128) (BuildId: 0a1b2c3d4e5f)
      #02 pc 000000000004ed30  /apex/com.android.runtime/lib64/bionic/libc.so (__pthread_start(void*)+64) (BuildId: aa)
""",
        (
            ("cart.cc:31]", "cart.cc:32]"),
            ("abort+180", "abort+164"),
        ),
        (
            ("index < size", "order != null"),
            ("Cart::total", "Cart::count"),
        ),
    ),
    CrashCase(
        "tombstone no symbols",
        """*** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***
Build fingerprint: 'google/sunfish/sunfish:11/RQ3A/123:user/release-keys'
Revision: 'MP1.0'
ABI: 'arm64'
Timestamp: 2026-05-05 10:11:12+0200
pid: 4242, tid: 4299, name: RenderThread  >>> com.shop.till <<<
uid: 10123
signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x7ab3c0de00
    x0  0000000000000000  x1  0000007fd1
    lr  0000007  sp 0000008  pc 0000009

backtrace:
      #00 pc 00000000000a1b2c  /data/app/~~Zm9v==/com.shop.till-YmFy==/lib/arm64/libcart.so (BuildId: 0a1b2c3d4e5f)
      #01 pc 00000000000a1c00  /data/app/~~Zm9v==/com.shop.till-YmFy==/lib/arm64/libcart.so (BuildId: 0a1b2c3d4e5f)
      #02 pc 000000000004ed30  /apex/com.android.runtime/lib64/bionic/libc.so (__pthread_start(void*)+64) (BuildId: aa)
""",
        (
            ("0a1b2c3d4e5f", "ff1b2c3d4e5f"),
            ("4242", "4"),
        ),
        (("libcart.so", "libnet.so"),),
    ),
    CrashCase(
        "anr",
        """ANR in com.shop.till (com.shop.till/.MainActivity)
PID: 4242
Reason: Input dispatching timed out (Waiting to send non-key event because the touched window has not finished processing certain input events that were delivered to it over 500.0ms ago.)
Load: 12.1 / 9.9 / 8.2
CPU usage from 0ms to 9213ms later
""",
        (
            ("PID: 4242", "PID: 9"),
            ("12.1 / 9.9", "1.1 / 0.1"),
        ),
        (
            ("com.shop.till", "com.shop.pay"),
            (
                "Reason: Input dispatching timed out (Waiting to send non-key event because the touched window has not finished processing certain input events that were delivered to it over 500.0ms ago.)",
                "Reason: Broadcast of Intent { act=x }",
            ),
        ),
    ),
    CrashCase(
        "mac crash",
        """Process:               Till [4242]
Path:                  /Applications/Till.app/Contents/MacOS/Till
Identifier:            com.shop.till
Version:               4.2 (77)
Code Type:             ARM-64 (Native)
Date/Time:             2026-05-05 10:11:12.123 +0200
OS Version:            macOS 14.4 (23E214)
Crashed Thread:        2  Dispatch queue: com.shop.cart

Exception Type:        EXC_BAD_ACCESS (SIGSEGV)
Exception Codes:       KERN_INVALID_ADDRESS at 0x0000000000000018
Termination Reason:    Namespace SIGNAL, Code 11 Segmentation fault: 11

Thread 0::  Dispatch queue: com.apple.main-thread
0   libsystem_kernel.dylib        \t0x00000001a1 mach_msg_trap + 8
1   CoreFoundation                \t0x00000001a2 __CFRunLoopRun + 1212
2   Till                          \t0x0000000102 -[TillApp run] + 44

Thread 1:
0   libsystem_kernel.dylib        \t0x00000001a1 __workq_kernreturn + 8

Thread 2 Crashed::  Dispatch queue: com.shop.cart
0   Till                          \t0x0000000102a1b2c3 shop::Cart::total(int) + 44 (cart.cc:31)
1   Till                          \t0x0000000102a1b300 -[TillOrder sumWith:] + 128 (TillOrder.m:12)
2   libdispatch.dylib             \t0x00000001a4 _dispatch_client_callout + 20

Thread 2 crashed with ARM Thread State (64-bit):
    x0: 0x0000000000000000   x1: 0x0000000000000001

Binary Images:
0x102000000 - 0x102ffffff Till (4.2) <UUID> /Applications/Till.app/Contents/MacOS/Till
""",
        (
            ("[4242]", "[9]"),
            ("0x0000000102a1b", "0x0000000104a1b"),
            ("-[TillApp run]", "-[TillApp walk]"),
            ("total(int) + 44", "total(int) + 52"),
            ("0000000000000018", "0000000000000020"),
            ("4.2 (77)", "4.3 (78)"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("sumWith:", "taxWith:"),
            ("EXC_BAD_ACCESS (SIGSEGV)", "EXC_CRASH (SIGABRT)"),
        ),
    ),
    CrashCase(
        "nsexception",
        """*** Terminating app due to uncaught exception 'NSInvalidArgumentException', reason: '-[TillCart total]: unrecognized selector sent to instance 0x600000c0'
*** First throw call stack:
(
\t0   CoreFoundation                      0x00000001803f0 __exceptionPreprocess + 172
\t1   libobjc.A.dylib                     0x000000018009 objc_exception_throw + 56
\t2   CoreFoundation                      0x0000000180 -[NSObject(NSObject) doesNotRecognizeSelector:] + 0
\t3   Till                                0x0000000102a1b -[TillOrder sumWith:] + 128
\t4   Till                                0x0000000102a1c -[TillView tap:] + 64
\t5   UIKitCore                           0x0000000184 -[UIApplication sendAction:to:from:forEvent:] + 96
)
libc++abi: terminating due to uncaught exception of type NSException
""",
        (
            ("0x600000c0", "0x600000ff"),
            ("+ 128", "+ 132"),
        ),
        (
            ("sumWith:", "taxWith:"),
            ("NSInvalidArgumentException", "NSRangeException"),
        ),
    ),
    CrashCase(
        "hs_err",
        """#
# A fatal error has been detected by the Java Runtime Environment:
#
#  SIGSEGV (0xb) at pc=0x00007f3a1b2c3d4e, pid=4242, tid=4243
#
# JRE version: OpenJDK Runtime Environment (17.0.2+8) (build 17.0.2+8)
# Java VM: OpenJDK 64-Bit Server VM (17.0.2+8, mixed mode)
# Problematic frame:
# C  [libcart.so+0x1b2c]  shop_cart_total+0x1c
#
Native frames: (J=compiled Java code, j=interpreted, Vv=VM code, C=native code)
C  [libcart.so+0x1b2c]  shop_cart_total+0x1c
C  [libcart.so+0x1c00]  Java_com_shop_Cart_total+0x40
j  com.shop.Cart.total(I)I+0
j  com.shop.Order.sum()I+12
v  ~StubRoutines::call_stub
V  [libjvm.so+0x83a1b2]  JavaCalls::call_helper(JavaValue*, methodHandle const&, JavaCallArguments*, Thread*)+0x2f2
""",
        (
            ("pid=4242", "pid=1"),
            ("0x00007f3a1b2c3d4e", "0x00007faaaa2c3d4e"),
            ("+0x1b2c]", "+0x1b3c]"),
            ("total+0x1c", "total+0x20"),
        ),
        (
            ("shop_cart_total", "shop_cart_count"),
            ("SIGSEGV (0xb)", "SIGBUS (0x7)"),
        ),
    ),
    CrashCase(
        "v8 dcheck",
        """

#
# Fatal error in ../../src/cart/total.cc, line 31
# Debug check failed: index < size (7 vs. 3).
#
#
#
#FailureMessage Object: 0x7ffd1122
==== C stack trace ===============================

    /b/out/d8(v8::base::debug::StackTrace::StackTrace()+0x1f) [0x55d0c0]
    /b/out/d8(+0x1234) [0x55d0c9]
    /b/out/d8(V8_Fatal(char const*, int, char const*, ...)+0x1c7) [0x55d0d]
    /b/out/d8(v8::internal::Cart::Total(int)+0x2f) [0x55d0c1]
    /b/out/d8(v8::internal::Order::Sum()+0x31) [0x55d0c2]
    /b/out/d8(main+0x11) [0x55d0c3]
""",
        (
            ("7 vs. 3", "9 vs. 1"),
            ("line 31", "line 44"),
            ("[0x55d0c", "[0x66d0c"),
            ("/b/out/d8", "/home/x/out/d8"),
            ("0x7ffd1122", "0x1"),
        ),
        (
            ("index < size", "index != size"),
            ("Cart::Total", "Cart::Count"),
            ("total.cc", "count.cc"),
        ),
    ),
    CrashCase(
        "mac",
        "Assertion failed: (price > 0), function total, file cart.c, line 31.\n",
        (("31", "48"),),
        (
            ("price > 0", "name != 0"),
            ("cart.c", "till.c"),
        ),
    ),
    CrashCase(
        "msvc",
        "Assertion failed: price > 0, file c:\\src\\cart.c, line 31\n",
        (
            ("31", "48"),
            ("c:\\src", "d:\\b\\src"),
        ),
        (
            ("price > 0", "name != 0"),
            ("cart.c", "till.c"),
        ),
    ),
    CrashCase(
        "musl",
        "Assertion failed: price > 0 (cart.c: total: 31)\n",
        (("31", "48"),),
        (
            ("price > 0", "name != 0"),
            ("cart.c", "till.c"),
        ),
    ),
    CrashCase(
        "newlib",
        'assertion "price > 0" failed: file "cart.c", line 31, function: total\n',
        (("31", "48"),),
        (
            ("price > 0", "name != 0"),
            ("cart.c", "till.c"),
        ),
    ),
    CrashCase(
        "qt",
        'ASSERT: "price > 0" in file cart.cpp, line 31\n',
        (("31", "48"),),
        (
            ("price > 0", "name != 0"),
            ("cart.cpp", "till.cpp"),
        ),
    ),
    CrashCase(
        "moz",
        "Assertion failure: price > 0 (no such price), at /b/src/cart.cpp:31\n",
        (
            ("31", "48"),
            ("/b/src", "/c/d/src"),
        ),
        (
            ("price > 0", "name != 0"),
            ("cart.cpp", "till.cpp"),
        ),
    ),
    CrashCase(
        "llvm",
        "UNREACHABLE executed at /b/src/cart.cpp:31!\n",
        (
            ("31", "48"),
            ("/b/src", "/c/d/src"),
        ),
        (("cart.cpp", "till.cpp"),),
    ),
    CrashCase(
        "libstdcxx",
        "/usr/include/c++/13/bits/stl_vector.h:1125: constexpr std::vector<_Tp, _Alloc>::reference std::vector<_Tp, _Alloc>::operator[](size_type) [with _Tp = int]: Assertion '__n < this->size()' failed.\n",
        (
            ("1125", "1130"),
            ("c++/13", "c++/14"),
        ),
        (("__n < this->size()", "!this->empty()"),),
    ),
    CrashCase(
        "msvc crt",
        r"""Debug Assertion Failed!

Program: C:\Shop\till.exe
File: c:\src\cart.cpp
Line: 31

Expression: price > 0
""",
        (("31", "48"),),
        (("price > 0", "name != 0"),),
    ),
    CrashCase(
        "glog new",
        "F20261130 10:11:12.123456 4242 cart.cc:31] Check failed: price > 0 (-3 vs. 0)\n",
        (
            ("4242", "9"),
            (":31]", ":48]"),
            ("-3 vs", "-9 vs"),
        ),
        (
            ("price > 0", "name != 0"),
            ("cart.cc", "till.cc"),
        ),
    ),
    CrashCase(
        "chrome new",
        "[4242:9:1130/101112.123456:FATAL:shop/cart.cc:31] Check failed: price > 0.\n",
        (
            ("4242:9", "1:2"),
            (":31]", ":48]"),
        ),
        (
            ("price > 0", "name != 0"),
            ("cart.cc", "till.cc"),
        ),
    ),
    CrashCase(
        "chrome dcheck cmp",
        "[4242:9:1130/101112.123456:FATAL:cart.cc(31)] DCHECK failed: price == paid (3 vs. 4)\n",
        (
            ("3 vs. 4", "30 vs. 41"),
            ("DCHECK", "CHECK"),
        ),
        (("price == paid", "name == paid"),),
    ),
    CrashCase(
        "unreal",
        "Assertion failed: price > 0 [File:D:\\b\\Cart.cpp] [Line: 31]\n",
        (
            ("31", "48"),
            ("D:\\b", "E:\\c\\d"),
        ),
        (
            ("price > 0", "name"),
            ("Cart.cpp", "Till.cpp"),
        ),
    ),
    CrashCase(
        "terminate what",
        """terminate called after throwing an instance of 'std::runtime_error'
  what():  no price for item 4711
""",
        (("4711", "12"),),
        (("no price for", "no name of"),),
    ),
    CrashCase(
        "libcxxabi",
        "libc++abi: terminating due to uncaught exception of type std::out_of_range: cart: no such item 4711\n",
        (
            ("4711", "12"),
            ("terminating due to", "terminating with"),
        ),
        (
            ("no such item", "no such price"),
            ("out_of_range", "bad_alloc"),
        ),
    ),
    CrashCase(
        "glibc heap2",
        "corrupted double-linked list\n",
        (),
        (("corrupted double-linked list", "corrupted size vs. prev_size"),),
    ),
    CrashCase(
        "fortify",
        "*** buffer overflow detected ***: ./till terminated\n",
        (("./till", "./b/till"),),
        (("buffer overflow", "stack smashing"),),
    ),
    CrashCase(
        "swift",
        "Shop/Cart.swift:31: Fatal error: Unexpectedly found nil while unwrapping an Optional value\n",
        (("31", "48"),),
        (
            ("Unexpectedly found nil while unwrapping an Optional value", "Index out of range"),
            ("Cart.swift", "Till.swift"),
        ),
    ),
    CrashCase(
        "skia",
        '../../src/shop/cart.cpp:31: fatal error: "assert(price > 0)"\n',
        (("31", "48"),),
        (
            ("price > 0", "name"),
            ("cart.cpp", "till.cpp"),
        ),
    ),
    CrashCase(
        "logged segv bare",
        """2026-11-30 10:11:12,123 INFO  step 0 of the start
2026-11-30 10:11:12,123 INFO  step 1 of the start
2026-11-30 10:11:12,123 INFO  step 2 of the start
2026-11-30 10:11:12,123 INFO  step 3 of the start
2026-11-30 10:11:12,123 INFO  step 4 of the start
2026-11-30 10:11:12,123 INFO  step 5 of the start
2026-11-30 10:11:12,123 INFO  step 6 of the start
2026-11-30 10:11:12,123 INFO  step 7 of the start
2026-11-30 10:11:12,123 INFO  step 8 of the start
2026-11-30 10:11:12,123 INFO  step 9 of the start
2026-11-30 10:11:12,123 INFO  step 10 of the start
2026-11-30 10:11:12,123 INFO  step 11 of the start
2026-11-30 10:11:12,123 INFO  step 12 of the start
2026-11-30 10:11:12,123 INFO  step 13 of the start
2026-11-30 10:11:12,123 INFO  step 14 of the start
./run.sh: line 12:  4242 Segmentation fault      (core dumped) ./till --fast
""",
        (
            ("4242", "9"),
            ("line 12", "line 14"),
        ),
        (
            ("Segmentation fault", "Illegal instruction"),
            ("./till --fast", "./pay --fast"),
        ),
    ),
    CrashCase(
        "glibc backtrace",
        """*** Error in `./till': double free or corruption (fasttop): 0x0000000001a2b010 ***
======= Backtrace: =========
/lib/x86_64-linux-gnu/libc.so.6(+0x777e5)[0x7f1a2b3c47e5]
/lib/x86_64-linux-gnu/libc.so.6(cfree+0x4c)[0x7f1a2b3d153c]
./till(_ZN4shop4Cart5totalEi+0x1f)[0x400612]
./till(_ZNK4shop5Order3sumEv+0x2f)[0x400702]
./till(main+0x12)[0x400802]
/lib/x86_64-linux-gnu/libc.so.6(__libc_start_main+0xf0)[0x7f1a2b36d830]
======= Memory map: ========
00400000-00401000 r-xp 00000000 08:01 1234 /b/till
""",
        (
            ("0x0000000001a2b010", "0x0000000009a2b010"),
            ("[0x400", "[0x500"),
            ("+0x1f)", "+0x2a)"),
            ("_ZN4shop4Cart5totalEi", "_ZN4shop4Cart5totalEj"),
            ("_ZN4shop4Cart5totalEi", "shop::Cart::total(int)"),
        ),
        (
            ("4Cart5total", "4Cart5count"),
            ("5Order3sum", "5Order3tax"),
        ),
    ),
    CrashCase(
        "rust mangled",
        """*** Error in `./till': double free or corruption (fasttop): 0x0000000001a2b010 ***
======= Backtrace: =========
/lib/x86_64-linux-gnu/libc.so.6(+0x777e5)[0x7f1a2b3c47e5]
/lib/x86_64-linux-gnu/libc.so.6(cfree+0x4c)[0x7f1a2b3d153c]
./till(_ZN4shop4cart5total17h0123456789abcdefE+0x1f)[0x400612]
./till(_ZNK4shop5Order3sumEv+0x2f)[0x400702]
./till(main+0x12)[0x400802]
/lib/x86_64-linux-gnu/libc.so.6(__libc_start_main+0xf0)[0x7f1a2b36d830]
======= Memory map: ========
00400000-00401000 r-xp 00000000 08:01 1234 /b/till
""",
        (("17h0123456789abcdefE", "17hfedcba9876543210E"),),
        (("5total", "5count"),),
    ),
    CrashCase(
        "valgrind",
        """==4242== Memcheck, a memory error detector
==4242== Command: ./till
==4242==
==4242== Invalid read of size 4
==4242==    at 0x4005F4: shop::Cart::total(int) (cart.cc:31)
==4242==    by 0x400612: shop::Order::sum() (order.cc:12)
==4242==    by 0x400702: main (main.cc:3)
==4242==  Address 0x0 is not stack'd, malloc'd or (recently) free'd
==4242==
""",
        (
            ("4242", "9"),
            ("0x4005F4", "0x5005F4"),
            ("cart.cc:31", "cart.cc:33"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Order::sum", "Order::x"),
            ("Invalid read of size 4", "Invalid write of size 4"),
            (
                "Invalid read of size 4",
                "Conditional jump or move depends on uninitialised value(s)",
            ),
        ),
    ),
    CrashCase(
        "systemd coredump",
        """Process 4242 (till) of user 1000 dumped core.

Stack trace of thread 4242:
#0  0x00007f1a2b3c4d5e __pthread_kill_implementation (libc.so.6 + 0x8c83c)
#1  0x00007f1a2b3c4d60 raise (libc.so.6 + 0x3c668)
#2  0x00007f1a2b3c4d70 abort (libc.so.6 + 0x244b8)
#3  0x000055d0c1a2b3c4 _ZN4shop4Cart5totalEi (till + 0x1234)
#4  0x000055d0c1a2b3d0 _ZN4shop5Order3sumEv (till + 0x1300)
#5  0x00007f1a2b3c4e00 __libc_start_call_main (libc.so.6 + 0x2724a)
ELF object binary architecture: AMD x86-64
""",
        (
            ("4242", "9"),
            ("+ 0x1234", "+ 0x1238"),
            ("0x000055d0c1", "0x000066d0c1"),
            ("libc.so.6 + 0x8c83c", "libc.so.6 + 0x8c840"),
        ),
        (
            ("4Cart5total", "4Cart5count"),
            ("5Order3sum", "5Order3tax"),
        ),
    ),
    CrashCase(
        "rust asan",
        """=================================================================
==9==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602 at pc 0x55 bp 0x7 sp 0x8
READ of size 1 at 0x602 thread T0
    #0 0x55d0c1 in core::ptr::read::h0011223344556677 /rustc/abc/library/core/src/ptr/mod.rs:700:9
    #1 0x55d0c1 in shop::cart::Cart::total::h0123456789abcdef /src/cart.rs:31:7
    #2 0x55d0c2 in _$LT$shop..order..Order$u20$as$u20$shop..Sum$GT$::sum::h0123456789abcd00 /src/order.rs:12:3
    #3 0x55d0c3 in rust_fuzzer_test_input /root/.cargo/registry/src/x/libfuzzer-sys-0.4.4/src/lib.rs:224:17
""",
        (
            ("h0123456789abcdef", "hfedcba9876543210"),
            ("rs:31:7", "rs:33:1"),
            (
                "_$LT$shop..order..Order$u20$as$u20$shop..Sum$GT$::sum::h0123456789abcd00",
                "<shop::order::Order as shop::Sum>::sum::h0123456789abcd00",
            ),
            (
                "_$LT$shop..order..Order$u20$as$u20$shop..Sum$GT$::sum::h0123456789abcd00",
                "<shop::order::Order as shop::Sum>::sum",
            ),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Order$u20$", "Bill$u20$"),
        ),
    ),
    CrashCase(
        "rust oom",
        """memory allocation of 123456789012 bytes failed
==9== ERROR: libFuzzer: deadly signal
    #0 0x55d0c1 in shop::Cart::total(int) const /src/shop/cart.cc:31:7
    #1 0x55d0c2 in shop::Order::sum() /src/shop/order.cc:12:3
    #2 0x55d0c3 in shop::Till::close(shop::Order*) /src/shop/till.cc:99:1
    #3 0x55d0c4 in main /src/shop/main.cc:3:1
""",
        (
            ("0x55d0c", "0x7ffa91"),
            (":31:7", ":48:2"),
            ("/src/shop/", "/home/ci/b-77/shop/"),
            ("shop::Order*", "shop::Order const*"),
            ("123456789012", "99999999999"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Till::close", "Till::open"),
            ("Order::sum", "Order::tax"),
            ("memory allocation of 123456789012 bytes failed\n", ""),
        ),
    ),
    CrashCase(
        "chrome linux #N",
        """Received signal 11 SEGV_MAPERR 7f6b0c580000
#0 0x55d0c0 base::debug::CollectStackTrace()
#1 0x55d0c1 base::debug::(anonymous namespace)::StackDumpSignalHandler()
#2 0x7f11 (/lib/x86_64-linux-gnu/libc.so.6+0x4251f)
#3 0x55d0c2 shop::Cart::Total()
#4 0x55d0c3 shop::Order::Sum()
""",
        (
            ("0x55d0c", "0x66d0c"),
            ("7f6b0c580000", "7f6b0c589990"),
        ),
        (
            ("Cart::Total", "Cart::Count"),
            ("SEGV_MAPERR 7f6b0c580000", "SEGV_MAPERR 000000000008"),
        ),
    ),
    CrashCase(
        "jazzer-free shell injection",
        """===BUG DETECTED: Shell injection===
===Killed process 7: ===
==9== ERROR: libFuzzer: deadly signal
    #0 0x55d0c1 in shop::Cart::total(int) const /src/shop/cart.cc:31:7
    #1 0x55d0c2 in shop::Order::sum() /src/shop/order.cc:12:3
    #2 0x55d0c3 in shop::Till::close(shop::Order*) /src/shop/till.cc:99:1
    #3 0x55d0c4 in main /src/shop/main.cc:3:1
""",
        (
            ("0x55d0c", "0x7ffa91"),
            (":31:7", ":48:2"),
            ("/src/shop/", "/home/ci/b-77/shop/"),
            ("shop::Order*", "shop::Order const*"),
            ("process 7", "process 99"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Till::close", "Till::open"),
            ("Order::sum", "Order::tax"),
            ("Shell injection", "Arbitrary file open"),
        ),
    ),
    CrashCase(
        "v8 received signal",
        """Received signal 11 SEGV_MAPERR 000000000008

==== C stack trace ===============================

 [0x55d0c1]
 [0x55d0c2]
[end of stack trace]
""",
        (
            ("000000000008", "000000000010"),
            ("0x55d0c", "0x66d0c"),
        ),
        (("signal 11 SEGV_MAPERR", "signal 4 ILL_ILLOPN"),),
    ),
    CrashCase(
        "webkit assert",
        """ASSERTION FAILED: !m_items.isEmpty()
/b/Source/shop/Cart.cpp(31) : int shop::Cart::total() const
1   0x10a1b2c WTFCrash
2   0x10a1b30 shop::Cart::total() const
3   0x10a1b40 shop::Order::sum()
""",
        (
            ("(31)", "(33)"),
            ("0x10a1b", "0x20c1b"),
        ),
        (
            ("!m_items.isEmpty()", "m_price"),
            ("shop::Order::sum", "shop::Order::tax"),
        ),
    ),
    CrashCase(
        "kmsan",
        """BUG: KMSAN: uninit-value in cart_read+0x12/0x40 fs/cart.c:31
 cart_read+0x12/0x40 fs/cart.c:31
 order_walk+0x44/0x90 fs/order.c:2
 till_ioctl+0x1/0x2

Uninit was created at:
 slab_alloc+0x1/0x2
 cart_new+0x9/0x20
""",
        (
            ("cart.c:31", "cart.c:33"),
            ("cart_new", "cart_make"),
            ("+0x12/0x40", "+0x14/0x44"),
        ),
        (
            ("order_walk", "order_x"),
            ("uninit-value", "kernel-infoleak"),
        ),
    ),
    CrashCase(
        "msan origin",
        """==1==WARNING: MemorySanitizer: use-of-uninitialized-value
    #0 0x1234567 in shop::Cart::total() /s/cart.cc:31:7
    #1 0x1234568 in shop::Order::sum() /s/order.cc:1:1

  Uninitialized value was stored to memory at
    #0 0x7 in shop::copy() /s/c.cc:1:1
""",
        (
            ("shop::copy", "shop::move2"),
            ("0x123456", "0x654321"),
        ),
        (("Cart::total", "Cart::count"),),
    ),
    CrashCase(
        "ios",
        """Exception Type:  EXC_CRASH (SIGABRT)
Exception Codes: 0x0000000000000000, 0x0000000000000000
Triggered by Thread:  5

Last Exception Backtrace:
0   CoreFoundation                \t0x1a0000000 __exceptionPreprocess + 164
1   libobjc.A.dylib               \t0x1a0000001 objc_exception_throw + 60
2   Till                          \t0x100001000 -[TillCart total] + 44
3   Till                          \t0x100002000 -[TillOrder sum] + 12

Thread 0 name:
Thread 0:
0   libsystem_kernel.dylib        \t0x1b0000000 mach_msg_trap + 8
1   Till                          \t0x100009000 -[TillApp idle] + 8

Thread 5 Crashed:
0   libsystem_kernel.dylib        \t0x1b0000000 __pthread_kill + 8
""",
        (
            ("[TillApp idle]", "[TillApp rest]"),
            ("+ 44", "+ 48"),
            ("0x100001000", "0x104001000"),
        ),
        (
            ("TillCart total", "TillCart count"),
            ("TillOrder sum", "TillOrder tax"),
        ),
    ),
    CrashCase(
        "pure virtual",
        """pure virtual method called
terminate called without an active exception
Aborted (core dumped)
#0 0x00007f1 in raise () from /lib/libc.so.6
#1 0x00005 in shop::Cart::total (this=0x1) at cart.cc:31
#2 0x00005 in shop::Order::sum () at order.cc:3
""",
        (("cart.cc:31", "cart.cc:34"),),
        (("Cart::total", "Cart::count"),),
    ),
    CrashCase(
        "qt",
        """QFATAL : test() ASSERT failure in QList<T>::at: "index out of range", file /usr/include/qt/QtCore/qlist.h, line 571
#0 0x00007f in qt_message_fatal () from /lib/libQt5Core.so.5
#1 0x00007f in QMessageLogger::fatal(char const*, ...) const () from /lib/libQt5Core.so.5
#2 0x00005 in shop::Cart::total (this=0x1) at cart.cc:31
#3 0x00005 in shop::Order::sum () at order.cc:3
""",
        (
            ("line 571", "line 577"),
            ("cart.cc:31", "cart.cc:34"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("index out of range", "no such item"),
        ),
    ),
    CrashCase(
        "libfuzzer exit",
        """==9== ERROR: libFuzzer: fuzz target exited
    #0 0x4f1 in __sanitizer_print_stack_trace /x.cc:1
    #1 0x4f2 in fuzzer::PrintStackTrace() /x.cc:2
    #2 0x4f3 in exit (/lib/libc.so.6+0x1)
    #3 0x4f4 in shop::die(char const*) /s/die.cc:3:1
    #4 0x4f5 in shop::Cart::total() /s/cart.cc:31:2
    #5 0x4f6 in LLVMFuzzerTestOneInput /s/cart_fuzzer.cc:9:1
""",
        (
            ("0x4f", "0x9f"),
            (":31:2", ":34:2"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("cart_fuzzer.cc", "order_fuzzer.cc"),
        ),
    ),
    CrashCase(
        "scudo",
        """Scudo ERROR: corrupted chunk header at address 0x200000d70 (tag mismatch)
Fatal signal 6 (SIGABRT), code -1 (SI_QUEUE) in tid 42 (till), pid 41 (till)
backtrace:
      #00 pc 0000000000052a2c  /apex/com.android.runtime/lib64/bionic/libc.so (abort+164) (BuildId: 0)
      #01 pc 0000000000042a2c  /apex/com.android.runtime/lib64/bionic/libc.so (scudo::die()+8) (BuildId: 0)
      #02 pc 00000000000a1b2c  /data/app/till/lib/arm64/libcart.so (shop::Cart::total(int)+44) (BuildId: 1)
      #03 pc 00000000000a1b3c  /data/app/till/lib/arm64/libcart.so (shop::Order::sum()+4) (BuildId: 1)
""",
        (
            ("0x200000d70", "0x200000e80"),
            ("in tid 42", "in tid 77"),
            ("(int)+44", "(int)+48"),
        ),
        (("Cart::total", "Cart::count"),),
    ),
    CrashCase(
        "gwp asan",
        """*** GWP-ASan detected a memory error ***
Use After Free at 0x7feccab26000 (0 bytes into a 41-byte allocation at 0x7feccab26000) by thread 31027 here:
  #0 0x55585f in shop::Cart::total() /s/cart.cc:31
  #1 0x555860 in shop::Order::sum() /s/order.cc:3

0x7feccab26000 was deallocated by thread 31027 here:
  #0 0x1234 in shop::Cart::clear() /s/cart.cc:77
""",
        (
            ("31027", "9"),
            ("0x7feccab26000", "0x7fe000000000"),
            ("Cart::clear", "Cart::wipe"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Use After Free", "Double Free"),
        ),
    ),
    CrashCase(
        "llvm crash",
        """PLEASE submit a bug report and include the crash backtrace.
Stack dump:
0.\tProgram arguments: /usr/bin/clang -O2 a.c
1.\t<eof> parser at end of file
 #0 0x000055d0c1a2 llvm::sys::PrintStackTrace(llvm::raw_ostream&, int) (/usr/bin/clang+0x1)
 #1 0x000055d0c1a3 llvm::sys::RunSignalHandlers() (/usr/bin/clang+0x2)
 #2 0x000055d0c1a4 shop::Cart::total() (/usr/bin/clang+0x3)
 #3 0x000055d0c1a5 shop::Order::sum() (/usr/bin/clang+0x4)
""",
        (
            ("-O2 a.c", "-O3 b.c"),
            ("0x000055d0c1", "0x000077d0c1"),
        ),
        (
            ("Cart::total", "Cart::count"),
            ("Order::sum", "Order::tax"),
        ),
    ),
]
