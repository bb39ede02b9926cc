"""What the shop asks of its suppliers, each call through a real client library."""

from __future__ import annotations

import asyncio
import codecs

import aiohttp
import httpx
from pydantic import BaseModel

from fixstream.cli.demo.shop.suppliers import UNRESOLVABLE, Suppliers

_READ_TIMEOUT_S = 0.15


class PaymentFailed(Exception):
    """The payment service did not take the money."""


class QuoteUnavailable(Exception):
    """A carrier gave no price."""


class StockUnknown(Exception):
    """The warehouse did not say what is left."""


class Price(BaseModel):
    """A supplier's price."""

    sku: str
    amount: float
    currency: str


class Purchasing:
    """Calls suppliers. Both client libraries have their own words for the same trouble."""

    def __init__(self, suppliers: Suppliers) -> None:
        self._suppliers = suppliers

    async def charge(self, order: int, amount: float) -> None:
        """The payment service refuses connections."""
        async with self._async_client() as client:
            address = f"{self._suppliers.refusing}/v2/charges"
            try:
                await client.post(address, json={"order": order, "amount": amount})
            except httpx.TransportError as error:
                raise PaymentFailed(f"order {order} could not be charged") from error

    async def parcel_quote(self, parcel: int) -> None:
        """The carrier's name does not resolve."""
        try:
            async with aiohttp.ClientSession() as session:
                await session.get(f"https://{UNRESOLVABLE}/quotes/{parcel}")
        except aiohttp.ClientError as error:
            raise QuoteUnavailable(f"no quote for parcel {parcel}") from error

    async def collect_points(self, customer: int) -> None:
        """The loyalty programme's certificate has expired."""
        async with self._async_client() as client:
            await client.post(f"{self._suppliers.expired_tls}/points/{customer}")

    async def tax_for(self, country: str) -> None:
        """The tax service shows a certificate for another host."""
        async with aiohttp.ClientSession() as session:
            await session.get(
                f"{self._suppliers.misnamed_tls}/rates/{country}", ssl=self._suppliers.trust
            )

    async def fraud_score(self, order: int) -> None:
        """The fraud check signed its certificate itself."""
        async with self._async_client() as client:
            await client.get(f"{self._suppliers.self_signed_tls}/score/{order}")

    def recommendations(self, customer: int) -> None:
        """The recommendation service never answers; this client waits for a while only."""
        with self._client() as client:
            client.get(f"/recommendations/{customer}", timeout=_READ_TIMEOUT_S)

    async def search(self, words: str) -> None:
        """The search has a time budget, and waits for a service that never answers."""
        async with self._async_client() as client:
            async with asyncio.timeout(_READ_TIMEOUT_S):
                await client.get("/recommendations/search", params={"q": words})

    def exchange_rate(self, currency: str, api_key: str) -> float:
        """The bank has had enough of our requests."""
        with self._client() as client:
            answer = client.get(f"/rates/{currency}", params={"api_key": api_key})
            rate: float = answer.raise_for_status().json()["rate"]
            return rate

    def stock_of(self, sku: str) -> int:
        """The warehouse is down behind its proxy."""
        with self._client() as client:
            try:
                left: int = client.get(f"/stock/{sku}").raise_for_status().json()["left"]
            except httpx.HTTPStatusError as error:
                raise StockUnknown(f"stock of {sku} unknown") from error
            return left

    async def redeem_points(self, customer: int) -> None:
        """The loyalty programme denies us this right."""
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            await session.post(f"{self._suppliers.http}/points/{customer}/redeem")

    def inventory(self, warehouse: int) -> object:
        """The answer ends in the middle of the JSON."""
        with self._client() as client:
            return client.get(f"/inventory/{warehouse}").json()

    async def weather(self, city: str) -> object:
        """A maintenance page where JSON belongs."""
        async with self._async_client() as client:
            return (await client.get(f"/weather/{city}")).json()

    def price_of(self, sku: str) -> Price:
        """The price is no number."""
        with self._client() as client:
            return Price.model_validate(client.get(f"/price/{sku}").json())

    def feed(self, supplier: int) -> str:
        """The product feed is not in the encoding that was agreed."""
        with self._client() as client:
            return codecs.decode(client.get(f"/feed/{supplier}").content, "utf-8")

    async def manual(self, sku: str) -> bytes:
        """The download breaks off."""
        async with self._async_client() as client:
            return (await client.get(f"/manual/{sku}.pdf")).content

    def track(self, parcel: int) -> None:
        """The carrier resets the connection."""
        with self._client() as client:
            client.get(f"/tracking/{parcel}")

    def _client(self) -> httpx.Client:
        # Loading the default certificates would take longer than all the rest of a request.
        return httpx.Client(base_url=self._suppliers.http, verify=self._suppliers.trust)

    def _async_client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self._suppliers.http, verify=self._suppliers.trust)
