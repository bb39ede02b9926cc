"""Traces in the forms that languages print, written for these tests: text, language, root and frames."""

from __future__ import annotations

from typing import NamedTuple


class TraceCase(NamedTuple):
    """`types` stand root cause first; `root` is the function that raised the root cause."""

    name: str
    language: str
    text: str
    types: tuple[str | None, ...]
    root: str


CASES: tuple[TraceCase, ...] = (
    TraceCase(
        "python chain",
        "python",
        """Traceback (most recent call last):
  File "/srv/shop/db.py", line 12, in fetch
    return pool.get(key)
           ^^^^^^^^^^^^^
KeyError: 'sku-1'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/shop/api.py", line 40, in order
    fetch("sku-1")
  File "/srv/venv/lib/python3.11/site-packages/lib/wrap.py", line 3, in inner
    return call()
shop.errors.OrderFailed: no such item
""",
        ("KeyError", "shop.errors.OrderFailed"),
        "fetch",
    ),
    TraceCase(
        "python group",
        "python",
        """  + Exception Group Traceback (most recent call last):
  |   File "/srv/app/main.py", line 5, in run
  |     raise ExceptionGroup("two", errors)
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/srv/app/main.py", line 9, in first
    |     int("x")
    | ValueError: invalid literal
    +------------------------------------
""",
        ("ValueError", "ExceptionGroup"),
        "first",
    ),
    TraceCase(
        "python in log lines",
        "python",
        """2026-11-22 10:00:00,123 ERROR shop.api failed
2026-11-22 10:00:00,123 ERROR Traceback (most recent call last):
2026-11-22 10:00:00,123 ERROR   File "/srv/shop/api.py", line 4, in handle
2026-11-22 10:00:00,123 ERROR     run()
2026-11-22 10:00:00,123 ERROR   File "/srv/shop/job.py", line 9, in run
2026-11-22 10:00:00,123 ERROR     raise TimeoutError("slow")
2026-11-22 10:00:00,123 ERROR TimeoutError: slow
""",
        ("TimeoutError",),
        "run",
    ),
    TraceCase(
        "python in json",
        "python",
        '{"level":"error","exc":"Traceback (most recent call last):\\n  File \\"/srv/a.py\\", line 3, in go\\n'
        '    f()\\n  File \\"/srv/b.py\\", line 7, in f\\n    1/0\\nZeroDivisionError: division by zero\\n"}',
        ("ZeroDivisionError",),
        "f",
    ),
    TraceCase(
        "java causes",
        "java",
        """Exception in thread "main" com.example.ServiceException: cannot save
\tat com.example.Service.save(Service.java:44)
\tat com.example.Main.main(Main.java:10)
\tSuppressed: java.io.IOException: close failed
\t\tat com.example.Pool.close(Pool.java:7)
Caused by: java.sql.SQLTransientConnectionException: pool timed out
\tat com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:696)
\tat com.example.Repository.load(Repository.java:31)
\t... 1 more
""",
        ("java.sql.SQLTransientConnectionException", "com.example.ServiceException"),
        "createTimeoutException",
    ),
    TraceCase(
        "java modules and lambdas",
        "java",
        """java.lang.NullPointerException
    at app//com.example.Cart.lambda$total$3(Cart.java:12)
    at java.base/java.util.stream.ReferencePipeline$3$1.accept(ReferencePipeline.java:197)
    at com.example.Cart$$Lambda$14/0x0000000800c8.apply(Unknown Source)
""",
        ("java.lang.NullPointerException",),
        "lambda$total$3",
    ),
    TraceCase(
        "kotlin",
        "kotlin",
        """kotlin.UninitializedPropertyAccessException: lateinit property repo has not been initialized
\tat com.example.shop.OrderViewModel.load(OrderViewModel.kt:21)
\tat com.example.shop.OrderActivity$onCreate$1.invokeSuspend(OrderActivity.kt:40)
\tat kotlin.coroutines.jvm.internal.BaseContinuationImpl.resumeWith(ContinuationImpl.kt:33)
""",
        ("kotlin.UninitializedPropertyAccessException",),
        "load",
    ),
    TraceCase(
        "scala",
        "scala",
        """scala.MatchError: 5 (of class java.lang.Integer)
\tat com.example.Job$.run(Job.scala:14)
\tat com.example.Job$.main(Job.scala:8)
""",
        ("scala.MatchError",),
        "run",
    ),
    TraceCase(
        "android log",
        "java",
        """11-22 10:00:00.000  1234  1234 E AndroidRuntime: FATAL EXCEPTION: main
11-22 10:00:00.000  1234  1234 E AndroidRuntime: java.lang.IllegalStateException: not attached
11-22 10:00:00.000  1234  1234 E AndroidRuntime: \tat com.example.app.Detail.show(Detail.java:55)
11-22 10:00:00.000  1234  1234 E AndroidRuntime: \tat android.os.Handler.dispatchMessage(Handler.java:106)
""",
        ("java.lang.IllegalStateException",),
        "show",
    ),
    TraceCase(
        "node",
        "javascript",
        """TypeError: Cannot read properties of undefined (reading 'id')
    at async OrderService.create (/srv/app/orders.js:31:17)
    at /srv/app/server.js:12:5
    at Layer.handle [as handle_request] (/srv/app/node_modules/express/lib/router/layer.js:95:5)
    at node:internal/process/task_queues:95:5
""",
        ("TypeError",),
        "OrderService.create",
    ),
    TraceCase(
        "firefox",
        "javascript",
        """loadCart@https://shop.example.com/static/app.3f9a1c22.js:10:15
onClick/<@https://shop.example.com/static/app.3f9a1c22.js:55:3
@https://shop.example.com/:9:1
""",
        (None,),
        "loadCart",
    ),
    TraceCase(
        "typescript",
        "typescript",
        """RangeError: Maximum call stack size exceeded
    at walk (/srv/app/src/tree.ts:8:11)
    at walk (/srv/app/src/tree.ts:9:10)
""",
        ("RangeError",),
        "walk",
    ),
    TraceCase(
        "go nil",
        "go",
        """panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4a1b2c]

goroutine 1 [running]:
github.com/example/shop/cart.(*Cart).Total(0x0)
\t/src/shop/cart/cart.go:18 +0x1c
main.main()
\t/src/shop/main.go:9 +0x25
exit status 2
""",
        ("panic",),
        "(*Cart).Total",
    ),
    TraceCase(
        "csharp",
        "csharp",
        """Unhandled exception. System.AggregateException: One or more errors occurred. (down) ---> System.Net.Http.HttpRequestException: down
   at System.Net.Http.HttpClient.GetAsync(String requestUri)
   at Shop.Api.Client.<FetchAsync>d__4.MoveNext() in /src/Shop/Client.cs:line 27
   --- End of inner exception stack trace ---
   at Shop.Program.Main(String[] args) in /src/Shop/Program.cs:line 11
""",
        ("System.Net.Http.HttpRequestException", "System.AggregateException"),
        "GetAsync",
    ),
    TraceCase(
        "ruby",
        "ruby",
        """/srv/app/lib/cart.rb:10:in `total': undefined method `price' for nil:NilClass (NoMethodError)
\tfrom /srv/app/lib/cart.rb:5:in `block in sum'
\tfrom /usr/lib/ruby/gems/3.2.0/gems/rack-2.2.8/lib/rack/builder.rb:12:in `call'
""",
        ("NoMethodError",),
        "total",
    ),
    TraceCase(
        "ruby 3.4",
        "ruby",
        """app.rb:3:in 'Integer#/': divided by 0 (ZeroDivisionError)
\tfrom app.rb:3:in 'Cart#split'
\tfrom app.rb:7:in '<main>'
""",
        ("ZeroDivisionError",),
        "/",
    ),
    TraceCase(
        "php chain",
        "php",
        """PHP Fatal error:  Uncaught PDOException: SQLSTATE[HY000] [2002] Connection refused in /srv/app/Db.php:14
Stack trace:
#0 /srv/app/Db.php(14): PDO->__construct('mysql:host=db', 'app')
#1 /srv/app/index.php(9): App\\Db->connect()
#2 {main}

Next App\\StartFailed: cannot start in /srv/app/index.php:12
Stack trace:
#0 {main}
  thrown in /srv/app/index.php on line 12
""",
        ("PDOException", "App\\StartFailed"),
        "<raise>",
    ),
    TraceCase(
        "rust",
        "rust",
        """thread 'main' panicked at src/main.rs:4:10:
called `Option::unwrap()` on a `None` value
stack backtrace:
   0: rust_begin_unwind
             at /rustc/abc/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
             at /rustc/abc/library/core/src/panicking.rs:72:14
   2: shop::cart::total::h0123456789abcdef
             at ./src/cart.rs:4:10
   3: shop::main
             at ./src/main.rs:9:5
""",
        ("panic",),
        "total",
    ),
    TraceCase(
        "rust without backtrace",
        "rust",
        "thread 'tokio-runtime-worker' panicked at 'index out of bounds: the len is 0', src/queue.rs:88:13\n"
        "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        ("panic",),
        "<panic>",
    ),
    TraceCase(
        "asan",
        "cpp",
        """==77==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x0000004f1b2c
READ of size 8 at 0x602000000010 thread T0
    #0 0x4f1b2b in __asan_memcpy (/srv/bin/shop+0x4f1b2b)
    #1 0x4f1c00 in shop::Cart::total(std::vector<int, std::allocator<int> > const&) const /src/cart.cc:31:7
    #2 0x4f2000 in main /src/main.cc:9:3

freed by thread T0 here:
    #0 0x493f3d in free
    #1 0x4f1d11 in shop::Cart::clear() /src/cart.cc:40:3
""",
        ("heap-use-after-free READ 8",),
        "shop::Cart::total",
    ),
    TraceCase(
        "ubsan",
        "cpp",
        """/src/math.cc:7:12: runtime error: signed integer overflow: 2147483647 + 1 cannot be represented in type 'int'
    #0 0x42a0e0 in grow(int) /src/math.cc:7:12
    #1 0x42a200 in run /src/run.cc:3:1
""",
        ("ubsan signed integer overflow: <n> + <n> cannot be represented in type 'int' in math.cc",),
        "grow",
    ),
    TraceCase(
        "gdb",
        "cpp",
        """Program received signal SIGSEGV, Segmentation fault.
0x000055555555513d in crash (p=0x0) at /src/crash.c:5
#0  0x000055555555513d in crash (p=0x0) at /src/crash.c:5
#1  0x0000555555555168 in work (n=3) at /src/crash.c:11
#2  main () at /src/crash.c:16
""",
        ("signal SEGV",),
        "crash",
    ),
    TraceCase(
        "glibc",
        "cpp",
        """*** Error in `./shop': double free or corruption (fasttop): 0x0000000001c3a010 ***
======= Backtrace: =========
./shop(release_cart+0x1e) [0x4006a4]
./shop(checkout+0x22) [0x4006ce]
SIGABRT received
""",
        ("fatal double free or corruption",),
        "release_cart",
    ),
    TraceCase(
        "dart",
        "dart",
        """Unhandled exception:
FormatException: Unexpected character (at character 1)
#0      Cart.parse (package:shop/cart.dart:20:7)
#1      main.<anonymous closure> (file:///src/bin/main.dart:5:3)
#2      _startIsolate.<anonymous closure> (dart:isolate-patch/isolate_patch.dart:301:19)
""",
        ("FormatException",),
        "Cart.parse",
    ),
)  # fmt: skip

PROSE: tuple[str, ...] = (
    "",
    "This arbitrary text.\nIt sounds tympanic: a word which means like a drum.",
    "The meeting is at 10:30 (room 5). We look at the error at the end.",
    "I looked at com.example.Service but found nothing at all (see Service.java)",
    "Steps:\n#1 open the page\n#2 click (twice)\n#3 see the error",
    "panic: everybody run\nno goroutine here",
    'The file "/etc/hosts", line 5 is wrong',
    "Error at line 12:30, column 5",
    "at last (finally) we meet at the station",
    "Caused by: human error",
    "user@https is not a host",
    "See issue #12 (fixed in 3.4) and #13 (open)",
    "[INFO] BUILD SUCCESS at 2026-11-22T10:00:00",
    "undefined method `foo' for nil",
    "2026-11-22 10:00:00 ERROR something broke at startup",
)
