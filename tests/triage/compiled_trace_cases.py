"""More traces, of languages that are compiled, in the forms that they print; own texts."""

from __future__ import annotations

from support.beside import load_beside

TraceCase = load_beside(__file__, "trace_cases").TraceCase

CASES = (
    TraceCase(
        "java two causes and suppressed with a cause",
        "java",
        """com.example.ApiException: request failed
\tat com.example.Api.call(Api.java:12)
\tat com.example.Main.main(Main.java:4)
\tSuppressed: java.lang.IllegalStateException: closed twice
\t\tat com.example.Pool.close(Pool.java:7)
\t\t... 1 more
\tCaused by: com.example.PoolException: broken
\t\tat com.example.Pool.open(Pool.java:3)
Caused by: com.example.ServiceException: cannot save
\tat com.example.Service.save(Service.java:44)
\t... 1 more
Caused by: java.io.IOException: disk
\tat com.example.Disk.write(Disk.java:9)
\t... 2 more
""",
        ("java.io.IOException", "com.example.ServiceException", "com.example.ApiException"),
        "write",
    ),
    TraceCase(
        "java circular reference",
        "java",
        """java.lang.IllegalStateException: first
\tat com.example.Loop.go(Loop.java:8)
Caused by: java.lang.RuntimeException: second
\tat com.example.Loop.turn(Loop.java:12)
Caused by: [CIRCULAR REFERENCE: java.lang.IllegalStateException: first]
""",
        ("java.lang.RuntimeException", "java.lang.IllegalStateException"),
        "turn",
    ),
    TraceCase(
        "java packaging data",
        "java",
        """java.lang.NullPointerException: Cannot invoke "com.example.Cart.total()" because "cart" is null
\tat com.example.Checkout.pay(Checkout.java:31) ~[shop-1.2.jar!/:1.2]
\tat com.example.Checkout$$FastClassBySpringCGLIB$$1a2b3c4d.invoke(<generated>) ~[shop-1.2.jar!/:1.2]
\tat org.springframework.cglib.proxy.MethodProxy.invoke(MethodProxy.java:218) ~[spring-core-5.3.9.jar!/:5.3.9]
\tat java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke0(Native Method) ~[na:na]
""",
        ("java.lang.NullPointerException",),
        "pay",
    ),
    TraceCase(
        "java root cause first",
        "java",
        """java.net.ConnectException: Connection refused
\tat com.example.Socket.open(Socket.java:5)
\tat com.example.Client.call(Client.java:9)
Wrapped by: com.example.ClientException: cannot call
\tat com.example.Client.call(Client.java:11)
\tat com.example.Main.main(Main.java:3)
""",
        ("java.net.ConnectException", "com.example.ClientException"),
        "open",
    ),
    TraceCase(
        "java graal",
        "java",
        """Exception in thread "main" java.lang.ArithmeticException: / by zero
\tat org.example.App.divide(App.java:7)
\tat java.base@21.0.1/java.lang.invoke.LambdaForm$DMH/sa346b79c.invokeStaticInit(LambdaForm$DMH)
\tat com.oracle.svm.core.JavaMainWrapper.run(JavaMainWrapper.java:175)
""",
        ("java.lang.ArithmeticException",),
        "divide",
    ),
    TraceCase(
        "kotlin coroutine",
        "kotlin",
        """Exception in thread "DefaultDispatcher-worker-1" java.lang.IllegalArgumentException: no user
\tat com.example.users.Repository$load$2.invokeSuspend(Repository.kt:18)
\tat _COROUTINE._BOUNDARY._(CoroutineDebugging.kt:46)
\tat com.example.users.Screen.show(Screen.kt:31)
\tat kotlinx.coroutines.DispatchedTask.run(DispatchedTask.kt:106)
\tSuppressed: kotlinx.coroutines.internal.DiagnosticCoroutineContextException: [CoroutineId(1)]
""",
        ("java.lang.IllegalArgumentException",),
        "invokeSuspend",
    ),
    TraceCase(
        "go error with stack",
        "go",
        """connection refused
github.com/example/shop/db.Open
\t/src/shop/db/db.go:21
github.com/example/shop/cart.(*Service).Load
\t/src/shop/cart/cart.go:44
main.main
\t/src/shop/main.go:12
runtime.main
\t/usr/local/go/src/runtime/proc.go:267
""",
        (None,),
        "Open",
    ),
    TraceCase(
        "go deadlock",
        "go",
        """fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
main.wait(...)
\t/src/shop/main.go:8
main.main()
\t/src/shop/main.go:14 +0x2c

goroutine 18 [chan send, 2 minutes]:
main.worker(0xc000012345)
\t/src/shop/main.go:21 +0x18
created by main.main in goroutine 1
\t/src/shop/main.go:12 +0x1f
""",
        ("fatal error",),
        "wait",
    ),
    TraceCase(
        "go repanicked in http",
        "go",
        """2026/11/22 10:00:00 http: panic serving 10.0.0.1:5000: runtime error: index out of range [5] with length 3
goroutine 33 [running]:
net/http.(*conn).serve.func1()
\t/usr/local/go/src/net/http/server.go:1868 +0xb9
panic({0x6b1a40?, 0xc0000b4018?})
\t/usr/local/go/src/runtime/panic.go:920 +0x270
main.item(...)
\t/src/shop/main.go:17
main.handler({0x7a8b90, 0xc0000f40e0}, 0x0?)
\t/src/shop/main.go:22 +0x45
""",
        ("panic",),
        "item",
    ),
    TraceCase(
        "csharp inner first by arrow on its own line",
        "csharp",
        """Unhandled exception. Shop.OrderException: cannot order
 ---> System.InvalidOperationException: Sequence contains no elements
   at System.Linq.ThrowHelper.ThrowNoElementsException()
   at Shop.Orders.First[T](IEnumerable`1 items) in /src/Shop/Orders.cs:line 17
   --- End of inner exception stack trace ---
   at Shop.Orders.Place(Int32 id) in /src/Shop/Orders.cs:line 31
   at Shop.Program.<>c__DisplayClass0_0.<<Main>b__0>d.MoveNext() in /src/Shop/Program.cs:line 9
--- End of stack trace from previous location ---
   at Shop.Program.<Main>(String[] args)
""",
        ("System.InvalidOperationException", "Shop.OrderException"),
        "ThrowNoElementsException",
    ),
    TraceCase(
        "csharp without files",
        "csharp",
        """System.NullReferenceException: Object reference not set to an instance of an object.
   at Shop.Web.Controllers.CartController.Get(Int32 id)
   at lambda_method8(Closure , Object , Object[] )
   at Microsoft.AspNetCore.Mvc.Infrastructure.ControllerActionInvoker.InvokeActionMethodAsync()
""",
        ("System.NullReferenceException",),
        "Get",
    ),
    TraceCase(
        "rust anyhow",
        "rust",
        """Error: cannot load the cart

Caused by:
    0: cannot read /srv/cart.json
    1: No such file or directory (os error 2)

Stack backtrace:
   0: anyhow::context::<impl anyhow::Context<T,E> for core::result::Result<T,E>>::with_context
             at /home/ci/.cargo/registry/src/index/anyhow-1.0.75/src/context.rs:58:31
   1: shop::cart::load
             at ./src/cart.rs:12:5
   2: shop::main
             at ./src/main.rs:4:5
""",
        ("Error",),
        "with_context",
    ),
    TraceCase(
        "rust result at the end",
        "rust",
        """thread 'main' panicked at src/main.rs:12:40:
called `Result::unwrap()` on an `Err` value: Os { code: 2, kind: NotFound, message: "No such file or directory" }
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
""",
        ("panic",),
        "<panic>",
    ),
    TraceCase(
        "cpp boost",
        "cpp",
        """terminate called after throwing an instance of 'std::out_of_range'
  what():  vector::_M_range_check: __n (which is 5) >= this->size() (which is 3)
 0# boost::stacktrace::basic_stacktrace<std::allocator<boost::stacktrace::frame> >::basic_stacktrace() at /usr/include/boost/stacktrace/stacktrace.hpp:129
 1# shop::Cart::at(unsigned long) at /src/cart.cpp:12
 2# main at /src/main.cpp:5
""",
        ("uncaught std::out_of_range",),
        "shop::Cart::at",
    ),
    TraceCase(
        "cpp thread sanitizer",
        "cpp",
        """==================
WARNING: ThreadSanitizer: data race (pid=4711)
  Write of size 4 at 0x7b0400000800 by thread T2:
    #0 shop::Counter::add() /src/counter.cc:9:5 (shop+0x4a1b2c)
    #1 shop::work() /src/work.cc:3:1 (shop+0x4a1c00)

  Previous read of size 4 at 0x7b0400000800 by thread T1:
    #0 shop::Counter::get() /src/counter.cc:13:5 (shop+0x4a1d00)
""",
        ("data race WRITE 4",),
        "shop::Counter::add",
    ),
    TraceCase(
        "cpp memory sanitizer",
        "cpp",
        """==4711==WARNING: MemorySanitizer: use-of-uninitialized-value
    #0 0x4a1b2c in shop::price(int) /src/price.cc:7:9
    #1 0x4a1c00 in main /src/main.cc:9:3
""",
        ("use-of-uninitialized-value",),
        "shop::price",
    ),
    TraceCase(
        "macos crash report",
        "cpp",
        """Exception Type:        EXC_BAD_ACCESS (SIGSEGV)
Thread 0 Crashed:: Dispatch queue: com.apple.main-thread
0   libsystem_platform.dylib      \t0x00007ff80a1b2c3d _platform_memmove$VARIANT$Haswell + 41
1   Shop                          \t0x0000000104a1b2c3 -[CartViewController total:] + 99
2   Shop                          \t0x0000000104a1c4d5 shop::Cart::sum() + 12 (cart.cpp:9)
""",
        ("signal SEGV",),
        "-[CartViewController total:]",
    ),
    TraceCase(
        "objective c exception",
        "objective-c",
        """*** Terminating app due to uncaught exception 'NSInvalidArgumentException', reason: '-[Cart total]: unrecognized selector sent to instance 0x600000'
*** First throw call stack:
(
\t0   CoreFoundation                      0x00007ff80a1b2c3d __exceptionPreprocess + 242
\t1   libobjc.A.dylib                     0x00007ff80a1b2c99 objc_exception_throw + 48
\t2   Shop                                0x0000000104a1b2c3 -[CartViewController pay] + 99
)
""",
        ("uncaught NSInvalidArgumentException",),
        "-[CartViewController pay]",
    ),
    TraceCase(
        "swift fatal error",
        "swift",
        """Shop/Cart.swift:9: Fatal error: Unexpectedly found nil while unwrapping an Optional value
Thread 0 crashed:

0 0x000000010 Cart.total() + 44 in Shop at /src/Shop/Cart.swift:9:20
1 0x000000011 main + 12 in Shop at /src/Shop/main.swift:3:1
""",
        ("fatal Unexpectedly found nil while unwrapping an Optional value in Cart.swift",),
        "Cart.total",
    ),
    TraceCase(
        "flutter widgets",
        "dart",
        """══╡ EXCEPTION CAUGHT BY WIDGETS LIBRARY ╞══════════════════
The following _TypeError was thrown building CartPage(dirty):
Null check operator used on a null value

When the exception was thrown, this was the stack:
#0      CartPage.build (package:shop/pages/cart_page.dart:31:22)
#1      StatelessElement.build (package:flutter/src/widgets/framework.dart:4949:49)
""",
        ("_TypeError",),
        "CartPage.build",
    ),
)  # fmt: skip
