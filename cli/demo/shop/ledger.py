"""The shop's SQLite databases: one healthy, one always locked, one full, one read-only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_BUSY_TIMEOUT_S = 0.05


class InvoiceNotWritten(Exception):
    """The ledger did not take an invoice."""


class RegistrationFailed(Exception):
    """A customer could not be registered."""


class Ledger:
    """Opens a connection for each piece of work, as a small shop does."""

    def __init__(self, folder: Path) -> None:
        self._main = folder / "shop.sqlite"
        self._invoices = folder / "invoices.sqlite"
        self._archive = folder / "archive.sqlite"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Create the databases; meanwhile an auditor holds the invoices' lock."""
        with closing(sqlite3.connect(self._main)) as database:
            database.execute("CREATE TABLE customers (email TEXT PRIMARY KEY, name TEXT NOT NULL)")
            database.execute("INSERT INTO customers VALUES ('first@example.com', 'First')")
            database.execute("CREATE TABLE stock (sku TEXT PRIMARY KEY, left_over INTEGER)")
            database.commit()
        with closing(sqlite3.connect(self._archive)) as database:
            database.execute("CREATE TABLE orders (number INTEGER, document BLOB)")
            database.commit()
        # Several threads of the server's pool work on these files, each on its own connection.
        auditor = sqlite3.connect(self._invoices, isolation_level=None, check_same_thread=False)
        with closing(auditor):
            auditor.execute("CREATE TABLE invoices (number INTEGER, total REAL)")
            auditor.execute("BEGIN EXCLUSIVE")
            yield

    def write_invoice(self, number: int, total: float) -> None:
        """Always finds the database locked."""
        try:
            with self._connection(self._invoices) as database:
                database.execute("INSERT INTO invoices VALUES (?, ?)", (number, total))
                database.commit()
        except sqlite3.OperationalError as error:
            raise InvoiceNotWritten(f"invoice {number} over {total:.2f} EUR") from error

    def sales_of(self, day: str) -> list[tuple[str, float]]:
        """Asks for a table that a forgotten migration should have made."""
        with self._connection(self._main) as database:
            return database.execute(
                "SELECT sku, revenue FROM daily_sales WHERE day = ?", (day,)
            ).fetchall()

    def register(self, email: str, name: str) -> None:
        """Refuses an email that is known already."""
        try:
            with self._connection(self._main) as database:
                database.execute("INSERT INTO customers VALUES (?, ?)", (email, name))
                database.commit()
        except sqlite3.IntegrityError as error:
            raise RegistrationFailed(f"cannot register {name} <{email}>") from error

    def archive(self, number: int) -> None:
        """Writes into a database that reached its size quota."""
        with self._connection(self._archive) as database:
            database.execute("PRAGMA max_page_count = 4")
            database.execute("INSERT INTO orders VALUES (?, zeroblob(1000000))", (number,))

    def correct_stock(self, sku: str, left_over: int) -> None:
        """Writes through a connection that may only read."""
        address = f"{self._main.as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as database:
            database.execute("INSERT INTO stock VALUES (?, ?)", (sku, left_over))

    def num_customers(self) -> int:
        """Works."""
        with self._connection(self._main) as database:
            row: tuple[int] = database.execute("SELECT count(*) FROM customers").fetchone()
            return row[0]

    @contextmanager
    def _connection(self, path: Path) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S)) as database:
            yield database
