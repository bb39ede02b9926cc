"""The shop's web application, with the middleware put in as any application would.

Routes are thin: the faults lie where they lie in real applications, two or three calls further in.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI

from fixstream.cli.demo.shop.ledger import Ledger
from fixstream.cli.demo.shop.office import Office
from fixstream.cli.demo.shop.purchasing import Price, Purchasing
from fixstream.producers import ErrorLearningMiddleware


@dataclass(frozen=True, slots=True)
class Departments:
    """Who does the work behind the routes."""

    ledger: Ledger
    office: Office
    purchasing: Purchasing


def make_app(departments: Departments) -> FastAPI:
    """The application with all its routes."""
    app = FastAPI(title="Sample shop")
    app.add_middleware(ErrorLearningMiddleware, service="shop")
    _add_healthy_routes(app, departments.ledger)
    _add_supplier_routes(app, departments.purchasing)
    _add_browsing_routes(app, departments.purchasing)
    _add_delivery_routes(app, departments.purchasing)
    _add_ledger_routes(app, departments.ledger)
    _add_customer_routes(app, departments.office)
    _add_marketing_routes(app, departments.office)
    _add_warehouse_routes(app, departments.office)
    return app


def _add_healthy_routes(app: FastAPI, ledger: Ledger) -> None:
    @app.get("/")
    async def front_page() -> dict[str, str]:
        return {"welcome": "to the sample shop"}

    @app.get("/products/{number}")
    async def product(number: int) -> dict[str, object]:
        return {"number": number, "name": f"Thing {number}", "price": number % 90 + 9.99}

    @app.get("/customers/count")
    def customers() -> dict[str, int]:
        return {"customers": ledger.num_customers()}


def _add_supplier_routes(app: FastAPI, purchasing: Purchasing) -> None:
    @app.post("/checkout/{order}")
    async def checkout(order: int, amount: float = 10.0) -> None:
        await purchasing.charge(order, amount)

    @app.post("/loyalty/{customer}")
    async def loyalty(customer: int) -> None:
        await purchasing.collect_points(customer)

    @app.post("/loyalty/{customer}/redeem")
    async def redeem(customer: int) -> None:
        await purchasing.redeem_points(customer)

    @app.get("/tax/{country}")
    async def tax(country: str) -> None:
        await purchasing.tax_for(country)

    @app.get("/fraud-check/{order}")
    async def fraud_check(order: int) -> None:
        await purchasing.fraud_score(order)


def _add_browsing_routes(app: FastAPI, purchasing: Purchasing) -> None:
    @app.get("/recommendations/{customer}")
    def recommendations(customer: int) -> None:
        purchasing.recommendations(customer)

    @app.get("/search")
    async def search(q: str) -> None:
        await purchasing.search(q)

    @app.get("/exchange-rate/{currency}")
    def exchange_rate(currency: str) -> float:
        return purchasing.exchange_rate(currency, api_key=f"key-{hash(currency) & 0xFFFFFFFF:08x}")

    @app.get("/price/{sku}")
    def price(sku: str) -> Price:
        return purchasing.price_of(sku)

    @app.get("/weather/{city}")
    async def weather(city: str) -> object:
        return await purchasing.weather(city)


def _add_delivery_routes(app: FastAPI, purchasing: Purchasing) -> None:
    @app.get("/shipping/{parcel}")
    async def shipping(parcel: int) -> None:
        await purchasing.parcel_quote(parcel)

    @app.get("/tracking/{parcel}")
    def tracking(parcel: int) -> None:
        purchasing.track(parcel)

    @app.get("/stock/{sku}")
    def stock(sku: str) -> int:
        return purchasing.stock_of(sku)

    @app.get("/inventory/{warehouse}")
    def inventory(warehouse: int) -> object:
        return purchasing.inventory(warehouse)

    @app.post("/import-feed/{supplier}")
    def import_feed(supplier: int) -> str:
        return purchasing.feed(supplier)

    @app.get("/manual/{sku}")
    async def manual(sku: str) -> int:
        return len(await purchasing.manual(sku))


def _add_ledger_routes(app: FastAPI, ledger: Ledger) -> None:
    @app.post("/invoice/{number}")
    def invoice(number: int, total: float = 99.0) -> None:
        ledger.write_invoice(number, total)

    @app.get("/reports/{day}")
    def report(day: str) -> list[tuple[str, float]]:
        return ledger.sales_of(day)

    @app.post("/register")
    def register(name: str = "Somebody") -> None:
        ledger.register("first@example.com", name)

    @app.post("/archive/{order}")
    def archive(order: int) -> None:
        ledger.archive(order)

    @app.post("/stock-count/{sku}")
    def stock_count(sku: str, left_over: int = 3) -> None:
        ledger.correct_stock(sku, left_over)


def _add_customer_routes(app: FastAPI, office: Office) -> None:
    @app.get("/account/{customer}")
    def account(customer: int) -> dict[str, Any]:
        return office.account_of(customer)

    @app.get("/orders/{customer}")
    def orders(customer: int) -> dict[str, Any]:
        return office.orders_of(customer)

    @app.get("/cart/{sku}")
    async def cart(sku: str) -> Decimal:
        return office.total_of({"A-1": Decimal("9.99")}, sku)

    @app.post("/wishlist/{sku}")
    async def wishlist(sku: str) -> list[str]:
        return office.wish(None, sku)

    @app.post("/gift/{order}")
    async def gift(order: int) -> str:
        return office.gift_message(SimpleNamespace(order=order))


def _add_marketing_routes(app: FastAPI, office: Office) -> None:
    @app.get("/coupon/{code}")
    async def coupon(code: str) -> int:
        return office.coupon(code)

    @app.get("/delivery-window")
    async def delivery_window(zone: str) -> str:
        return office.delivery_window(zone)

    @app.get("/discounts/{season}")
    async def discounts(season: str) -> str:
        return str(office.discount_plugin(season))


def _add_warehouse_routes(app: FastAPI, office: Office) -> None:
    @app.post("/receipt/{order}")
    def receipt(order: int) -> None:
        office.print_receipt(order)

    @app.get("/images/{sku}")
    def image(sku: str) -> int:
        return len(office.image_of(sku))

    @app.post("/admin/open")
    async def admin() -> None:
        office.open_admin_door()

    @app.post("/reserve/{sku}")
    def reserve(sku: str) -> None:
        office.reserve(sku)

    @app.get("/categories/{number}")
    async def category(number: int) -> list[int]:
        return office.path_to(number, {number: number + 1, number + 1: number})

    @app.get("/average-basket")
    async def average_basket() -> int:
        return office.average_basket([])

    @app.post("/export")
    async def export(rows: int = 5000) -> int:
        return len(office.export(rows))
