"""Incidents that come again under other names: what the error says, and the fix that was noted.

Written for this benchmark. A pair is one incident; a second one of its kind has other hosts, roles,
paths and numbers in the same places. `{name}` is drawn anew for each incident; what else looks like
a name (`pg_hba.conf`, `--wait`) belongs to the fix itself.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import NamedTuple

_PARTS = (
    "orders billing stock search mail audit media users carts prices alerts ledger routes fleet "
    "badge quota media claims parcels tickets"
)
_ZONES = "prod stage test live dr qa internal"
_PLACES = "var srv opt data mnt home"
_Draw = Callable[[random.Random], str]


class Kind(NamedTuple):
    """One kind of incident."""

    error: str
    title: str
    fix: str


class Incident(NamedTuple):
    """An error, and title and text of the fix that was noted for it."""

    error: str
    title: str
    text: str


def _part(chance: random.Random) -> str:
    return chance.choice(_PARTS.split())


def _zone(chance: random.Random) -> str:
    return chance.choice(_ZONES.split())


def _digits(fewest: int, most: int) -> _Draw:
    return lambda chance: str(chance.randrange(fewest, most))


_DRAWS: dict[str, _Draw] = {
    "host": lambda c: f"{_part(c)}-{c.randrange(1, 60)}.{_zone(c)}",
    "peer": lambda c: f"{c.choice(('db', 'mq', 'cache', 'gw'))}{c.randrange(1, 30)}.{_zone(c)}",
    "port": _digits(1024, 65_000),
    "role": lambda c: f"{_part(c)}_{c.choice(('ro', 'rw', 'app', 'owner', 'job'))}",
    "table": lambda c: f"{_part(c)}_{c.choice(('items', 'archive', 'events', 'index', 'v2'))}",
    "database": lambda c: f"{_part(c)}_{_zone(c)}",
    "service": lambda c: f"{_part(c)}-{c.choice(('api', 'worker', 'web', 'sync', 'cron'))}",
    "pod": lambda c: f"{_part(c)}-{''.join(c.choices(string.ascii_lowercase + '23456789', k=9))}",
    "namespace": lambda c: f"{_zone(c)}-{_part(c)}",
    "bucket": lambda c: f"{_part(c)}-{_zone(c)}-{c.randrange(100, 999)}",
    "path": lambda c: (
        f"/{c.choice(_PLACES.split())}/{_part(c)}/{_part(c)}.{c.choice(('log', 'db'))}"
    ),
    "folder": lambda c: (
        f"/{c.choice(_PLACES.split())}/{_part(c)}/{c.choice(('spool', 'tmp', 'in'))}"
    ),
    "topic": lambda c: (
        f"{_part(c)}.{c.choice(('changes', 'created', 'failed'))}.v{c.randrange(1, 5)}"
    ),
    "variable": lambda c: (
        f"{_part(c).upper()}_{c.choice(('URL', 'DSN', 'REGION', 'LIMIT', 'MODE'))}"
    ),
    "version": lambda c: f"{c.randrange(1, 9)}.{c.randrange(0, 40)}.{c.randrange(0, 20)}",
    "count": _digits(20, 9_000),
    "limit": _digits(16, 4_096),
    "offset": _digits(100_000, 9_999_999),
    "index": lambda c: f"ix_{_part(c)}_{c.choice(('at', 'owner', 'state'))}",
    "column": lambda c: f"{_part(c)}_{c.choice(('id', 'at', 'state', 'total'))}",
    "class": lambda c: f"{_part(c).capitalize()}{c.choice(('Client', 'Store', 'Loader', 'Gate'))}",
}

KINDS = (
    Kind(
        "could not connect to {peer}:{port}: role '{role}' does not exist",
        "role does not exist",
        "Create role {role} on {peer}, and let it in by `pg_hba.conf`; {port} is the pooler's.",
    ),
    Kind(
        "permission denied for table {table} (role {role}, database {database})",
        "permission denied for table",
        "In {database}, grant select on {table} to {role}; new tables want default privileges.",
    ),
    Kind(
        "remaining connection slots of {database} on {host} are reserved, {count} in use",
        "remaining connection slots are reserved",
        "{count} connections to {database} are open: put a pool before {host}, size it in"
        " `pgbouncer.ini`, and find who leaks them in `pg_stat_activity`.",
    ),
    Kind(
        'relation "{table}" does not exist in database {database}',
        "relation does not exist",
        "Run the migration that makes {table} in {database}; look into `schema_migrations`.",
    ),
    Kind(
        "deadlock detected on {table}: waits for a lock of {service}",
        "deadlock detected",
        "Take locks on {table} in one order; {service} takes them the other way round.",
    ),
    Kind(
        "canceling statement due to statement timeout after {count} ms on {table}",
        "canceling statement due to statement timeout",
        "Add an index for that filter on {table}; then raise `statement_timeout` above {count}.",
    ),
    Kind(
        "no space left on device: '{path}' on {host}",
        "no space left on device",
        "On {host}, see with `df -i` whether blocks or inodes ran out, then rotate {path} daily.",
    ),
    Kind(
        "permission denied: '{folder}' for user {role}",
        "permission denied on a folder",
        "Let {role} own {folder}; a mount in `docker-compose.yml` may have made it root's.",
    ),
    Kind(
        "too many open files in {service}: limit {limit}",
        "too many open files",
        "Raise LimitNOFILE of {service} above {limit} in its unit, and close what it leaks.",
    ),
    Kind(
        "dial tcp: lookup {host}: no such host (from {service})",
        "no such host",
        "{host} is no name in the zone: check `resolv.conf` of {service} and the record itself.",
    ),
    Kind(
        "connection refused: {host}:{port}",
        "connection refused",
        "Nothing listens on port {port} of {host}: start it there, and see `ss -ltn`.",
    ),
    Kind(
        "certificate for {host} has expired, presented on port {port}",
        "certificate has expired",
        "Renew the certificate of {host} and reload what serves port {port}; watch `notAfter`.",
    ),
    Kind(
        "upstream timed out after {count} ms while reading from {peer}",
        "upstream timed out",
        "{peer} answers slower than {count} ms: look at its slow log before `proxy_read_timeout`.",
    ),
    Kind(
        "topic {topic} is not known to broker {peer}:{port}",
        "unknown topic or partition",
        "Create topic {topic} before its first use; {peer}:{port} has `auto.create.topics` off.",
    ),
    Kind(
        "offset {offset} of {topic} is out of range for group {service}",
        "offset out of range",
        "Set group {service} to the earliest offset of {topic}: {offset} is no longer kept.",
    ),
    Kind(
        "message of {count} bytes is larger than max.message.bytes of {topic}",
        "message too large",
        "Raise `max.message.bytes` of {topic} above {count}, at the producer too, or send a link.",
    ),
    Kind(
        "back-off restarting failed container {service} in pod {pod}",
        "CrashLoopBackOff",
        "Read the last words: `kubectl logs {pod} -c {service} --previous`.",
    ),
    Kind(
        "container {service} of pod {pod} was killed: memory above {limit}Mi",
        "OOMKilled",
        "Give {service} more than {limit} megabytes, or find what grows; {pod} shows the peak.",
    ),
    Kind(
        'secret "{service}" not found in namespace {namespace}',
        "secret not found",
        "Make secret {service} in {namespace}: secrets do not cross namespaces.",
    ),
    Kind(
        "access denied to s3 bucket {bucket} for role {role}",
        "access denied",
        "Add `s3:GetObject` on {bucket} to the policy of {role}; the bucket may deny it as well.",
    ),
    Kind(
        "environment variable {variable} is not set for {service}",
        "variable is not set",
        "Set {variable} in the unit of {service}; a shell's profile is not read by services.",
    ),
    Kind(
        "{service} needs version {version} of the schema, found older table {table}",
        "schema is too old",
        "Run the migrations up to {version} before {service} starts; {table} tells the state.",
    ),
    Kind(
        "{class} failed: pool of {limit} connections to {peer} exhausted",
        "pool exhausted",
        "{class} keeps connections to {peer} open; close them in `finally`. {limit} is enough.",
    ),
    Kind(
        "column {column} of {table} does not exist",
        "column does not exist",
        "Deploy the migration that adds {column} to {table} before the code that reads it.",
    ),
    Kind(
        "login failed for '{role}' on server {host}, database {database}",
        "login failed",
        "The login {role} has no user in {database}; map it on {host}, then test with `sqlcmd`.",
    ),
    Kind(
        "index {index} is corrupted: table {table}, block {count}",
        "index is corrupted",
        "Rebuild {index}, then check {table} around block {count} with `amcheck`.",
    ),
    Kind(
        "lease on {topic} lost by {service} after {count} ms",
        "lease lost",
        "{service} was silent for {count} ms: raise `session.timeout` or shorten its work;"
        " {topic} went to another member.",
    ),
    Kind(
        "cannot mount {folder} from {host}: stale file handle",
        "stale file handle",
        "Unmount {folder} lazily and mount it again; {host} has exported it anew, see `exports`.",
    ),
    Kind(
        "image of {service} at {version} cannot be pulled to {namespace}",
        "image cannot be pulled",
        "Tag {version} of {service} was never pushed, or {namespace} lacks `imagePullSecrets`.",
    ),
    Kind(
        "replica {host} is {count} seconds behind {peer}",
        "replica is behind",
        "{host} replays slower than {peer} writes: look for a long query there, see `pg_wal`.",
    ),
    Kind(
        "quota {variable} exceeded in {namespace}: {limit} of {limit} used",
        "quota exceeded",
        "Raise {variable} of {namespace} above {limit}, or scale down what nobody uses.",
    ),
    Kind(
        "write to {path} failed: file belongs to {role}, not to {service}",
        "file belongs to another user",
        "Run {service} as {role}, or hand {path} over in its unit by `ExecStartPre`.",
    ),
    Kind(
        "message {offset} of {topic} could not be decoded by {class}",
        "message could not be decoded",
        "Look at message {offset} of {topic} by hand: {class} expects the schema of the registry.",
    ),
    Kind(
        "checksum of {bucket} differs: expected {count} objects for {version}",
        "checksum differs",
        "Upload {version} to {bucket} again; a run that was cut off leaves fewer than {count}.",
    ),
)
NUM_HELD_OUT = 12
LEARNT, HELD_OUT = KINDS[:-NUM_HELD_OUT], KINDS[-NUM_HELD_OUT:]
"""Whole kinds are held out, not only names: the decoder has read none of their sentences."""


def incident(kind: Kind, chance: random.Random) -> Incident:
    """One incident of that kind, its names drawn."""
    whole = "\x1f".join(kind)
    fields = {name for _, name, _, _ in string.Formatter().parse(whole) if name}
    names = {name: _DRAWS[name](chance) for name in sorted(fields)}
    error, title, fix = whole.format(**names).split("\x1f")
    return Incident(error, title, fix)
