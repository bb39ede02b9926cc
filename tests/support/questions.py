"""Errors as real libraries word them, with the starter fixes that answer them, or with none.

Written for these tests; the ranking's weights were set on `CALIBRATION`, and `HELD_OUT` judges
them. Ids stand without their prefix `starter-`.
"""

from __future__ import annotations

from typing import NamedTuple


class Asked(NamedTuple):
    """One error, and the fixes of which any answers it; none for an error that no fix fits."""

    error_type: str | None
    message: str
    answers: frozenset[str] = frozenset()
    trace: str | None = None


def _known(error_type: str | None, message: str, *answers: str) -> Asked:
    return Asked(error_type, message, frozenset(f"starter-{one}" for one in answers))


def _unknown(error_type: str | None, message: str) -> Asked:
    return Asked(error_type, message)


CALIBRATION = (
    _known("ConnectionRefusedError", "[Errno 111] Connection refused", "connection-refused"),
    _known(
        "OSError",
        "[Errno 28] No space left on device: '/var/lib/app/spool/9'",
        "no-space-left-on-device",
    ),
    _known("sqlite3.OperationalError", "database is locked", "sqlite-database-is-locked"),
    _known("jwt.exceptions.ExpiredSignatureError", "Signature has expired", "jwt-expired"),
    _known(
        None,
        "JWT token validation failed",
        "jwt-signature-verification-failed",
        "jwt-decode-error-not-enough-segments",
        "jwt-expired",
        "jwt-invalid-audience",
    ),
    _known(None, "certificate has expired", "certificate-has-expired"),
    _known(
        "psycopg2.OperationalError",
        'connection to server at "db" (10.0.0.7), port 5432 failed: Connection refused\n'
        "\tIs the server running on that host and accepting TCP/IP connections?",
        "postgres-connection-refused",
    ),
    _known(
        "psycopg2.errors.UniqueViolation",
        'duplicate key value violates unique constraint "users_email_key"\n'
        "DETAIL:  Key (email)=(x) already exists.",
        "postgres-unique-violation",
    ),
    _known(
        "botocore.exceptions.NoCredentialsError",
        "Unable to locate credentials",
        "aws-unable-to-locate-credentials",
    ),
    _known(
        "botocore.exceptions.ClientError",
        "An error occurred (AccessDenied) when calling the PutObject operation: Access Denied",
        "aws-access-denied",
    ),
    _known(
        "redis.exceptions.ConnectionError",
        "Error 111 connecting to cache:6379. Connection refused.",
        "redis-connection-error",
    ),
    _known("RuntimeError", "Event loop is closed", "asyncio-event-loop-is-closed"),
    _known(
        "UnicodeDecodeError",
        "'utf-8' codec can't decode byte 0xe9 in position 14: invalid continuation byte",
        "unicode-decode-error",
    ),
    _known(
        "django.core.exceptions.DisallowedHost",
        "Invalid HTTP_HOST header: 'shop.example.org'. You may need to add 'shop.example.org' "
        "to ALLOWED_HOSTS.",
        "django-disallowed-host",
    ),
    _known(
        "kubernetes.client.exceptions.ApiException",
        "(403)\nReason: Forbidden\nHTTP response body: pods is forbidden: User "
        '"system:serviceaccount:jobs:runner" cannot list resource "pods"',
        "k8s-forbidden-rbac",
    ),
    _known(
        None,
        "Error: Error acquiring the state lock\nLock Info: ID 9db590f1",
        "terraform-state-lock",
    ),
    _known(
        None,
        "container killed: OOMKilled, exit code 137",
        "k8s-oomkilled",
        "container-exit-137-sigkill",
    ),
    _known(
        "sqlalchemy.exc.TimeoutError",
        "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
        "sqlalchemy-queuepool-limit",
    ),
    _known(
        "httpx.HTTPStatusError",
        "Client error '429 Too Many Requests' for url 'https://api.example.org/v1/items'",
        "http-429-too-many-requests",
    ),
    _known(
        "requests.exceptions.HTTPError",
        "502 Server Error: Bad Gateway for url: https://api.example.org/orders",
        "http-502-bad-gateway",
    ),
    _known(
        None,
        "Access to fetch at 'https://api.example.org' from origin 'https://app.example.org' "
        "has been blocked by CORS policy: No 'Access-Control-Allow-Origin' header is present on "
        "the requested resource.",
        "cors-no-allow-origin",
    ),
    _known("OSError", "[Errno 24] Too many open files: '/tmp/upload'", "too-many-open-files"),
    _known(
        None,
        "toomanyrequests: You have reached your pull rate limit.",
        "docker-hub-toomanyrequests",
    ),
    _known(
        "smtplib.SMTPServerDisconnected",
        "Connection unexpectedly closed",
        "smtp-connection-unexpectedly-closed",
    ),
    _known(
        "MySQLdb.OperationalError",
        "(2006, 'MySQL server has gone away')",
        "mysql-server-has-gone-away",
    ),
    _unknown("AttributeError", "'Invoice' object has no attribute 'frobnicate'"),
    _unknown("shop.errors.BasketEmpty", "the basket of customer 8841 is empty"),
    _unknown("ValueError", "unknown shipping zone: ANT"),
    _unknown(None, "Toolbar icon flickers when the window is resized on the second monitor"),
    _unknown(
        "com.acme.pricing.DiscountException", "discount code SPRING is not applicable to items"
    ),
    _unknown(None, "The preview pane shows the wrong colour scheme after changing the theme"),
    _unknown("AssertionError", "expected 3 rows in ledger, found 4"),
    _unknown(
        "org.apache.hadoop.hdfs.server.namenode.SafeModeException",
        "Cannot create file /out/part-0. Name node is in safe mode.",
    ),
    _known(
        "ValueError",
        "could not convert string to float: 'n/a'",
        "could-not-convert-string-to-float",
    ),
    _unknown("shop.import_.PriceList", "row 14 of the price list has no unit"),
    _unknown("RuntimeError", "reactor temperature above threshold"),
    _unknown(None, "Scrolling in the message list is slow with more than 10000 messages"),
    _unknown("CudaError", "an illegal memory access was encountered in kernel launch"),
    _unknown("shop.stock.OutOfStock", "no units left of sku-1182"),
    _known("NotImplementedError", "gift cards", "notimplementederror"),
    _unknown(None, "Printer driver returns blank pages in landscape mode"),
)

