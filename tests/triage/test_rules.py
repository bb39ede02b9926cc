"""The reviewed rules, ecosystem by ecosystem: what they catch, and as many texts that they leave alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixstream.schemas.enums import Category, LabelSource
from fixstream.triage.classify import CATEGORY_HINT, classify, load_rules, shipped_rules
from fixstream.triage.triage import Triager
from support.events import make_event


def labelled(text: str) -> tuple[str, str]:
    """Labels `Type: message`, or a message that stands behind a colon of its own."""
    error_type, _, message = (
        text.partition(": ") if not text.startswith(": ") else ("", "", text[2:])
    )
    event = replace(
        make_event(message), error_type=error_type or None, stack_trace=None,
        severity_hint=None, domain_hint=None, attributes={},
    )  # fmt: skip
    labels = classify(event, None)
    return labels.category.value, labels.domain.value


CAUGHT = {
    ("connection", "network"): (
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x', port=443): failed to establish",
        "redis.exceptions.ConnectionError: Error 111 connecting to cache:6379. Connection refused.",
        "org.springframework.data.redis.RedisConnectionFailureException: Unable to connect to Redis",
        "org.apache.kafka.common.errors.DisconnectException: ",
        "io.netty.channel.StacklessClosedChannelException: ",
        "java.net.SocketException: Broken pipe (Write failed)",
        "MongoNetworkError: connect ECONNREFUSED 127.0.0.1:27017",
        ": write tcp 10.0.0.1:1->10.0.0.2:2: use of closed network connection",
        ": status code: 503",
        ": HTTP/1.1 502 Bad Gateway",
        "io.grpc.StatusRuntimeException: UNAVAILABLE: io exception\nStatus{code=UNAVAILABLE, description=io}",
        ": SQLSTATE[08006] could not connect",
        "RabbitMQ.Client.Exceptions.BrokerUnreachableException: None of the specified endpoints were reachable",
    ),
    ("timeout", "network"): (
        "asyncio.exceptions.TimeoutError: ",
        "aiohttp.ServerTimeoutError: Timeout on reading data from socket",
        "io.netty.handler.timeout.ReadTimeoutException: ",
        "google.api_core.exceptions.DeadlineExceeded: 504 Deadline Exceeded",
        ": rpc error: code = DeadlineExceeded desc = slow",
        ": Request failed with status code 504",
        ": ETIMEDOUT while reading",
        ": canceling statement due to statement timeout",
        "Net::ReadTimeout: Net::ReadTimeout with #<TCPSocket:(closed)>",
        ": Task timed out after 3.00 seconds",
        "Polly.Timeout.TimeoutRejectedException: the delegate did not complete",
    ),
    ("dns", "network"): (
        "requests.exceptions.ConnectionError: Failed to resolve 'api.example.com' ([Errno -3] Temporary failure in name resolution)",
        ": getaddrinfo EAI_AGAIN db",
        ": dial tcp: lookup db on 10.0.0.2:53: server misbehaving",
        ": psycopg: could not translate host name \"db\" to address",
    ),
    ("tls", "security"): (
        "javax.net.ssl.SSLPeerUnverifiedException: Certificate for <x> doesn't match the common name",
        ": tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
        ": unable to verify the first certificate",
        ": SELF_SIGNED_CERT_IN_CHAIN",
        "System.Net.Http.HttpRequestException: The SSL connection could not be established, see inner exception.",
        ": cURL error 60: SSL certificate problem: unable to get local issuer certificate",
    ),
    ("authentication", "security"): (
        "azure.identity.CredentialUnavailableError: EnvironmentCredential is not set up",
        ": An error occurred (ExpiredToken) when calling the PutObject operation",
        "Grpc.Core.RpcException: Status(StatusCode=\"Unauthenticated\")\nStatusCode.UNAUTHENTICATED",
        ": HTTP 401",
        ": SQLSTATE[28P01] password authentication failed",
        ": WRONGPASS invalid username-password pair",
        ": git@example.com: Permission denied (publickey).",
        "io.jsonwebtoken.ExpiredJwtException: JWT expired at x",
    ),
    ("authorization", "security"): (
        ": User: x is not authorized to perform: s3:GetObject with an explicit deny",
        "google.api_core.exceptions.Forbidden: 403 x does not have storage.objects.get",
        ": response code 403",
        ": error: code = PermissionDenied desc = no",
        "CanCan::AccessDenied: You are not authorized to access this page.",
        ": SQLSTATE[42501]: insufficient privilege",
        "Illuminate\\Session\\TokenMismatchException: CSRF token mismatch.",
    ),
    ("quota", "cloud"): (
        "botocore.exceptions.ClientError: An error occurred (ThrottlingException) when calling X: Rate exceeded",
        "openai.RateLimitError: Error code: 429",
        ": 8 RESOURCE_EXHAUSTED: Quota exceeded for quota metric",
        ": HTTP status 429",
        "Microsoft.Azure.Cosmos.CosmosException: Request rate is large: TooManyRequests (429)",
    ),
    ("resource_exhausted", "general"): (
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
        "NoMemoryError: failed to allocate memory",
        ": ENOSPC: no space left on device, write",
        ": FATAL: sorry, too many clients already",
        "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached",
        ": EMFILE, open 'x'",
        "RejectedExecutionException: Task rejected from pool",
    ),
    ("resource_exhausted", "cloud"): (": container shop was OOMKilled", ": Insufficient memory: 0/3 nodes are available"),
    ("not_found", "general"): (
        "FileNotFoundError: [Errno 2] No such file or directory: 'x'",
        "sqlalchemy.exc.NoResultFound: No row was found",
        "org.springframework.web.servlet.NoHandlerFoundException: No handler found for GET /x",
        ": HTTP 404",
        ": ENOENT: no such file or directory, open 'x'",
        "Illuminate\\Database\\Eloquent\\ModelNotFoundException: No query results for model",
        ": SQLSTATE[42P01]: Undefined table",
    ),
    ("dependency", "general"): (
        "ImportError: cannot import name 'x' from partially initialized module 'y' (circular import)",
        "java.lang.NoSuchMethodError: void a.B.c()",
        ": Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'x' imported from /app/y.mjs",
        ": error while loading shared libraries: libx.so.1: cannot open shared object file",
        "System.IO.FileLoadException: Could not load file or assembly 'X'",
        ": no required module provides package github.com/x/y",
    ),
    ("dependency", "cloud"): (": Failed to pull image \"x\": ErrImagePull", ": pod x is in CrashLoopBackOff"),
    ("concurrency", "general"): (
        "psycopg.errors.DeadlockDetected: deadlock detected",
        "org.springframework.orm.ObjectOptimisticLockingFailureException: Row was updated or deleted by another transaction",
        ": fatal error: all goroutines are asleep - deadlock!",
        ": SQLSTATE[40001]: Serialization failure",
        "org.apache.kafka.clients.consumer.CommitFailedException: Offset commit cannot be completed",
        ": SQLITE_BUSY: database is locked",
    ),
    ("serialization", "general"): (
        "com.google.gson.JsonSyntaxException: Expected BEGIN_OBJECT",
        "pydantic.ValidationError: 1 validation error for X",
        "Encoding::UndefinedConversionError: x from UTF-8 to ASCII",
        ": json: cannot unmarshal string into Go value of type int",
        ": HTTP 422",
        "ActionController::ParameterMissing: param is missing",
    ),
    ("data_integrity", "general"): (
        "Doctrine\\DBAL\\Exception\\UniqueConstraintViolationException: x",
        ": ER_DUP_ENTRY: Duplicate entry 'a' for key 'b'",
        ": SQLSTATE[23505]: unique violation",
        "django.db.utils.IntegrityError: NOT NULL constraint failed: a.b",
        ": rpc error: code = DataLoss desc = x",
    ),
    ("programming", "general"): (
        "org.hibernate.LazyInitializationException: could not initialize proxy - no Session",
        ": panic: assignment to entry in nil map",
        "ArgumentCountError: Too few arguments to function f()",
        "_TypeError: Null check operator used on a null value",
        "System.ObjectDisposedException: Cannot access a disposed object.",
        ": Warning: Undefined array key \"x\"",
        "FunctionClauseError: no function clause matching in f/1",
        ": SQLSTATE[42703]: Undefined column",
    ),
    ("configuration", "general"): (
        "django.core.exceptions.ImproperlyConfigured: x",
        "org.springframework.beans.factory.BeanCreationException: Error creating bean",
        ": Could not resolve placeholder 'x' in value \"${x}\"",
        ": Failed to configure a DataSource: 'url' attribute is not specified",
        ": flag provided but not defined: -x",
    ),
}  # fmt: skip

LEFT_ALONE = (
    "the table has 404 rows and 503 columns",
    "we shipped 429 boxes to building 401",
    "code 12 was written on the door",
    "he is known for his code of honour",
    "status of the order is open",
    "http is the protocol of the web",
    "the unavailable colours are grey",
    "internal links are shown in blue",
    "unknown sender wrote a letter",
    "aborted the trip to the sea",
    "the eagain bird sings",
    "enoent is a nice word",
    "a busy day with eio and epipe",
    "please add an oauthor field",
    "the samlet fish swims upstream",
    "unhealthy food is cheap",
    "back off from the door",
    "throttle of the engine is red",
    "quotable sayings of the year",
    "the memory of the trip fades",
    "disks are round and flat",
    "a race was run in spring",
    "locks of hair on the floor",
    "the key is under the mat",
    "a certificate was given to the best cook",
    "handshakes are polite",
    "sessions are held on mondays",
    "credential is spelled with c",
    "the permission slip lies on the desk",
    "parsley and sage in the soup",
    "the format of the paper is a4",
    "formatted as a table",
    "duplicate of order form in blue",
    "unique vases from china",
    "the constraint of time",
    "nullable columns are shown in grey",
    "undefined shapes on the wall",
    "the index of the book is long",
    "typed letters look better",
    "importing goods takes weeks",
    "modules of the course",
    "versions of the story differ",
    "settings of the novel",
    "options for lunch",
    "the property by the lake",
    "cloudy with rain",
    "lambda is a greek letter",
    "buckets and spades",
    "podcast about gardens",
    "nodes of the rail network map are printed",
    "security blanket for the child",
    "attackers of the team scored twice",
    "the injection of fresh air helped",
    "a crossing for pedestrians",
    "exploited the good weather",
    "overflowing bookshelves",
    "the kernel of truth",
    "panic room is a film",
    "fatalism in literature",
    "crashing waves at the beach",
    "the signal tower at the harbour",
    "sqlstate of mind",
    "sorry for the inconvenience",
    "the page looks odd in dark mode",
    "the button is too small on phones",
    "add support for more currencies",
    "the report shows yesterday instead of today",
    "please update the user guide",
    "scrolling is slow with a long list",
    "icons are blurry",
    "improve the search results page",
    "rename the menu entry",
    "the price is rounded wrongly",
    "the sum at the bottom is wrong",
    "sorting by name ignores case",
    "font of the heading is not bold",
    "remove the old logo",
    "the chart has no legend",
    "the year is missing on the invoice",
    "tooltips flicker on hover",
)


@pytest.mark.parametrize(
    ("text", "expected"), [(text, label) for label, texts in CAUGHT.items() for text in texts]
)
def test_what_the_rules_catch(text: str, expected: tuple[str, str]) -> None:
    assert labelled(text) == expected


@pytest.mark.parametrize("message", LEFT_ALONE)
def test_what_they_leave_alone(message: str) -> None:
    assert labelled(f": {message}") == ("unknown", "general")


def test_codes_mind_their_case_and_are_whole_words() -> None:
    assert labelled(": EACCES x") == ("authorization", "general")
    assert labelled(": eacces x") == labelled(": XEACCESX") == ("unknown", "general")


def test_no_rule_is_surer_than_it_may_be() -> None:
    for rule in shipped_rules().rules:
        for said in rule.labels:
            assert (
                said.label.confidence
                <= {"category": 0.9, "domain": 0.7, "severity": 0.55}[said.field]
            )


def test_the_surest_rule_wins_though_its_confidence_is_cut() -> None:
    book = load_rules(
        '[at_most]\nseverity = 0.5\n[severity_hints]\n[domain_hints]\n'
        '[[rule]]\nname = "a"\nseverity = "low"\nconfidence = 0.6\nphrases = ["boom"]\n'
        '[[rule]]\nname = "b"\nseverity = "critical"\nconfidence = 0.9\nphrases = ["boom"]\n'
    )  # fmt: skip
    label = classify(replace(make_event("boom"), severity_hint=None), None, book).severity
    assert (label.value, label.confidence) == ("critical", 0.5)


@pytest.mark.parametrize(
    ("hint", "category"), [("timeout", "timeout"), (" Throttling ", "quota"), ("DNS", "dns")]
)
def test_a_category_that_the_reporter_names_wins(hint: str, category: str) -> None:
    event = replace(make_event("boom"), attributes={CATEGORY_HINT: hint})
    label = classify(event, None).category
    assert (label.value, label.source) == (category, LabelSource.REPORTER)


def test_a_category_hint_belongs_to_its_event_alone() -> None:
    triager = Triager()
    plain = replace(make_event("boom"), attributes={}, error_type=None, stack_trace=None)
    hinted = replace(plain, attributes={CATEGORY_HINT: "tls"})
    for _ in range(2):
        assert triager.triage(hinted).labels.category.value == Category.TLS
        assert triager.triage(plain).labels.category.value == Category.UNKNOWN
    weird = replace(plain, attributes={CATEGORY_HINT: "weather"})
    assert triager.triage(weird).labels.category.source is LabelSource.RULE
