"""Knows which names of settings, fields, headers and variables stand before a secret.

A name is judged by its words (`dbUserPassword` and `DB-USER-PASSWORD` are the same), not by a list
of whole names. Judgements are cached, for the same few names come again and again.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple


class Trust(Enum):
    """How far a name vouches for its value."""

    NONE = 0
    WEAK = 1
    """The value has to look random."""
    STRONG = 2
    """Any value that is no stand-in is a secret."""


class Verdict(NamedTuple):
    """What a name says about its value, and the kind of secret that it would be."""

    trust: Trust
    kind: str


_NOT = Verdict(Trust.NONE, "")
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_ALONE = {
    "password": "password", "passwd": "password", "passwort": "password", "pwd": "password",
    "pass": "password", "passw": "password", "passphrase": "password", "pswd": "password",
    "passcode": "password", "userpass": "password", "dbpass": "password", "dbpasswd": "password",
    "psw": "password", "pw": "password", "pgpassword": "password", "userpassword": "password",
    "kennwort": "password", "senha": "password", "contrasena": "password", "mdp": "password",
    "requirepass": "password", "masterauth": "password", "adminpassword": "password",
    "dbpassword": "password", "rootpassword": "password", "sshpass": "password",
    "storepass": "password", "keypass": "password", "keystorepassword": "password",
    "apikey": "api_key", "appkey": "api_key", "authkey": "api_key", "accesskey": "secret_key",
    "secretkey": "secret_key", "privatekey": "private_key", "accountkey": "azure_key",
    "sharedaccesskey": "azure_key", "sharedaccesssignature": "azure_key", "masterkey": "secret_key",
    "encryptionkey": "secret_key", "signingkey": "secret_key", "secret": "secret",
    "clientsecret": "secret", "appsecret": "secret", "apisecret": "secret", "secrets": "secret",
    "sharedsecret": "secret", "consumersecret": "secret", "webhooksecret": "secret",
    "authtoken": "token", "accesstoken": "token", "refreshtoken": "token", "apitoken": "token",
    "idtoken": "token", "sessiontoken": "token", "bearertoken": "token", "bottoken": "token",
    "credential": "credential", "credentials": "credential", "cred": "credential",
    "creds": "credential", "bearer": "token", "cvv": "card", "cvc": "card", "otp": "password",
    "mnemonic": "secret", "totp": "secret", "psk": "secret_key", "passkey": "password",
    "jsessionid": "session", "phpsessid": "session", "sessionid": "session", "connectsid": "session",
    "csrftoken": "token", "xsrftoken": "token", "csrfmiddlewaretoken": "token", "sessid": "session",
    "keystorepass": "password", "truststorepass": "password", "dsapassword": "password",
    "authorization": "authorization", "proxyauthorization": "authorization",
}  # fmt: skip
"""Words that are enough by themselves when a name ends with them."""

_KEY_OWNERS = frozenset(
    [
        "api",
        "secret",
        "private",
        "access",
        "encryption",
        "encrypt",
        "signing",
        "sign",
        "master",
        "auth",
        "account",
        "shared",
        "storage",
        "app",
        "consumer",
        "client",
        "service",
        "deploy",
        "deployment",
        "license",
        "hmac",
        "aes",
        "rsa",
        "jwt",
        "crypt",
        "crypto",
        "cipher",
        "nonce",
        "logged",
        "secure",
        "subscription",
        "server",
        "session",
        "webhook",
        "integration",
        "ingest",
        "instrumentation",
        "admin",
        "root",
        "user",
        "wallet",
        "function",
        "host",
        "write",
        "read",
        "restricted",
        "live",
        "ssh",
        "tls",
        "ssl",
        "gpg",
        "pgp",
        "stripe",
        "sendgrid",
        "mailgun",
        "mailchimp",
        "twilio",
        "aws",
        "azure",
        "gcp",
        "google",
        "github",
        "gitlab",
        "slack",
        "heroku",
        "datadog",
        "newrelic",
        "algolia",
        "openai",
        "anthropic",
        "cloudflare",
        "digitalocean",
        "firebase",
        "maps",
        "geocoding",
        "rollbar",
        "honeycomb",
        "segment",
        "amplitude",
        "mixpanel",
        "intercom",
        "pagerduty",
        "opsgenie",
        "okta",
        "linode",
        "vault",
        "rails",
        "laravel",
        "django",
        "flask",
        "backup",
        "data",
        "symmetric",
        "derived",
    ]
)
"""What stands before `key` when the key is a secret one."""
_TOKEN_OWNERS = frozenset(
    [
        "auth",
        "access",
        "refresh",
        "api",
        "id",
        "session",
        "bearer",
        "bot",
        "csrf",
        "xsrf",
        "security",
        "device",
        "personal",
        "private",
        "user",
        "oauth",
        "registration",
        "deploy",
        "deployment",
        "push",
        "reset",
        "verification",
        "verify",
        "invite",
        "login",
        "github",
        "gitlab",
        "slack",
        "npm",
        "pypi",
        "vault",
        "consul",
        "nomad",
        "hub",
        "jwt",
        "app",
        "service",
        "webhook",
        "sas",
        "identity",
        "sso",
        "remember",
        "heroku",
        "discord",
        "telegram",
        "circle",
        "travis",
        "sonar",
        "codecov",
        "sentry",
        "root",
        "admin",
        "tunnel",
        "runner",
        "join",
        "bootstrap",
        "cluster",
        "jekyll",
        "homebrew",
        "snyk",
        "dd",
        "datadog",
        "ci",
        "integration",
        "page",
        "client",
        "request",
    ]
)
_MODIFIERS = frozenset(
    [
        "base",
        "value",
        "plain",
        "plaintext",
        "text",
        "raw",
        "b64",
        "base64",
        "old",
        "new",
        "current",
        "prod",
        "production",
        "dev",
        "development",
        "test",
        "staging",
        "stage",
        "local",
        "default",
        "primary",
        "secondary",
        "main",
        "backup",
        "confirm",
        "confirmation",
        "again",
        "repeat",
        "verify",
        "hash",
        "hashed",
        "encrypted",
        "enc",
        "encoded",
        "crypt",
        "v1",
        "v2",
        "sha",
        "sha256",
        "md5",
        "bcrypt",
        "salted",
        "string",
        "literal",
        "data",
        "override",
        "temp",
        "temporary",
        "master",
        "replica",
        "read",
        "write",
        "ro",
        "rw",
        "env",
        "var",
    ]
)
"""Words behind the telling one that do not change what it is."""
_ABOUT = frozenset(
    [
        "id",
        "ids",
        "name",
        "names",
        "type",
        "types",
        "file",
        "files",
        "path",
        "dir",
        "url",
        "uri",
        "endpoint",
        "length",
        "size",
        "len",
        "limit",
        "count",
        "policy",
        "policies",
        "expiry",
        "expires",
        "expiration",
        "expired",
        "ttl",
        "age",
        "timeout",
        "lifetime",
        "error",
        "errors",
        "exception",
        "exceptions",
        "field",
        "fields",
        "label",
        "placeholder",
        "hint",
        "reset",
        "required",
        "enabled",
        "disabled",
        "manager",
        "provider",
        "service",
        "validator",
        "validation",
        "checker",
        "strength",
        "format",
        "algorithm",
        "alg",
        "method",
        "version",
        "ring",
        "store",
        "chain",
        "word",
        "words",
        "code",
        "codes",
        "status",
        "state",
        "valid",
        "invalid",
        "arn",
        "ref",
        "reference",
        "index",
        "column",
        "columns",
        "prompt",
        "encoder",
        "encoding",
        "issuer",
        "audience",
        "scope",
        "scopes",
        "bucket",
        "rotation",
        "usage",
        "used",
        "max",
        "min",
        "regex",
        "pattern",
        "generator",
        "factory",
        "handler",
        "filter",
        "filters",
        "interceptor",
        "parser",
        "reader",
        "writer",
        "stream",
        "source",
        "kind",
        "class",
        "location",
        "region",
        "alias",
        "header",
        "headers",
        "bits",
    ]
)
"""Words behind the telling one that make it a fact about the secret."""
_WEAK = {
    "token": "token", "tokens": "token", "key": "key", "keys": "key", "auth": "credential",
    "sid": "session", "session": "session", "sig": "signature", "signature": "signature",
    "salt": "secret", "pin": "password", "cookie": "cookie", "jwt": "jwt", "pat": "token",
    "sas": "azure_key", "assertion": "token", "nonce": "secret", "ticket": "token",
    "code": "token", "seed": "secret", "hmac": "secret", "hash": "hash", "login": "credential",
    "dsn": "credential", "cert": "key", "webhook": "secret",
}  # fmt: skip


def _joined(words: list[str]) -> Verdict | None:
    """Judges by the longest known run of words at the end: `api key`, `secret access key`."""
    for count in (3, 2, 1):
        if len(words) >= count and (kind := _ALONE.get("".join(words[-count:]))):
            return Verdict(Trust.STRONG, kind)
    return None


def _owned(words: list[str]) -> Verdict | None:
    """Judges `key`, `token`, `salt` and `pin` by the word before them."""
    last, owner = words[-1], words[-2] if len(words) > 1 else ""
    if last in ("key", "keys") and owner in _KEY_OWNERS:
        kind = {"api": "api_key", "private": "private_key"}.get(owner, "secret_key")
        return Verdict(Trust.STRONG, kind)
    if last in ("token", "tokens") and (owner in _TOKEN_OWNERS or "token" in words[:-1]):
        return Verdict(Trust.STRONG, "token")
    if last == "salt" and owner in _KEY_OWNERS:
        return Verdict(Trust.STRONG, "secret")
    if last == "pin" and owner in ("card", "user", "sim", "account", "security"):
        return Verdict(Trust.STRONG, "password")
    return None


@lru_cache(maxsize=4096)
def judge(name: str) -> Verdict:
    """Judges a name, such as `DB_PASSWORD`, `aws.secretAccessKey` or `X-Api-Key`."""
    words = [word.lower() for word in _SPLIT.findall(name)][-8:]
    about = False
    while words and (words[-1].isdigit() or words[-1] in _MODIFIERS or words[-1] in _ABOUT):
        if (found := _joined(words)) is not None and not about:
            return found
        about = about or words[-1] in _ABOUT
        words.pop()
    if not words:
        return _NOT
    verdict = _joined(words) or _owned(words)
    if verdict is not None:
        return Verdict(Trust.WEAK, verdict.kind) if about else verdict
    kind = _WEAK.get(words[-1])
    if kind is None or about:
        return _NOT
    return Verdict(Trust.WEAK, kind)
