"""Paging by the `Link` header (RFC 8288), of which only the next page's query is believed.

The path stays the one that was asked for, at the base address that was set: a link cannot lead a
crawler and its token elsewhere.
"""

from __future__ import annotations

import re

from yarl import URL

from fixstream.producers.crawl.host_client import Reply

_LINK = re.compile(r'<([^<>]{1,2000})>((?:\s*;\s*[\w*]{1,20}="?[^",;]{0,100}"?){0,10})')
_NEXT = re.compile(r'\brel="?next"?(?![\w-])')
_LAST = re.compile(r'\brel="?last"?(?![\w-])')
_MAX_HEADER_CHARS = 8_000


def next_query(reply: Reply) -> dict[str, str] | None:
    """The query of the next page; None on the last one."""
    return _query(reply, _NEXT)


def last_page(reply: Reply) -> int | None:
    """The number of the last page, where the host counts its pages."""
    number = (_query(reply, _LAST) or {}).get("page", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None


def _query(reply: Reply, relation: re.Pattern[str]) -> dict[str, str] | None:
    for target, parameters in _LINK.findall(reply.headers.get("Link", "")[:_MAX_HEADER_CHARS]):
        if relation.search(parameters):
            try:
                return dict(URL(target).query) or None
            except ValueError:
                return None
    return None
