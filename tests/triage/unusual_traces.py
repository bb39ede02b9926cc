"""Traces in the forms that are seen less often: terminals, servers, engines and editors each have their own."""

from __future__ import annotations

from typing import NamedTuple


class UnusualTrace(NamedTuple):
    """A text, its language, the types of its exceptions, root cause first, and the first own function of the root."""

    name: str
    language: str
    text: str
    types: tuple[str | None, ...]
    function: str


CASES = [
    UnusualTrace(
        "java suppressed",
        "java",
        """java.lang.RuntimeException: cannot sum
\tat com.shop.Order.sum(Order.java:12)
\tat com.shop.Main.main(Main.java:3)
\tSuppressed: java.io.IOException: close failed
\t\tat com.shop.Db.close(Db.java:9)
\t\t... 2 more
Caused by: com.shop.NoPrice: no price
\tat com.shop.Cart.total(Cart.java:31)
\t... 23 more
""",
        ("com.shop.NoPrice", "java.lang.RuntimeException"),
        "total",
    ),
    UnusualTrace(
        "java modules",
        "java",
        """Exception in thread "main" java.lang.NullPointerException: Cannot invoke "com.shop.Price.value()" because "this.price" is null
\tat app//com.shop.Cart.total(Cart.java:31)
\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1511)
\tat shop.core@1.2/com.shop.Order.sum(Order.java:12)
""",
        ("java.lang.NullPointerException",),
        "total",
    ),
    UnusualTrace(
        "java spring log",
        "java",
        """2026-11-30 10:11:12.123 ERROR 4242 --- [nio-8080-exec-1] o.a.c.c.C.[.[.[/].[dispatcherServlet]    : Servlet.service() for servlet threw exception

java.lang.IllegalStateException: no price
\tat com.shop.Cart.total(Cart.java:31) ~[classes!/:1.0]
\tat org.apache.catalina.core.X.y(X.java:1) [tomcat-embed-core-9.jar!/:9.0]
""",
        ("java.lang.IllegalStateException",),
        "total",
    ),
    UnusualTrace(
        "java lambda",
        "java",
        """java.util.concurrent.ExecutionException: com.shop.NoPrice
\tat java.base/java.util.concurrent.FutureTask.report(FutureTask.java:122)
Caused by: com.shop.NoPrice
\tat com.shop.Cart.lambda$total$0(Cart.java:31)
\tat com.shop.Cart$$Lambda$14/0x0000000800066840.apply(Unknown Source)
""",
        ("com.shop.NoPrice", "java.util.concurrent.ExecutionException"),
        "lambda$total$0",
    ),
    UnusualTrace(
        "java circular",
        "java",
        """[CIRCULAR REFERENCE: java.lang.IllegalStateException: x]
java.lang.IllegalStateException: x
    at com.shop.Cart.total(Cart.java:31)
    at com.shop.Cart.main(Native Method)
""",
        ("java.lang.IllegalStateException",),
        "total",
    ),
    UnusualTrace(
        "java one blank",
        "java",
        """org.hibernate.X: could not
 at com.shop.Cart.total(Cart.java:31)
 at com.shop.Order.sum(Order.java)
""",
        ("org.hibernate.X",),
        "total",
    ),
    UnusualTrace(
        "java logcat",
        "java",
        """E/AndroidRuntime(4242): FATAL EXCEPTION: main
E/AndroidRuntime(4242): Process: com.shop, PID: 4242
E/AndroidRuntime(4242): java.lang.RuntimeException: Unable to start
E/AndroidRuntime(4242): \tat android.app.ActivityThread.x(ActivityThread.java:2)
E/AndroidRuntime(4242): Caused by: com.shop.NoPrice: no
E/AndroidRuntime(4242): \tat com.shop.Cart.total(Cart.java:31)
E/AndroidRuntime(4242): \t... 11 more
""",
        ("com.shop.NoPrice", "java.lang.RuntimeException"),
        "total",
    ),
    UnusualTrace(
        "java json",
        "java",
        '{"level":"ERROR","stack_trace":"com.shop.NoPrice: no\\n\\tat com.shop.Cart.total(Cart.java:31)\\n\\tat com.shop.Order.sum(Order.java:12)\\n"}',
        ("com.shop.NoPrice",),
        "total",
    ),
    UnusualTrace(
        "java crlf",
        "java",
        "com.shop.NoPrice: no\r\n\tat com.shop.Cart.total(Cart.java:31)\r\n\tat com.shop.Order.sum(Order.java:12)\r\n",
        ("com.shop.NoPrice",),
        "total",
    ),
    UnusualTrace(
        "java proguard",
        "java",
        """r.internal.HeyException: x
\tat a.b.c(SourceFile:12)
\tat a.b.d(Unknown Source:9)
""",
        ("r.internal.HeyException",),
        "c",
    ),
    UnusualTrace(
        "kotlin coroutines",
        "kotlin",
        """Exception in thread "DefaultDispatcher-worker-1" shop.NoPrice: no price
\tat shop.Cart.total(Cart.kt:31)
\tat shop.Order$sum$2.invokeSuspend(Order.kt:12)
\tat kotlin.coroutines.jvm.internal.BaseContinuationImpl.resumeWith(ContinuationImpl.kt:33)
\tat kotlinx.coroutines.DispatchedTask.run(DispatchedTask.kt:106)
\tSuppressed: kotlinx.coroutines.internal.DiagnosticCoroutineContextException: [StandaloneCoroutine{Cancelling}@7f1, Dispatchers.IO]
""",
        ("shop.NoPrice",),
        "total",
    ),
    UnusualTrace(
        "kotlin boundary",
        "kotlin",
        """shop.NoPrice: no price
\tat shop.CartKt.total(Cart.kt:31)
\tat _COROUTINE._BOUNDARY._(CoroutineDebugging.kt:46)
\tat shop.CartKt$main$1.invokeSuspend(Cart.kt:3)
Caused by: shop.NoPrice: no price
\tat shop.CartKt.total(Cart.kt:31)
""",
        ("shop.NoPrice", "shop.NoPrice"),
        "total",
    ),
    UnusualTrace(
        "scala scala",
        "scala",
        """Exception in thread "main" scala.MatchError: 3 (of class java.lang.Integer)
\tat shop.Cart$.total(Cart.scala:31)
\tat shop.Cart$.$anonfun$sum$1(Cart.scala:12)
\tat scala.collection.immutable.List.map(List.scala:246)
""",
        ("scala.MatchError",),
        "total",
    ),
    UnusualTrace(
        "python group",
        "python",
        """  + Exception Group Traceback (most recent call last):
  |   File "/srv/shop/main.py", line 3, in main
  |     async with TaskGroup() as g:
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/srv/shop/cart.py", line 31, in total
    |     raise NoPrice()
    | shop.NoPrice: no
    +------------------------------------
""",
        ("shop.NoPrice", "ExceptionGroup"),
        "total",
    ),
    UnusualTrace(
        "python windows caret",
        "python",
        'Traceback (most recent call last):\n  File "C:\\shop\\main.py", line 3, in <module>\n    main()\n    ~~~~^^\n  File "C:\\shop\\cart.py", line 31, in total\n    return 1/0\n           ~^~\nZeroDivisionError: division by zero\n',
        ("ZeroDivisionError",),
        "total",
    ),
    UnusualTrace(
        "python recursion",
        "python",
        """ERROR:root:failed
Traceback (most recent call last):
  File "cart.py", line 31, in total
  [Previous line repeated 995 more times]
RecursionError: maximum recursion depth exceeded
""",
        ("RecursionError",),
        "total",
    ),
    UnusualTrace(
        "python faulthandler",
        "python",
        """Fatal Python error: Segmentation fault

Current thread 0x00007f3a (most recent call first):
  File "/srv/shop/cart.py", line 31 in total
  File "/srv/shop/main.py", line 3 in main
""",
        ("Fatal Python error",),
        "total",
    ),
    UnusualTrace(
        "python task",
        "python",
        """Task exception was never retrieved
future: <Task finished name='Task-1' coro=<total() done, defined at /srv/shop/cart.py:30> exception=NoPrice()>
Traceback (most recent call last):
  File "/srv/shop/cart.py", line 31, in total
    raise NoPrice
NoPrice
""",
        ("NoPrice",),
        "total",
    ),
    UnusualTrace(
        "python syntax",
        "python",
        """  File "cart.py", line 31
    def total(:
              ^
SyntaxError: invalid syntax
""",
        ("SyntaxError",),
        "<module>",
    ),
    UnusualTrace(
        "python ipython cell",
        "python",
        """Traceback (most recent call last):
  Cell In[3], line 1
    total()
  File "/srv/shop/cart.py", line 31, in Cart.total
    raise X
X
""",
        ("X",),
        "Cart.total",
    ),
    UnusualTrace(
        "python no source lines",
        "python",
        """Traceback (most recent call last):
  File "/usr/lib/python3.12/asyncio/runners.py", line 118, in run
    return self._loop.run_until_complete(task)
  File "/app/.venv/lib/python3.12/site-packages/x/y.py", line 9, in z
  File "/app/shop/cart.py", line 31, in total
KeyError: 'price'
""",
        ("KeyError",),
        "total",
    ),
    UnusualTrace(
        "python heroku",
        "python",
        """2026-11-30T10:11:12Z app[web.1]: Traceback (most recent call last):
2026-11-30T10:11:12Z app[web.1]:   File "/app/shop/cart.py", line 31, in total
2026-11-30T10:11:12Z app[web.1]:     raise NoPrice
2026-11-30T10:11:12Z app[web.1]: NoPrice: no
""",
        ("NoPrice",),
        "total",
    ),
    UnusualTrace(
        "javascript windows node",
        "javascript",
        "/srv/shop/cart.js:31\n    throw new NoPrice('no');\n    ^\n\nNoPrice [ERR_NO_PRICE]: no\n    at Object.<anonymous> (C:\\srv\\shop\\cart.js:31:7)\n    at Module._compile (node:internal/modules/cjs/loader:1105:14)\n  code: 'ERR_NO_PRICE'\n}\n\nNode.js v18.0.0\n",
        (None,),
        "Object.<anonymous>",
    ),
    UnusualTrace(
        "javascript minified",
        "javascript",
        """TypeError: Cannot read properties of undefined (reading 'price')
    at e.total (https://shop.example/static/js/main.3f2a1b9c.js:2:31337)
    at t (https://shop.example/static/js/main.3f2a1b9c.js:2:999)
""",
        ("TypeError",),
        "e.total",
    ),
    UnusualTrace(
        "javascript firefox",
        "javascript",
        """total@https://shop.example/cart.js:31:7
sum@https://shop.example/order.js:12:3
@https://shop.example/main.js:1:1
""",
        (None,),
        "total",
    ),
    UnusualTrace(
        "javascript safari",
        "javascript",
        """TypeError: undefined is not an object (evaluating 'a.price')
total@https://shop.example/cart.js:31:7
[native code]
global code@https://shop.example/main.js:3:1
""",
        ("TypeError",),
        "total",
    ),
    UnusualTrace(
        "javascript react components",
        "javascript",
        """Error: no price
    at Cart (http://localhost:3000/static/js/bundle.js:31:7)
    at div
    at Order (http://localhost:3000/static/js/bundle.js:99:3)
    at App
""",
        ("Error",),
        "Cart",
    ),
    UnusualTrace(
        "javascript react old",
        "javascript",
        """Warning: Each child in a list should have a unique "key" prop.
    in Cart (at Order.js:12)
    in Order (at App.js:3)
    in App (at src/index.js:7)
""",
        (None,),
        "Cart",
    ),
    UnusualTrace(
        "javascript aggregate",
        "javascript",
        """AggregateError: All promises were rejected
    at main (file:///srv/shop/main.mjs:3:7) {
  [errors]: [
    Error: no price
        at total (file:///srv/shop/cart.mjs:31:7)
  ]
}
""",
        ("AggregateError",),
        "total",
    ),
    UnusualTrace(
        "javascript cause",
        "javascript",
        """Error: cannot sum
    at sum (/srv/shop/order.js:12:3) {
  [cause]: Error: no price
      at total (/srv/shop/cart.js:31:7)
      at main (/srv/shop/main.js:3:1)
}
""",
        ("Error",),
        "total",
    ),
    UnusualTrace(
        "typescript ts",
        "typescript",
        """Error: no price
    at Cart.total (/srv/shop/src/cart.ts:31:7)
    at Order.sum (/srv/shop/src/order.ts:12:3)
""",
        ("Error",),
        "Cart.total",
    ),
    UnusualTrace(
        "javascript promise",
        "javascript",
        """Uncaught (in promise) DOMException: Failed to execute 'x'
    at HTMLButtonElement.<anonymous> (https://shop.example/a.js:1:2)
    at new Promise (<anonymous>)
    at Array.map (<anonymous>)
""",
        ("DOMException",),
        "HTMLButtonElement.<anonymous>",
    ),
    UnusualTrace(
        "javascript as",
        "javascript",
        """Error: no price
    at Cart.total [as sum] (/srv/shop/cart.js:31:7)
    at Object.get price [as price] (/srv/shop/price.js:3:1)
    at new Order (/srv/shop/order.js:9:1)
    at eval (eval at run (/srv/shop/x.js:1:1), <anonymous>:1:1)
""",
        ("Error",),
        "Cart.total",
    ),
    UnusualTrace(
        "javascript hermes",
        "javascript",
        """Error: boom
    at total (index.android.bundle:1:31337)
    at anonymous (address at index.android.bundle:1:99)
""",
        ("Error",),
        "total",
    ),
    UnusualTrace(
        "go generic",
        "go",
        """panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]

goroutine 7 [running]:
panic({0x1, 0x2})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
shop/cart.(*Cart[...]).Total(...)
\t/src/shop/cart/cart.go:31
shop/order.Sum.func1()
\t/src/shop/order/order.go:12 +0x3
created by shop/order.Sum in goroutine 1
\t/src/shop/order/order.go:9 +0x5

goroutine 1 [chan receive]:
main.main()
\t/src/shop/main.go:3 +0x2
""",
        ("panic",),
        "(*Cart[...]).Total",
    ),
    UnusualTrace(
        "go deadlock",
        "go",
        """fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
main.main()
\t/src/shop/main.go:3 +0x2
""",
        ("fatal error",),
        "main",
    ),
    UnusualTrace(
        "go map",
        "go",
        """fatal error: concurrent map writes

goroutine 19 [running]:
shop.(*Cart).put(...)
\t/src/shop/cart.go:31
""",
        ("fatal error",),
        "(*Cart).put",
    ),
    UnusualTrace(
        "go race",
        "go",
        """==================
WARNING: DATA RACE
Write at 0x00c0000 by goroutine 7:
  shop.(*Cart).put()
      /src/shop/cart.go:31 +0x44

Previous read at 0x00c0000 by main goroutine:
  shop.(*Cart).get()
      /src/shop/cart.go:33 +0x44
==================
""",
        (None,),
        "(*Cart).put",
    ),
    UnusualTrace(
        "go http",
        "go",
        """2026/11/30 10:11:12 http: panic serving 10.0.0.1:4242: no price
goroutine 33 [running]:
net/http.(*conn).serve.func1()
\t/usr/local/go/src/net/http/server.go:1850 +0xbf
panic({0x1, 0x2})
\t/usr/local/go/src/runtime/panic.go:890 +0x262
shop.Total(...)
\t/src/shop/cart.go:31
""",
        ("panic",),
        "Total",
    ),
    UnusualTrace(
        "go pkg/errors",
        "go",
        """no price
github.com/shop/cart.Total
\t/src/shop/cart.go:31
github.com/shop/order.Sum
\t/src/shop/order.go:12
runtime.goexit
\t/usr/local/go/src/runtime/asm_amd64.s:1571
""",
        (None,),
        "Total",
    ),
    UnusualTrace(
        "go overflow",
        "go",
        """runtime: goroutine stack exceeds 1000000000-byte limit
fatal error: stack overflow

runtime stack:
runtime.throw({0x1, 0x2})
\t/usr/local/go/src/runtime/panic.go:1047 +0x5d

goroutine 1 [running]:
shop.walk(0x1)
\t/src/shop/walk.go:7 +0x20 fp=0xc sp=0xc pc=0x1
shop.walk(0x2)
\t/src/shop/walk.go:9 +0x20
""",
        ("fatal error",),
        "walk",
    ),
    UnusualTrace(
        "go recovered",
        "go",
        """panic: first [recovered]
\tpanic: second

goroutine 1 [running]:
testing.tRunner.func1.2({0x1, 0x2})
\t/usr/local/go/src/testing/testing.go:1545 +0x238
panic({0x1?, 0x2?})
\t/usr/local/go/src/runtime/panic.go:914 +0x21f
shop.Total(0x1)
\t/src/shop/cart.go:31 +0x3
""",
        ("panic",),
        "Total",
    ),
    UnusualTrace(
        "csharp aggregate",
        "csharp",
        "Unhandled exception. System.AggregateException: One or more errors occurred. (no price)\n ---> Shop.NoPrice: no price\n   at Shop.Cart.Total(Int32 n) in C:\\src\\Shop\\Cart.cs:line 31\n   --- End of inner exception stack trace ---\n   at System.Threading.Tasks.Task.Wait()\n   at Shop.Program.Main(String[] args)\n---> (Inner Exception #1) Shop.NoName: x\n   at Shop.Cart.Name()\n<---\n",
        ("Shop.NoPrice", "System.AggregateException"),
        "Total",
    ),
    UnusualTrace(
        "csharp async",
        "csharp",
        """Shop.NoPrice: no
   at Shop.Cart.TotalAsync(Int32 n)
--- End of stack trace from previous location ---
   at Shop.Order.<SumAsync>d__3.MoveNext()
--- End of stack trace from previous location where exception was thrown ---
   at System.Runtime.CompilerServices.TaskAwaiter.ThrowForNonSuccess(Task task)
""",
        ("Shop.NoPrice",),
        "TotalAsync",
    ),
    UnusualTrace(
        "csharp wer",
        "csharp",
        """Application: Till.exe
Framework Version: v4.0.30319
Description: The process was terminated due to an unhandled exception.
Exception Info: System.NullReferenceException
   at Shop.Cart.Total(Int32)
   at Shop.Program.Main()
""",
        ("System.NullReferenceException",),
        "Total",
    ),
    UnusualTrace(
        "csharp mono",
        "csharp",
        """NullReferenceException: Object reference not set to an instance of an object
  at Shop.Cart.Total (System.Int32 n) [0x00012] in <a1b2c3d4e5f6>:0
  at Shop.Order.Sum () [0x00001] in /src/Order.cs:12
""",
        ("NullReferenceException",),
        "Total",
    ),
    UnusualTrace(
        "csharp unity",
        "csharp",
        """NullReferenceException: Object reference not set to an instance of an object
Shop.Cart.Total (System.Int32 n) (at Assets/Scripts/Cart.cs:31)
Shop.Order.Sum () (at Assets/Scripts/Order.cs:12)
""",
        ("NullReferenceException",),
        "Total",
    ),
    UnusualTrace(
        "csharp german",
        "csharp",
        "System.Exception: fehlt\r\n   bei Shop.Cart.Total(Int32 n) in C:\\src\\Cart.cs:Zeile 31.\r\n   bei Shop.Order.Sum()\r\n",
        ("System.Exception",),
        "Total",
    ),
    UnusualTrace(
        "csharp aspnet",
        "csharp",
        """fail: Shop.Api[0]
      An unhandled exception
      Shop.NoPrice: no price
         at Shop.Cart.<>c__DisplayClass3_0.<Total>b__0(Int32 x) in /src/Cart.cs:line 31
         at System.Linq.Enumerable.SelectListIterator`2.ToList()
         at lambda_method(Closure , Object )
""",
        ("Shop.NoPrice",),
        "Total",
    ),
    UnusualTrace(
        "csharp top level",
        "csharp",
        """System.Exception: no price
   at Shop.Cart.Total[T](T n)
   at Program.<Main>$(String[] args) in /src/Program.cs:line 1
   at Program.<<Main>$>g__Run|0_1() in /src/Program.cs:line 3
""",
        ("System.Exception",),
        "Total[T]",
    ),
    UnusualTrace(
        "ruby 3.4",
        "ruby",
        """/srv/shop/cart.rb:31:in 'Shop::Cart#total': no price (Shop::NoPrice)
\tfrom /srv/shop/order.rb:12:in 'block in Shop::Order#sum'
\tfrom /usr/lib/ruby/3.4.0/x.rb:1:in 'Array#each'
\tfrom main.rb:3:in '<main>'
""",
        ("Shop::NoPrice",),
        "total",
    ),
    UnusualTrace(
        "ruby 2.5",
        "ruby",
        """Traceback (most recent call last):
\t2: from main.rb:3:in `<main>'
\t1: from /srv/shop/order.rb:12:in `sum'
/srv/shop/cart.rb:31:in `total': no price (Shop::NoPrice)
""",
        ("Shop::NoPrice",),
        "total",
    ),
    UnusualTrace(
        "ruby rails",
        "ruby",
        """Shop::NoPrice (no price):

app/models/cart.rb:31:in `total'
app/controllers/orders_controller.rb:12:in `show'
""",
        ("Shop::NoPrice",),
        "total",
    ),
    UnusualTrace(
        "ruby erb",
        "ruby",
        """ActionView::Template::Error (undefined method `price' for nil:NilClass):
    1: <p>
    2: <%= x.price %>
app/views/carts/_cart.html.erb:2:in `_app_views_carts__cart_html_erb__123_456'
app/controllers/carts_controller.rb:9:in `show'
""",
        ("ActionView::Template::Error",),
        "_app_views_carts__cart_html_erb__123_456",
    ),
    UnusualTrace(
        "ruby sidekiq",
        "ruby",
        """NoMethodError: undefined method `price' for nil:NilClass
  from app/models/cart.rb:31:in `total'
  from app/x.rb:9:in `block (2 levels) in sum'
""",
        ("NoMethodError",),
        "total",
    ),
    UnusualTrace(
        "ruby cause 3.4",
        "ruby",
        """/srv/shop/cart.rb:31:in 'Integer#/': divided by 0 (ZeroDivisionError)
\tfrom /srv/shop/cart.rb:31:in 'Shop::Cart.total'
/srv/shop/x.rb:1:in 'y': inner (RuntimeError)
""",
        ("RuntimeError", "ZeroDivisionError"),
        "y",
    ),
    UnusualTrace(
        "php",
        "php",
        "PHP Fatal error:  Uncaught Shop\\NoPrice: no price in /srv/shop/Cart.php:31\nStack trace:\n#0 /srv/shop/Order.php(12): Shop\\Cart->total(3)\n#1 /srv/shop/index.php(3): Shop\\Order::sum(Object(Shop\\Cart))\n#2 {main}\n  thrown in /srv/shop/Cart.php on line 31\n",
        ("Shop\\NoPrice",),
        "<raise>",
    ),
    UnusualTrace(
        "php windows",
        "php",
        "[30-Nov-2026 10:11:12 UTC] PHP Fatal error:  Uncaught TypeError: total(): Argument #1 ($n) must be of type int, string given, called in C:\\shop\\Order.php on line 12 and defined in C:\\shop\\Cart.php:31\nStack trace:\n#0 C:\\shop\\Order.php(12): total('x')\n#1 {main}\n  thrown in C:\\shop\\Cart.php on line 31\n",
        ("TypeError",),
        "<raise>",
    ),
    UnusualTrace(
        "php laravel",
        "php",
        '[2026-11-30 10:11:12] production.ERROR: no price {"exception":"[object] (Shop\\\\NoPrice(code: 0): no price at /srv/shop/Cart.php:31)\n[stacktrace]\n#0 /srv/shop/Order.php(12): Shop\\\\Cart->total()\n#1 {main}\n"}\n',
        ("Shop\\NoPrice",),
        "<raise>",
    ),
    UnusualTrace(
        "php next",
        "php",
        "Shop\\NoPrice: no price in /srv/shop/Cart.php:31\nStack trace:\n#0 /srv/shop/Order.php(12): Shop\\Cart->total()\n#1 {main}\n\nNext RuntimeException: cannot sum in /srv/shop/Order.php:14\nStack trace:\n#0 [internal function]: Shop\\Order->sum()\n#1 {main}\n",
        ("Shop\\NoPrice", "RuntimeException"),
        "<raise>",
    ),
    UnusualTrace(
        "php xdebug",
        "php",
        "PHP Warning:  Undefined variable $price in /srv/shop/Cart.php on line 31\nPHP Stack trace:\nPHP   1. {main}() /srv/shop/index.php:0\nPHP   2. Shop\\Order->sum() /srv/shop/index.php:3\nPHP   3. Shop\\Cart->total() /srv/shop/Order.php:12\n",
        ("Warning",),
        "<raise>",
    ),
    UnusualTrace(
        "rust 1.90 thread id",
        "rust",
        """thread 'tokio-runtime-worker' (4242) panicked at /src/cart.rs:31:7:
called `Result::unwrap()` on an `Err` value: NoPrice
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
""",
        ("panic",),
        "<panic>",
    ),
    UnusualTrace(
        "rust anyhow",
        "rust",
        """Error: cannot sum

Caused by:
    0: no price
    1: timed out

Stack backtrace:
   0: shop::cart::Cart::total
             at /src/cart.rs:31:7
   1: shop::main
""",
        ("Error",),
        "total",
    ),
    UnusualTrace(
        "rust color eyre",
        "rust",
        """The application panicked (crashed).
Message:  no price
Location: src/cart.rs:31

  ━━━ BACKTRACE ━━━
   7: shop::cart::Cart::total::h0123456789abcdef
      at /src/cart.rs:31
""",
        ("panic",),
        "total",
    ),
    UnusualTrace(
        "dart",
        "dart",
        """Unhandled exception:
Exception: no price
#0      Cart.total (package:shop/cart.dart:31:7)
#1      Order.sum (package:shop/order.dart:12:3)
<asynchronous suspension>
#2      main (file:///src/shop/bin/main.dart:3:1)
""",
        ("Exception",),
        "Cart.total",
    ),
    UnusualTrace(
        "dart flutter",
        "dart",
        """══╡ EXCEPTION CAUGHT BY WIDGETS LIBRARY ╞═══
The following NoPrice was thrown building Cart(dirty):
no price

When the exception was thrown, this was the stack:
#0      Cart.build (package:shop/cart.dart:31:7)
#1      StatelessElement.build (package:flutter/src/widgets/framework.dart:5687:49)
""",
        ("NoPrice",),
        "Cart.build",
    ),
    UnusualTrace(
        "elixir genserver",
        "elixir",
        """10:11:12.123 [error] GenServer Shop.Till terminating
** (KeyError) key :price not found in: %{}
    (shop 0.1.0) lib/shop/cart.ex:31: Shop.Cart.total/1
    (stdlib 5.0) gen_server.erl:1113: :gen_server.try_handle_call/4
Last message: :x
""",
        ("KeyError",),
        "Shop.Cart.total/1",
    ),
    UnusualTrace(
        "erlang",
        "erlang",
        """=ERROR REPORT==== 30-Nov-2026::10:11:12 ===
Error in process <0.42.0> with exit value:
{badarith,[{cart,total,1,[{file,"cart.erl"},{line,31}]},{order,sum,1,[{file,"order.erl"},{line,12}]}]}
""",
        ("badarith",),
        "total/1",
    ),
    UnusualTrace(
        "swift",
        "swift",
        """Fatal error: Index out of range: file Swift/ContiguousArrayBuffer.swift, line 600
Shop/Cart.swift:31: Fatal error: x
*** Program crashed: Illegal instruction at 0x0000aaaa ***
Thread 0 crashed:
0 [ra] 0x0000000102 Cart.total(_:) + 44 in Shop at /src/Shop/Cart.swift:31:9
1 0x0000000103 Order.sum() + 12 in Shop at /src/Shop/Order.swift:12:1
""",
        ("fatal Index out of range in ContiguousArrayBuffer.swift",),
        "Cart.total",
    ),
]
NO_TRACES = {
    "perl carp": """Died at /srv/shop/cart.pl line 31.
\tShop::Cart::total('Shop::Cart=HASH(0x55)', 3) called at /srv/shop/order.pl line 12
\tmain::sum() called at main.pl line 3
""",
    "lua": """lua: cart.lua:31: attempt to index a nil value (local 'price')
stack traceback:
\tcart.lua:31: in function 'total'
\torder.lua:12: in local 'sum'
\tmain.lua:3: in main chunk
\t[C]: in ?
""",
    "haskell": """shop.hs: no price
CallStack (from HasCallStack):
  error, called at src/Cart.hs:31:7 in main:Cart
""",
    "postgres": """ERROR:  relation "prices" does not exist at character 15
STATEMENT:  select * from prices
""",
    "clojure": """Execution error (ExceptionInfo) at shop.cart/total (cart.clj:31).
no price
""",
    "prose": """I was at home (Monday:12) and then
  at work (see notes:3) we met.
Nobody came #0 or #1.
""",
    "prose list": """1. at the door of the shop
2. in the cart: 3 apples
#1 priority: fix (soon)
#2 priority: sleep
""",
    "rustc": """error[E0382]: borrow of moved value: `cart`
  --> src/cart.rs:31:7
   |
31 |     total(cart);
""",
    "tsc": """src/cart.ts:31:7 - error TS2304: Cannot find name 'price'.

31   return price;
         ~~~~~
""",
}
"""Languages that are not read, compilers and prose: they are not to be taken for something else."""
