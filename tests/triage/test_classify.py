"""What the rules say, what they leave alone, and who wins."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.schemas.enums import Category, Domain, EventSource, LabelSource, Severity
from fixstream.schemas.records import ErrorEvent
from fixstream.triage.classify import classify, load_rules, shipped_rules
from fixstream.triage.trace import parse_trace


def event(
    message: str,
    error_type: str | None = None,
    severity_hint: str | None = None,
    domain_hint: str | None = None,
) -> ErrorEvent:
    """Returns an event with this message."""
    return ErrorEvent(
        event_id="e", occurred_at=datetime(2026, 11, 22, tzinfo=UTC), service="shop", environment="prod",
        source=EventSource.REST, message=message, error_type=error_type,
        severity_hint=severity_hint, domain_hint=domain_hint,
    )  # fmt: skip


POSITIVE = [
    ("[Errno 111] Connection refused", "ConnectionRefusedError", "connection", "network"),
    ("dial tcp 10.0.0.1:5432: connect: connection refused", None, "connection", "network"),
    ("connect ECONNREFUSED db:5432", "Error", "connection", "network"),
    ("Communications link failure", "com.mysql.cj.jdbc.exceptions.CommunicationsException", "connection", "network"),
    ("read tcp 1->2: connection reset by peer", None, "connection", "network"),
    ("upstream connect error or disconnect/reset before headers", None, "connection", "network"),
    ("rpc error: code = Unavailable desc = transport is closing", None, "connection", "network"),
    ("OSError: [Errno 98] Address already in use", "OSError", "configuration", "network"),
    ("getaddrinfo ENOTFOUND api.example.com", "Error", "dns", "network"),
    ("[Errno -2] Name or service not known", "socket.gaierror", "dns", "network"),
    ("api.example.com", "java.net.UnknownHostException", "dns", "network"),
    ("dial tcp: lookup db: no such host", None, "dns", "network"),
    ("Read timed out. (read timeout=5)", "requests.exceptions.ReadTimeout", "timeout", "network"),
    ("context deadline exceeded", None, "timeout", "network"),
    ("", "java.net.SocketTimeoutException", "timeout", "network"),
    ("upstream answered with HTTP 504", None, "timeout", "network"),
    ("certificate verify failed: certificate has expired", "ssl.SSLCertVerificationError", "tls", "security"),
    ("x509: certificate signed by unknown authority", None, "tls", "security"),
    ("PKIX path building failed", "javax.net.ssl.SSLHandshakeException", "tls", "security"),
    ("Signature has expired", "jwt.exceptions.ExpiredSignatureError", "authentication", "security"),
    ('FATAL: password authentication failed for user "app"', "OperationalError", "authentication", "security"),
    ("Unable to locate credentials", "botocore.exceptions.NoCredentialsError", "authentication", "security"),
    ("got HTTP 401 from the token service", None, "authentication", "security"),
    ("rpc error: code = Unauthenticated desc = no token", None, "authentication", "security"),
    ("User: x is not authorized to perform: s3:GetObject", "AccessDenied", "authorization", "security"),
    ("pods is forbidden: User \"ci\" cannot list resource", None, "authorization", "security"),
    ("[Errno 13] Permission denied: '/var/log/x'", "PermissionError", "authorization", "general"),
    ("Rate exceeded", "ThrottlingException", "quota", "cloud"),
    ("429 Too Many Requests", "RateLimitError", "quota", "cloud"),
    ("java.lang.OutOfMemoryError: Java heap space", None, "resource_exhausted", "general"),
    ("write failed: No space left on device", "OSError", "resource_exhausted", "general"),
    ("[Errno 122] Disk quota exceeded", "OSError", "resource_exhausted", "general"),
    ("Not enough segments", "jwt.exceptions.DecodeError", "authentication", "security"),
    ("accept: too many open files", None, "resource_exhausted", "general"),
    ("remaining connection slots are reserved", "OperationalError", "resource_exhausted", "general"),
    ("maximum recursion depth exceeded", "RecursionError", "resource_exhausted", "general"),
    ("[Errno 2] No such file or directory: 'a.txt'", "FileNotFoundError", "not_found", "general"),
    ("The specified bucket does not exist", "NoSuchBucket", "not_found", "cloud"),
    ("GET /x returned HTTP 404", None, "not_found", "general"),
    ("No module named 'shop'", "ModuleNotFoundError", "dependency", "general"),
    ("Cannot find module './cart'", "Error", "dependency", "general"),
    ("com/example/Cart", "java.lang.NoClassDefFoundError", "dependency", "general"),
    ("missing environment variable SHOP_URL", "RuntimeError", "configuration", "general"),
    ("SECRET_KEY must be set", "django.core.exceptions.ImproperlyConfigured", "configuration", "general"),
    ("database is locked", "sqlite3.OperationalError", "concurrency", "general"),
    ("Deadlock found when trying to get lock", None, "concurrency", "general"),
    ("fatal error: concurrent map writes", None, "concurrency", "general"),
    ("Expecting value: line 1 column 1 (char 0)", "json.decoder.JSONDecodeError", "serialization", "general"),
    ("'utf-8' codec can't decode byte 0xff", "UnicodeDecodeError", "serialization", "general"),
    ("Unexpected token < in JSON at position 0", "SyntaxError", "serialization", "general"),
    ("duplicate key value violates unique constraint", "psycopg.errors.UniqueViolation", "data_integrity", "general"),
    ("FOREIGN KEY constraint failed", "sqlite3.IntegrityError", "data_integrity", "general"),
    ("'sku-1'", "KeyError", "programming", "general"),
    ("Cannot read properties of undefined (reading 'id')", "TypeError", "programming", "general"),
    ("", "java.lang.NullPointerException", "programming", "general"),
    ("runtime error: index out of range [5] with length 3", None, "programming", "general"),
    ("Back-off restarting failed container: CrashLoopBackOff", None, "dependency", "cloud"),
    ("0/3 nodes are available: 3 Insufficient cpu.", None, "resource_exhausted", "cloud"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "error_type", "category", "domain"), POSITIVE)
def test_what_the_rules_know(
    message: str, error_type: str | None, category: str, domain: str
) -> None:
    labels = classify(event(message, error_type), None)
    assert (labels.category.value, labels.domain.value) == (category, domain)
    assert labels.category.source is LabelSource.RULE
    assert labels.category.confidence >= 0.6


NEGATIVE = [
    "the quick brown fox jumps over the lazy dog",
    "please add a dark theme to the settings page",
    "checkout total is shown in the wrong currency",
    "order 404 shipped, 500 boxes left, room 401",
    "port 503 is written on the box, page 429 too",
    "the customer refused the offer and left the connection lounge",
    "timeoutable widgets are nice",
    "dnsmasq was mentioned in the talk",
    "the certificate of honour was printed on paper",
    "keyboard layout changed to french",
    "memory of the summer",
    "a deadlocked debate in parliament about limits",
    "lockers in the hall need paint",
    "the author is well known",
    "importer tax is high this year",
    "Rescue squad saved the catalogue",
    "version 4.0.3 was released",
]


@pytest.mark.parametrize("message", NEGATIVE)
def test_in_doubt_the_rules_say_so(message: str) -> None:
    labels = classify(event(message), None)
    assert (labels.category.value, labels.domain.value) == ("unknown", "general")
    assert labels.severity.value == "medium"
    assert (
        max(labels.category.confidence, labels.domain.confidence, labels.severity.confidence) < 0.3
    )


@pytest.mark.parametrize(
    ("message", "error_type", "severity"),
    [
        ("Java heap space", "java.lang.OutOfMemoryError", "critical"),
        ("no space left on device", None, "critical"),
        ("database disk image is malformed", "DatabaseError", "emergency"),
        ("split-brain detected", None, "emergency"),
        ("x is deprecated, use y", "DeprecationWarning", "low"),
        ("Segmentation fault (core dumped)", None, "critical"),
        ("[CRITICAL] payments halted", None, "critical"),
        ("connection refused", None, "high"),
    ],
)
def test_how_bad_it_is(message: str, error_type: str | None, severity: str) -> None:
    assert classify(event(message, error_type), None).severity.value == severity


@pytest.mark.parametrize(
    ("hint", "severity"),
    [
        ("P1", "critical"),
        ("warning", "medium"),
        (" ERROR ", "high"),
        ("emerg", "emergency"),
        ("info", "low"),
    ],
)
def test_a_reporters_hint_wins(hint: str, severity: str) -> None:
    labels = classify(
        event("java.lang.OutOfMemoryError", severity_hint=hint, domain_hint="Network"), None
    )
    assert (labels.severity.value, labels.severity.source) == (severity, LabelSource.REPORTER)
    assert (labels.domain.value, labels.domain.source) == ("network", LabelSource.REPORTER)
    assert labels.category.source is LabelSource.RULE


def test_an_unknown_hint_is_no_hint() -> None:
    labels = classify(event("connection refused", severity_hint="purple", domain_hint="moon"), None)
    assert labels.severity.source is LabelSource.RULE
    assert labels.domain.value == "network"


def test_the_cause_in_a_trace_counts() -> None:
    text = (
        "com.example.OrderFailed: cannot order\n\tat com.example.A.b(A.java:1)\n"
        "Caused by: java.net.UnknownHostException: db\n\tat com.example.C.d(C.java:2)\n"
    )
    assert classify(event("cannot order"), parse_trace(text)).category.value == "dns"


def test_every_rule_is_named_once_and_says_something() -> None:
    rules = shipped_rules().rules
    assert len({rule.name for rule in rules}) == len(rules) > 30
    assert all(rule.labels for rule in rules)


@pytest.mark.parametrize(
    "rule",
    [
        'category = "weather"\nconfidence = 0.5',
        'severity = "high"\nconfidence = 1.5',
        'domain = "cloud"\nconfidence = 0.5\ntypos = ["x"]',
    ],
)
def test_a_wrong_rule_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match="storm"):
        load_rules(f'[severity_hints]\n[domain_hints]\n[[rule]]\nname = "storm"\n{rule}\n')


@given(st.text(max_size=200), st.one_of(st.none(), st.text(max_size=30)))
def test_labels_are_always_of_the_vocabulary(message: str, error_type: str | None) -> None:
    labels = classify(event(message, error_type), None)
    assert labels.category.value in set(Category)
    assert labels.domain.value in set(Domain)
    assert labels.severity.value in set(Severity)
    assert all(
        0 < label.confidence <= 1 for label in (labels.category, labels.domain, labels.severity)
    )