HELD_OUT = (
    _known(
        "ssl.SSLCertVerificationError",
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate "
        "(_ssl.c:1006)",
        "self-signed-certificate",
    ),
    _known(
        "ssl.SSLCertVerificationError",
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired "
        "(_ssl.c:1016)",
        "certificate-has-expired",
    ),
    _known(
        "httpx.ConnectError",
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, "
        "certificate is not valid for 'localhost'. (_ssl.c:1006)",
        "certificate-hostname-mismatch",
    ),
    _known(
        "socket.gaierror",
        "[Errno -2] Name or service not known",
        "gaierror-name-or-service-not-known",
        "container-dns-resolution-fails",
    ),
    _known("OSError", "[Errno 122] Disk quota exceeded", "disk-quota-exceeded"),
    _known(
        "ConnectionResetError", "[Errno 104] Connection reset by peer", "connection-reset-by-peer"
    ),
    _known("BrokenPipeError", "[Errno 32] Broken pipe", "broken-pipe"),
    _known(
        "OSError",
        "[Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): "
        "address already in use",
        "address-already-in-use",
    ),
    _known(
        "jwt.exceptions.InvalidSignatureError",
        "Signature verification failed",
        "jwt-signature-verification-failed",
    ),
    _known(
        "jwt.exceptions.DecodeError", "Not enough segments", "jwt-decode-error-not-enough-segments"
    ),
    _known(
        "psycopg.OperationalError",
        "connection failed: FATAL:  sorry, too many clients already",
        "postgres-too-many-clients",
    ),
    _known(
        "psycopg2.errors.DeadlockDetected",
        "deadlock detected\nDETAIL:  Process 7441 waits for ShareLock on transaction 88123; "
        "blocked by process 7450.",
        "postgres-deadlock-detected",
    ),
    _known(
        "psycopg2.OperationalError",
        'FATAL:  password authentication failed for user "shop"',
        "postgres-password-authentication-failed",
    ),
    _known(
        "pymysql.err.OperationalError",
        "(1045, \"Access denied for user 'shop'@'10.1.2.3' (using password: YES)\")",
        "mysql-access-denied-1045",
    ),
    _known(
        "pymongo.errors.DuplicateKeyError",
        'E11000 duplicate key error collection: shop.users index: email_1 dup key: { email: "x" }',
        "mongo-duplicate-key-e11000",
    ),
    _known(
        "sqlite3.IntegrityError",
        "UNIQUE constraint failed: orders.number",
        "sqlite-unique-constraint",
    ),
    _known("sqlite3.OperationalError", "no such table: orders", "sqlite-no-such-table"),
    _known(
        "botocore.exceptions.ClientError",
        "An error occurred (ExpiredToken) when calling the ListBuckets operation: The provided "
        "token has expired.",
        "aws-expired-token",
    ),
    _known(
        "botocore.exceptions.ClientError",
        "An error occurred (ThrottlingException) when calling the DescribeInstances operation "
        "(reached max retries: 4): Rate exceeded",
        "aws-throttling",
    ),
    _known(
        "google.api_core.exceptions.Forbidden",
        "403 GET https://storage.example.org/b/x: svc@project does not have storage.objects.get "
        "access to the Google Cloud Storage object.",
        "gcp-permission-denied-403",
    ),
    _known(None, "Back-off restarting failed container web in pod web-6f9", "k8s-crashloopbackoff"),
    _known(None, 'Failed to pull image "shop:v2": ErrImagePull', "k8s-imagepullbackoff"),
    _known(None, "[CRITICAL] WORKER TIMEOUT (pid:31)", "gunicorn-worker-timeout"),
    _known(
        "docker.errors.DockerException",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker "
        "daemon running?",
        "docker-daemon-not-running",
    ),
    _known(
        "requests.exceptions.ChunkedEncodingError",
        "('Connection broken: IncompleteRead(512 bytes read, 488 more expected)')",
        "http-chunked-encoding-error",
        "incomplete-read",
    ),
    _known(
        "sqlalchemy.orm.exc.DetachedInstanceError",
        "Instance <User at 0x7f12> is not bound to a Session; attribute refresh operation "
        "cannot proceed",
        "sqlalchemy-detached-instance",
    ),
    _known(
        "PermissionError",
        "[Errno 13] Permission denied: '/etc/shop/secret.pem'",
        "permission-denied-file",
    ),
    _known(
        "RuntimeError",
        "asyncio.run() cannot be called from a running event loop",
        "asyncio-run-cannot-be-called",
    ),
    _known(
        "requests.exceptions.ProxyError",
        "HTTPSConnectionPool(host='x', port=443): Max retries exceeded (Caused by ProxyError("
        "'Cannot connect to proxy.', OSError('Tunnel connection failed: 407 Proxy "
        "Authentication Required')))",
        "proxy-error-407",
    ),
    _known(
        "redis.exceptions.ReadOnlyError",
        "You can't write against a read only replica.",
        "redis-readonly-replica",
    ),
    _unknown("shop.payments.CardDeclined", "card declined by issuer: insufficient funds"),
    _unknown("IndexError", "pop from empty deque of pending refunds"),
    _unknown(None, "Keyboard shortcut for duplicating a line does nothing in the diff editor"),
    _unknown("java.lang.IllegalStateException", "Ledger replay requires a closed book"),
    _known(
        "TypeError",
        "unsupported operand type(s) for -: 'Money' and 'NoneType'",
        "unsupported-operand-types",
    ),
    _unknown(None, "Spell checker underlines correct German compounds in the composer"),
    _unknown("shop.geo.UnknownCountry", "no tax table for country code XK"),
    _unknown("numpy.linalg.LinAlgError", "Matrix is not positive definite"),
    _unknown("pkg.vendor.FirmwareError", "bootloader handoff rejected by slot B"),
    _unknown("RuntimeError", "sensor calibration drift exceeds tolerance"),
    _unknown(None, "Search results are not highlighted after switching tabs"),
    _unknown("com.acme.loyalty.PointsException", "points expired before redemption"),
)
