"""Says what the commands in a fix may destroy or switch off, so that nobody runs them unwarned.

A fix stays as it is: a warning stands beside it. It judges words only, never whether a command is
wise; a text that advises against a command is flagged like one that gives it.
"""

from __future__ import annotations

import re

MAX_CHARS = 20_000
MAX_WARNINGS = 10

_SHELL = r"(?:(?:/usr)?/bin/)?(?:ba|z|da|k|fi)?sh\b|python[\d.]*\b|perl\b|ruby\b|node\b|pwsh\b"
_SUDO = r"(?:sudo\s+(?:-\S+\s+)*)?"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


# Every gap is bounded, and none crosses a line: no text can make these slow.
_HAZARDS = (
    (
        "pipes from the network to a shell",
        _pattern(
            rf"\b(?:curl|wget|fetch)\b[^\n|]{{0,300}}\|\s*{_SUDO}(?:{_SHELL})"
            rf"|\b(?:{_SHELL})\s+(?:-c\s+)?[\"']?(?:<\(|\$\()\s*(?:curl|wget)\b"
            r"|\b(?:iex|invoke-expression)\b[^\n]{0,200}\b(?:iwr|irm|invoke-webrequest|"
            r"invoke-restmethod|downloadstring)\b"
            r"|\b(?:iwr|irm|invoke-webrequest|invoke-restmethod)\b[^\n|]{0,300}\|\s*iex\b"
        ),
    ),
    (
        "deletes files",
        _pattern(
            r"\brm\s+(?:-[\w-]+\s+){0,4}-{1,2}(?:\w*[rf]\w*|recursive|force)\b"
            r"|\bfind\b[^\n]{0,200}\s-delete\b|\bshred\s+-|\brmtree\s*\("
            r"|\bremove-item\b[^\n]{0,120}-recurse|\b(?:rd|rmdir)\s+/s\b|\bdel\s+/[fsq]\b"
            r"|\bgit\s+clean\s+-\w*[fdx]"
        ),
    ),
    (
        "overwrites a disk or makes a file system",
        _pattern(
            r"\bdd\s+[^\n]{0,120}\bof=|\bmkfs(?:\.\w+)?\b|\bwipefs\b|>\s*/dev/(?:sd|nvme|vd|xvd)\w"
            r"|\bfdisk\s+/dev|\bparted\s+/dev"
        ),
    ),
    (
        "deletes data from a database",
        _pattern(
            r"\bdrop\s+(?:table|database|schema|index|view|user|collection|column)\b"
            r"|\btruncate\s+(?:table\s+)?[\w.\"`]+\s*;|\btruncate\s+table\b"
            r"|\bdelete\s+from\s+[\w.\"`]+\s*(?:;|$)|\bflush(?:all|db)\b|\bdropdatabase\s*\("
        ),
    ),
    (
        "removes resources of a cluster, a container host or a cloud",
        _pattern(
            r"\bkubectl\b[^\n]{0,80}\b(?:delete|drain)\b|\bhelm\s+(?:uninstall|delete)\b"
            r"|\b(?:terraform|tofu|pulumi|cdk)\b[^\n]{0,40}\bdestroy\b|\bforce-unlock\b"
            r"|\bdocker\b[^\n]{0,40}\b(?:prune|rmi?)\b|\bdown\s+(?:-v\b|--volumes\b)"
            r"|\baws\s+[\w-]+\s+(?:delete|terminate)-|\baws\s+s3\s+(?:rb|rm)\b"
            r"|\bgcloud\b[^\n]{0,80}\bdelete\b|\baz\b[^\n]{0,60}\bdelete\b"
            r"|\bkafka-topics[^\n]{0,120}--delete\b"
        ),
    ),
    (
        "rewrites history or drops local changes",
        _pattern(
            r"\bgit\s+push\b[^\n]{0,100}(?:--force(?!-with-lease)\b|\s-f\b)"
            r"|\bgit\s+reset\s+--hard\b|\bgit\s+(?:filter-branch|filter-repo)\b"
            r"|\bgit\s+branch\s+-D\b|\bgit\s+checkout\s+(?:--\s+)?\.(?:\s|$)"
        ),
    ),
    (
        "opens permissions to everybody",
        _pattern(
            r"\bchmod\s+(?:-\w+\s+)*(?:0?777|a\+rwx|o\+w)\b|\bchown\s+-r\s+\S+\s+/(?:\s|$)"
            r"|\bgrant\s+all\b|\bsetenforce\s+0\b|\bdisable[^\n]{0,20}\bselinux\b"
            r"|\b(?:ufw\s+disable|iptables\s+-F)\b|\b0\.0\.0\.0/0\b|\b--privileged\b"
        ),
    ),
    (
        "switches off the checking of certificates or signatures",
        _pattern(
            r"\bverify\s*=\s*false\b|\bcurl\b[^\n]{0,200}\s(?:-k|--insecure)\b"
            r"|--no-check-certificate\b|\bNODE_TLS_REJECT_UNAUTHORIZED\s*=\s*[\"']?0"
            r"|\bInsecureSkipVerify\s*:\s*true\b|\bCERT_NONE\b|_create_unverified_context"
            r"|\bsslverify\s*=?\s*[\"']?(?:false|0)\b|\bstrict-ssl\s*=?\s*false\b"
            r"|--trusted-host\b|\bcheck_hostname\s*=\s*false|\brejectUnauthorized\s*:\s*false\b"
            r"|\bverify_signature[\"']?\s*:\s*false|\bsslmode=disable\b"
            r"|--(?:allow-unauthenticated|nogpgcheck|skip-tls-verify|insecure-skip-tls-verify)\b"
        ),
    ),
    (
        "ends processes or stops the machine",
        _pattern(
            r"\bkill\s+-(?:9|kill|sigkill)\b|\b(?:pkill|killall)\s+\S"
            r"|\b(?:shutdown|poweroff|halt)\s+(?:-\w|now)"
        ),
    ),
)


_FETCHES = _pattern(
    r"\b(?:https?|ftp|git|ssh)://"
    r"|\b(?:curl|wget|iwr|git\s{1,4}clone|(?:docker|podman)\s{1,4}(?:pull|run))\b"
    r"|\b(?:pip3?|pipx|npm|npx|yarn|pnpm|apt|apt-get|yum|dnf|apk|brew|gem|cargo|go|conda|poetry|uv"
    r"|helm|composer|nuget|dotnet|choco|snap)\b.{1,60}?\b(?:install|add|get|i|exec|upgrade)\b"
)


def fetching_lines(text: str) -> tuple[str, ...]:
    """The lines of a text that send its reader to an address, or fetch something to run."""
    return tuple(line for line in text[:MAX_CHARS].splitlines() if _FETCHES.search(line))


def warnings(text: str) -> tuple[str, ...]:
    """One line for each kind of hazard in a text, with the words that show it; none: empty.

    Args:
        text: Title and text of a fix, scrubbed; only the first `MAX_CHARS` are read.
    """
    # A command may go on over a line that ends in a backslash.
    read = re.sub(r"\\\r?\n[ \t]{0,40}", " ", text[:MAX_CHARS])
    found = []
    for what, pattern in _HAZARDS:
        match = pattern.search(read)
        if match is not None:
            shown = " ".join(match.group().split())
            found.append(f"{what}: {shown[:80]}")
    return tuple(found[:MAX_WARNINGS])
