"""More traces, of languages that run in an interpreter, in the forms that they print; own texts."""

from __future__ import annotations

from support.beside import load_beside

TraceCase = load_beside(__file__, "trace_cases").TraceCase

CASES = (
    TraceCase(
        "python colours of 3.13",
        "python",
        "Traceback (most recent call last):\n"
        '  File \x1b[35m"/srv/shop/api.py"\x1b[0m, line \x1b[35m8\x1b[0m, in \x1b[35morder\x1b[0m\n'
        "    \x1b[31mtotal\x1b[0m\x1b[1;31m(cart)\x1b[0m\n"
        "    \x1b[31m~~~~~\x1b[0m\x1b[1;31m^^^^^^\x1b[0m\n"
        '  File \x1b[35m"/srv/shop/cart.py"\x1b[0m, line \x1b[35m3\x1b[0m, in \x1b[35mtotal\x1b[0m\n'
        "    return 1/0\n"
        "\x1b[1;35mZeroDivisionError\x1b[0m: \x1b[35mdivision by zero\x1b[0m\n",
        ("ZeroDivisionError",),
        "total",
    ),
    TraceCase(
        "python during handling",
        "python",
        """Traceback (most recent call last):
  File "/srv/shop/db.py", line 12, in fetch
    return rows[0]
IndexError: list index out of range

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/shop/api.py", line 40, in order
    raise NoSuchOrder(number) from None
shop.NoSuchOrder
""",
        ("IndexError", "shop.NoSuchOrder"),
        "fetch",
    ),
    TraceCase(
        "python syntax error",
        "python",
        """Traceback (most recent call last):
  File "/srv/shop/run.py", line 2, in <module>
    import shop.cart
  File "/srv/shop/cart.py", line 7
    def total(:
              ^
SyntaxError: invalid syntax
""",
        ("SyntaxError",),
        "<module>",
    ),
    TraceCase(
        "python recursion",
        "python",
        """Traceback (most recent call last):
  File "/srv/shop/tree.py", line 9, in walk
    return walk(child)
           ^^^^^^^^^^^
  File "/srv/shop/tree.py", line 9, in walk
    return walk(child)
           ^^^^^^^^^^^
  [Previous line repeated 994 more times]
RecursionError: maximum recursion depth exceeded
""",
        ("RecursionError",),
        "walk",
    ),
    TraceCase(
        "python cython",
        "python",
        """Traceback (most recent call last):
  File "/srv/shop/report.py", line 5, in build
    frame.sum("price")
  File "shop/fast.pyx", line 77, in shop.fast.Frame.sum
  File "shop/fast.pyx", line 12, in shop.fast._checked
KeyError: 'price'
""",
        ("KeyError",),
        "shop.fast._checked",
    ),
    TraceCase(
        "python notes and long messages",
        "python",
        """Traceback (most recent call last):
  File "/srv/shop/forms.py", line 21, in validate
    model(**values)
pydantic_core._pydantic_core.ValidationError: 2 validation errors for Order
sku
  Field required [type=missing, input_value={}, input_type=dict]
price
  Input should be a valid number [type=float_type]
""",
        ("pydantic_core._pydantic_core.ValidationError",),
        "validate",
    ),
    TraceCase(
        "python group in a chain",
        "python",
        """  + Exception Group Traceback (most recent call last):
  |   File "/srv/app/main.py", line 5, in run
  |     async with asyncio.TaskGroup() as group:
  | ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/srv/app/main.py", line 9, in first
    |     int("x")
    | ValueError: invalid literal
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "/srv/app/main.py", line 12, in second
    |     {}["k"]
    | KeyError: 'k'
    +------------------------------------
""",
        ("ValueError", "KeyError", "ExceptionGroup"),
        "first",
    ),
    TraceCase(
        "python pytest",
        "python",
        """______________________________ test_total ______________________________

    def test_total():
>       assert total([1, 2]) == 4

tests/test_cart.py:9:
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

    def total(prices):
>       raise ValueError("no prices")
E       ValueError: no prices

shop/cart.py:4: ValueError
""",
        ("ValueError",),
        "total",
    ),
    TraceCase(
        "python without its first line",
        "python",
        """    answer = client.get(url)
  File "/srv/venv/lib/python3.12/site-packages/httpx/_client.py", line 1053, in get
    return self.request(
  File "/srv/shop/net.py", line 8, in fetch
    raise Unreachable(url)
shop.net.Unreachable: https://example.org
""",
        ("shop.net.Unreachable",),
        "fetch",
    ),
    TraceCase(
        "python without its last line",
        "python",
        """Traceback (most recent call last):
  File "/srv/shop/api.py", line 40, in order
    fetch("sku-1")
  File "/srv/shop/db.py", line 12, in fetch
    return pool.get(key)
""",
        (None,),
        "fetch",
    ),
    TraceCase(
        "python windows line ends",
        "python",
        "Traceback (most recent call last):\r\n"
        '  File "C:\\shop\\api.py", line 4, in handle\r\n    run()\r\n'
        '  File "C:\\shop\\job.py", line 9, in run\r\n    raise TimeoutError("slow")\r\n'
        "TimeoutError: slow\r\n",
        ("TimeoutError",),
        "run",
    ),
    TraceCase(
        "node cause and aggregate",
        "javascript",
        """Error: cannot start
    at start (/srv/app/main.js:9:11)
    at Object.<anonymous> (/srv/app/main.js:20:1)
    at Module._compile (node:internal/modules/cjs/loader:1256:14) {
  [cause]: AggregateError [ECONNREFUSED]:
      at internalConnectMultiple (node:net:1114:18)
      at afterConnectMultiple (node:net:1667:5) {
    code: 'ECONNREFUSED',
    [errors]: [ [Error], [Error] ]
  }
}
""",
        ("AggregateError", "Error"),
        "internalConnectMultiple",
    ),
    TraceCase(
        "node uncaught with source",
        "javascript",
        """/srv/app/cart.js:31
    return item.price;
                ^

TypeError: Cannot read properties of undefined (reading 'price')
    at total (/srv/app/cart.js:31:17)
    at Array.map (<anonymous>)
    at async Promise.all (index 0)
    at async checkout (file:///srv/app/checkout.mjs:12:5)

Node.js v20.11.0
""",
        ("TypeError",),
        "total",
    ),
    TraceCase(
        "webpack and eval",
        "javascript",
        """Uncaught (in promise) ReferenceError: cart is not defined
    at eval (webpack:///./src/cart.js?:12:3)
    at ./src/cart.js (http://localhost:3000/static/js/bundle.js:97:1)
    at __webpack_require__ (http://localhost:3000/static/js/bundle.js:679:30)
""",
        ("ReferenceError",),
        "eval",
    ),
    TraceCase(
        "safari",
        "javascript",
        """TypeError: undefined is not an object (evaluating 'cart.items')
total@https://shop.example.com/static/app.8c1f2a9b.js:2:1543
render@https://shop.example.com/static/app.8c1f2a9b.js:2:2210
[native code]
global code@https://shop.example.com/:9:8
""",
        ("TypeError",),
        "total",
    ),
    TraceCase(
        "typescript in node_modules",
        "typescript",
        """NotFoundException: no such order
    at OrderService.findOne (/srv/app/src/order/order.service.ts:44:13)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
    at async OrderController.get (/srv/app/src/order/order.controller.ts:18:12)
""",
        ("NotFoundException",),
        "OrderService.findOne",
    ),
    TraceCase(
        "php laravel",
        "php",
        """[2026-11-22 10:00:00] production.ERROR: Undefined array key "sku" {"exception":"[object] (ErrorException(code: 0): Undefined array key \\"sku\\" at /srv/app/Cart.php:14)
[stacktrace]
#0 /srv/vendor/laravel/framework/src/Illuminate/Foundation/Bootstrap/HandleExceptions.php(266): Illuminate\\\\Foundation\\\\Bootstrap\\\\HandleExceptions->handleError(2, 'Undefined')
#1 /srv/app/Cart.php(14): App\\\\Cart->total()
#2 {main}
"}
""",
        ("ErrorException",),
        "<raise>",
    ),
    TraceCase(
        "php uncaught",
        "php",
        """Fatal error: Uncaught TypeError: Shop\\Cart::add(): Argument #1 ($price) must be of type int, string given, called in /srv/app/index.php on line 9 and defined in /srv/app/Cart.php:20
Stack trace:
#0 /srv/app/index.php(9): Shop\\Cart->add('x')
#1 {main}
  thrown in /srv/app/Cart.php on line 20
""",
        ("TypeError",),
        "<raise>",
    ),
    TraceCase(
        "ruby cause",
        "ruby",
        """/srv/app/lib/cart.rb:12:in `rescue in total': cannot total (Shop::TotalError)
\tfrom /srv/app/lib/cart.rb:9:in `total'
\tfrom /srv/app/bin/shop:3:in `<main>'
/srv/app/lib/price.rb:4:in `/': divided by 0 (ZeroDivisionError)
\tfrom /srv/app/lib/price.rb:4:in `split'
\tfrom /srv/app/lib/cart.rb:10:in `total'
""",
        ("ZeroDivisionError", "Shop::TotalError"),
        "/",
    ),
    TraceCase(
        "ruby rails",
        "ruby",
        """ActiveRecord::RecordNotFound (Couldn't find Order with 'id'=7):

app/models/order.rb:12:in `find_open'
app/controllers/orders_controller.rb:8:in `show'
""",
        ("ActiveRecord::RecordNotFound",),
        "find_open",
    ),
    TraceCase(
        "elixir",
        "elixir",
        """** (ArithmeticError) bad argument in arithmetic expression
    (shop 0.1.0) lib/shop/cart.ex:12: Shop.Cart.total/1
    (shop 0.1.0) lib/shop/api.ex:30: anonymous fn/2 in Shop.Api.order/2
    (elixir 1.15.0) lib/enum.ex:984: Enum."-each/2-lists^foreach/1-0-"/2
""",
        ("ArithmeticError",),
        "Shop.Cart.total/1",
    ),
    TraceCase(
        "erlang",
        "erlang",
        """=ERROR REPORT==== 22-Nov-2026::10:00:00 ===
Error in process <0.93.0> with exit value:
{badarith,[{shop_cart,total,1,[{file,"src/shop_cart.erl"},{line,12}]},
           {shop_api,order,2,[{file,"src/shop_api.erl"},{line,30}]}]}
""",
        ("badarith",),
        "total/1",
    ),
)  # fmt: skip
