"""Which posts are about errors, which stories are technical, and which domain their place tells.

Word lists, nothing learned: the processor labels what comes through by its own rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fixstream.schemas.enums import Domain

_SEARCHED_CHARS = 20_000

_ERROR_WORDS = re.compile(
    r"\b(?:errors?|exceptions?|traceback|stack ?trace|fail(?:s|ed|ing|ures?)?|crash(?:es|ed|ing)?"
    r"|time[ds]? ?out|refused|denied|cannot|can't|can not|unable to|could not|couldn't|won't|panic"
    r"|seg(?:mentation )?fault|unexpected|invalid|not found|unauthori[sz]ed|forbidden|broken"
    r"|doesn't work|does not work|not working|stuck|hang(?:s|ing)?|deadlock|leak(?:s|ing)?"
    r"|out of memory|oom(?:killed)?|unreachable|throttl(?:ed|ing)|exit code|[45]\d\d)\b",
    re.IGNORECASE,
)
_ERROR_TYPE = re.compile(r"\b[A-Z]\w{2,80}(?:Error|Exception|Fault)\b")
_TECHNICAL = re.compile(
    r"\b(?:outage|incident|post-?mortem|root cause|cve(?:-\d{4}-\d+)?|vulnerabilit(?:y|ies)"
    r"|exploit(?:s|ed)?|zero-?day|rce|ransomware|backdoor|malware|breach|security (?:bug|flaw|hole)"
    r"|bugs?|debugging|crash(?:es|ed|ing)?|segfault|kernel panic|deadlock|race condition"
    r"|memory leaks?|data loss|corruption|downtime|latency|timeouts?|dns|bgp|tls|ssl|certificates?"
    r"|kubernetes|k8s|docker|terraform|kafka|postgres(?:ql)?|mysql|redis|nginx|linux|systemd"
    r"|aws|azure|gcp|s3|ec2|lambda|cloudflare|github actions|ci/cd|firewall|ddos|load balancer"
    r"|exceptions?|stack traces?|error messages?|errors?|regression|deprecated|breaking change)\b",
    re.IGNORECASE,
)

_DOMAIN_TAGS: dict[Domain, frozenset[str]] = {
    Domain.SECURITY: frozenset(
        [
            "security",
            "netsec",
            "ssl",
            "tls",
            "oauth",
            "oauth-2.0",
            "jwt",
            "authentication",
            "authorization",
            "encryption",
            "ssl-certificate",
            "cors",
            "csrf",
            "xss",
            "saml",
            "kerberos",
            "openssl",
        ]
    ),
    Domain.NETWORK: frozenset(
        [
            "networking",
            "network",
            "dns",
            "tcp",
            "udp",
            "http",
            "sockets",
            "firewall",
            "vpn",
            "ipv6",
            "routing",
            "proxy",
            "load-balancing",
            "bgp",
            "nginx",
            "haproxy",
        ]
    ),
    Domain.CLOUD: frozenset(
        [
            "aws",
            "amazon-web-services",
            "azure",
            "gcp",
            "googlecloud",
            "google-cloud-platform",
            "kubernetes",
            "docker",
            "terraform",
            "devops",
            "amazon-s3",
            "amazon-ec2",
            "aws-lambda",
            "cloudformation",
            "helm",
            "openshift",
        ]
    ),
}


def is_about_error(title: str, text: str, code_blocks: Iterable[str] = ()) -> bool:
    """Whether a post tells of something that went wrong."""
    if _ERROR_WORDS.search(title[:1000]) or error_type_in(title):
        return True
    return any(error_type_in(part) for part in (text, *code_blocks)) or bool(
        _ERROR_WORDS.search("\n".join(code_blocks)[:_SEARCHED_CHARS])
    )


def is_technical(title: str, text: str = "") -> bool:
    """Whether a story is about running or breaking software."""
    return bool(_TECHNICAL.search(title[:1000]) or error_type_in(text))


def error_type_in(text: str) -> str | None:
    """The first name of an exception type in a text."""
    found = _ERROR_TYPE.search(text[:_SEARCHED_CHARS])
    return found[0] if found else None


def domain_of(tags: Iterable[str]) -> Domain | None:
    """The domain that tags or a subreddit's name stand for; None where they leave it open."""
    names = {tag.lower() for tag in tags}
    return next((domain for domain, known in _DOMAIN_TAGS.items() if names & known), None)
