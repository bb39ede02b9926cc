"""Pairs of messages as services emit them: one fault in other words, and two faults in alike words.

Written for this benchmark, from how databases, clients and runtimes put things. Both halves follow
the same forms on purpose: a step that joins groups has to tell a name that stands for one instance
of a fault (a host, a pod, a queue) from one that is the fault (a column, a parameter, a module).
"""

from __future__ import annotations

from typing import NamedTuple


class Pair(NamedTuple):
    """Two messages under one error type, in one service."""

    error_type: str
    one: str
    other: str


SAME = (
    Pair(
        "ConnectionRefusedError",
        "connection to replica-a of the orders cluster was refused",
        "connection to replica-b of the orders cluster was refused",
    ),
    Pair(
        "OperationalError",
        "could not connect to server: is orders-db-green accepting connections",
        "could not connect to server: is orders-db-blue accepting connections",
    ),
    Pair(
        "TimeoutError",
        "request to worker pod cart-x7f timed out after waiting for a reply",
        "request to worker pod cart-qpl timed out after waiting for a reply",
    ),
    Pair(
        "SSLError",
        "certificate verify failed: certificate has expired for edge_lisbon",
        "certificate verify failed: certificate has expired for edge_madrid",
    ),
    Pair(
        "UnknownHostException",
        "temporary failure in name resolution for cache_primary in zone a",
        "temporary failure in name resolution for cache_secondary in zone a",
    ),
    Pair(
        "NoSpaceException",
        "no space left on device while writing segment of partition",
        "no space left on device while writing segments of partitions",
    ),
    Pair(
        "KafkaException",
        "broker may not be available, reconnect attempt will be made",
        "broker may not be available. Reconnect attempt will be made later",
    ),
    Pair(
        "RateLimitError",
        "quota exceeded for tenant 'acme' on the search endpoint",
        "quota exceeded for tenant 'globex' on the search endpoint",
    ),
    Pair(
        "PoolTimeout",
        "timeout waiting for an idle connection from the pool",
        "timed out waiting for idle connection from pool",
    ),
    Pair(
        "DeadlockLoserException",
        "deadlock detected while updating the row of user_anna",
        "deadlock detected while updating the row of user_bert",
    ),
    Pair(
        "AccessDenied",
        "user 'svc-cart' is not authorized to perform this operation on the bucket",
        "user 'svc-mail' is not authorized to perform this operation on the bucket",
    ),
    Pair(
        "MemoryError",
        "unable to allocate buffer for the upload of file report_may",
        "unable to allocate buffer for the upload of file report_june",
    ),
)
"""One fault: what differs is the instance, or the wording of a library's version."""

DIFFERENT = (
    Pair(
        "UndefinedColumn",
        'column "user_id" of relation "orders" does not exist',
        'column "email" of relation "orders" does not exist',
    ),
    Pair(
        "ValidationError",
        "value for parameter 'timeout_ms' must be a positive number",
        "value for parameter 'max_retries' must be a positive number",
    ),
    Pair(
        "ImportError",
        "cannot import name 'parse_date' from module 'shop.dates'",
        "cannot import name 'load_rates' from module 'shop.rates'",
    ),
    Pair(
        "IntegrityError",
        'insert violates foreign key constraint "fk_order_user" on table',
        'insert violates foreign key constraint "fk_order_item" on table',
    ),
    Pair(
        "ConfigError",
        "required setting 'SMTP_HOST' is missing from the environment",
        "required setting 'DB_PASSWORD_FILE' is missing from the environment",
    ),
    Pair(
        "ConnectionRefusedError",
        "connection to orders-db was refused by the remote host",
        "connection to payments-api was refused by the remote host",
    ),
    Pair(
        "TimeoutError",
        "request to inventory-api timed out after waiting for a reply",
        "request to payments-api timed out after waiting for a reply",
    ),
    Pair(
        "UnknownHostException",
        "temporary failure in name resolution for mail_gateway in zone a",
        "temporary failure in name resolution for orders_db in zone a",
    ),
    Pair(
        "SSLError",
        "certificate verify failed: self_signed certificate in the chain of the peer",
        "certificate verify failed: expired_leaf certificate in the chain of the peer",
    ),
    Pair(
        "AccessDenied",
        "role is not authorized to perform s3:GetObject on the bucket of invoices",
        "role is not authorized to perform kms:Decrypt on the bucket of invoices",
    ),
    Pair(
        "RateLimitError",
        "quota exceeded for metric 'requests_per_minute' of this project",
        "quota exceeded for metric 'storage_bytes' of this project",
    ),
    Pair(
        "AttributeError",
        "object of type 'Cart' has no attribute 'total' in this context",
        "object of type 'User' has no attribute 'locale' in this context",
    ),
)
"""Two faults: each asks for a fix of its own."""
