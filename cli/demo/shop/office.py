"""What goes wrong inside the shop itself: tokens, files, locks and plain mistakes."""

from __future__ import annotations

import errno
import fcntl
import importlib
import secrets
import socket
import zoneinfo
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import jwt

_FULL_DEVICE = Path("/dev/full")


class ReceiptNotPrinted(Exception):
    """A receipt could not be written."""


class CheckoutBroken(Exception):
    """A cart could not be added up."""


class Office:
    """The shop's own work."""

    def __init__(self, folder: Path, taken_port: int) -> None:
        self._folder = folder
        self._taken_port = taken_port
        self._key = secrets.token_hex(32)
        self._lock_path = folder / "reservations.lock"
        # Somebody else is reserving, and never finishes.
        self._reserving = self._lock_path.open("w")
        fcntl.flock(self._reserving, fcntl.LOCK_EX)

    def close(self) -> None:
        """Let go of the lock."""
        self._reserving.close()

    def account_of(self, customer: int) -> dict[str, Any]:
        """The token was signed with another key."""
        token = jwt.encode({"sub": str(customer)}, secrets.token_hex(32), algorithm="HS256")
        claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=["HS256"])
        return claims

    def orders_of(self, customer: int) -> dict[str, Any]:
        """The token ran out an hour ago."""
        ended = datetime.now(UTC) - timedelta(hours=1)
        token = jwt.encode({"sub": str(customer), "exp": ended}, self._key, algorithm="HS256")
        claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=["HS256"])
        return claims

    def total_of(self, cart: dict[str, Decimal], sku: str) -> Decimal:
        """The cart does not hold what is asked for."""
        try:
            return cart[sku] * 2
        except KeyError as error:
            raise CheckoutBroken(f"cart has no line for {sku}") from error

    def wish(self, wishes: list[str] | None, sku: str) -> list[str]:
        """Nobody made the list."""
        return [*wishes, sku]  # type: ignore[misc]  # This is the fault.

    def gift_message(self, gift: Any) -> str:
        """Takes one thing for another."""
        text: str = gift.message.strip()
        return text

    def average_basket(self, totals: list[int]) -> int:
        """There were no baskets."""
        return sum(totals) // len(totals)

    def coupon(self, code: str) -> int:
        """The code is no number."""
        return int(code.removeprefix("SAVE"))

    def print_receipt(self, order: int) -> None:
        """The printer's disk is full."""
        try:
            with _FULL_DEVICE.open("wb", buffering=0) as receipt:
                receipt.write(b"receipt %d\n" % order)
        except OSError as error:
            raise ReceiptNotPrinted(f"receipt of order {order}") from error

    def image_of(self, sku: str) -> bytes:
        """The picture was never uploaded."""
        return (self._folder / "images" / f"{sku}.webp").read_bytes()

    def open_admin_door(self) -> None:
        """Another server has the port."""
        with socket.socket() as door:
            door.bind(("127.0.0.1", self._taken_port))

    def reserve(self, sku: str) -> None:
        """The lock is held by somebody else."""
        with self._lock_path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock.write(sku)

    def path_to(self, category: int, parents: dict[int, int]) -> list[int]:
        """The categories go round in a circle."""
        return [category, *self.path_to(parents[category], parents)]

    def delivery_window(self, zone: str) -> str:
        """A time zone that does not exist."""
        return datetime.now(zoneinfo.ZoneInfo(zone)).isoformat()

    def discount_plugin(self, season: str) -> object:
        """A plug-in that nobody installed."""
        return importlib.import_module(f"shop_discounts_{season}")

    def export(self, num_rows: int) -> bytearray:
        """More than a 64-bit process can address: refused at once, so nothing is taken."""
        return bytearray(num_rows << 42)


def has_full_device() -> bool:
    """Whether this system has `/dev/full`, which is always full."""
    try:
        with _FULL_DEVICE.open("wb", buffering=0) as device:
            device.write(b"x")
    except OSError as error:
        return error.errno == errno.ENOSPC
    return False
