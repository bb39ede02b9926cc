"""Finds what identifies a person: addresses, numbers of cards, accounts, phones, social security.

Refuses what only looks alike: versions of four parts, times, ids, nanoseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixstream.triage.secrets import checks
from fixstream.triage.secrets.model import EXACT, LOOSE, Detector, Find, by_pattern, compile_bytes

_VERSION_BEFORE = re.compile(
    rb"(?i)(?:version|versions|ver|release|rev|build|driver|v|assembly|jdk|jre|requires?|upgrade[sd]? to|from|to)"
    rb"[\"' :=(v]{0,3}$|[A-Za-z][\w.+]*/$|[A-Za-z_\d][-_]$|[=~<>^][=~]?[ ]?v?$"
)
_VERSION_WORD = re.compile(
    rb"(?i)(?:version|ver|release|build|v|assembly)[\"' :=(]{0,3}$|[a-z][\w.+]*[-_]v?$|[=~<>^]=$"
)
_PRODUCT = re.compile(rb"[A-Za-z][A-Za-z+_.-]*/$")
_FILE_AFTER = re.compile(
    rb"(?:[-_+][A-Za-z\d]|\.(?:jar|war|tgz|tar|zip|whl|dll|so|exe|pom|rpm|deb|gem)\b|\.?(?:Final|RELEASE|GA|SNAPSHOT)\b)"
)
_PORT_AFTER = re.compile(rb":\d{2,5}\b")
_V4 = compile_bytes(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b")
_V6 = compile_bytes(
    r"(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})?(?:%\w+)?"
)
_WORD_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:.")


def _is_version(text: bytes, start: int, end: int) -> bool:
    before = text[max(0, start - 24) : start]
    if text[end : end + 2][:1] == b"." and text[end + 1 : end + 2].isdigit():
        return True
    if before[-1:] == b"." or (before[-2:-1].isdigit() and before[-1:] in b".,"):
        return True
    if _VERSION_WORD.search(before) or _FILE_AFTER.match(text, end):
        return True
    return (
        _PRODUCT.search(before) is not None
        and not before.endswith(b"//")
        and (
            _PORT_AFTER.match(text, end) is None
            and before[-2:-1].isalpha()
            and b"." not in before.split()[-1]
            and before.split()[-1][:1].isupper()
        )
    )


def _v4_finder(keep_private: bool) -> Detector:
    def find(text: bytes) -> Iterator[Find]:
        for match in _V4.finditer(text):
            start, end = match.span()
            value = text[start:end]
            if checks.is_address(value, keep_private=keep_private) and not _is_version(
                text, start, end
            ):
                yield Find(start, end, "ip", EXACT)

    return Detector("ip", r"\d\.\d{1,3}\.\d{1,3}\.\d", find)


def _v6_finder(keep_private: bool) -> Detector:
    def find(text: bytes) -> Iterator[Find]:
        for match in _V6.finditer(text):
            start, end = match.span()
            around = text[max(0, start - 1) : start] + text[end : end + 1]
            value = text[start:end].split(b"%")[0]
            if value.endswith(b":") and not value.endswith(b"::"):
                value = value[:-1]
                end -= 1
                around = around[:1]
            groups = [group for group in value.split(b":") if group]
            telling = len(groups) >= 3 or (
                groups and len(groups[0]) >= 3 and value.count(b":") >= 2
            )
            if (
                telling
                and re.search(rb"\d", value)
                and not any(byte in _WORD_BYTES - {46} for byte in around)
                and checks.is_address(value, keep_private=keep_private)
            ):
                yield Find(start, end, "ip", EXACT)

    return Detector("ip", r":[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:|::[0-9A-Fa-f]|[0-9A-Fa-f]::", find)


_PHONE_WORD = (
    r"(?i:\b(?:[\w]*phone|tel|mobile|cell|fax|sms|whatsapp|msisdn)(?:[ _]?(?:number|num|no\.?))?\b"
    r"\\?[\"']?[ \t]*[:=#]?[ \t]*\\?[\"']?)"
)



def _is_phone(value: bytes) -> bool:
    digits = re.sub(rb"\D", b"", value)
    return 8 <= len(digits) <= 15 and len(set(digits)) > 2


def _is_plus_phone(value: bytes) -> bool:
    digits = re.sub(rb"\D", b"", value)
    least = 10 if len(digits) == len(value) - 1 else 8
    return least <= len(digits) <= 15 and len(set(digits)) > 2


def _spoken_phone() -> Detector:
    word, number = compile_bytes(_PHONE_WORD), compile_bytes(r"\(?\d[\d ().-]{5,17}\d\b")

    def find(text: bytes) -> Iterator[Find]:
        for match in word.finditer(text):
            found = number.match(text, match.end())
            if found is not None and _is_phone(text[found.start() : found.end()]):
                yield Find(found.start(), found.end(), "phone", LOOSE)

    return Detector("phone", r"(?i:phone|mobile|fax|sms|whatsapp|msisdn)|\b(?:[Tt]el|[Cc]ell)\b", find)


def detectors(*, keep_private_ips: bool) -> tuple[Detector, ...]:
    """Returns the detectors for personal data."""
    return (
        by_pattern(
            "email",
            r"[A-Za-z0-9._%+'-]*[A-Za-z0-9_+-](?:@|%40)(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24}\b",
            gate=r"@|%40",
            rank=EXACT,
            accept=checks.is_email,
        ),
        _v4_finder(keep_private_ips),
        _v6_finder(keep_private_ips),
        by_pattern(
            "card",
            r"\b[2-6]\d{3}(?:[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}|[ -]\d{6}[ -]\d{4,5})\b",
            gate=r"\d{4}[ -]?\d{4}[ -]?\d{2}",
            rank=EXACT,
            accept=checks.is_card,
        ),
        by_pattern(
            "iban",
            r"\b[A-Z]{2}\d{2}[ -]?(?:[A-Z0-9]{4}[ -]?){2,7}[A-Z0-9]{0,4}\b",
            gate=r"[A-Z]{2}\d{2}[ -]?[A-Z0-9]{4}",
            rank=EXACT,
            accept=checks.is_iban,
        ),
        by_pattern("ssn", r"\b\d{3}-\d{2}-\d{4}\b", gate=r"\d{3}-\d{2}-\d{4}", rank=EXACT, accept=checks.is_ssn),
        by_pattern(
            "phone",
            r"\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){5,12}\b",
            gate=r"\+[1-9][\d .(-]",
            rank=LOOSE,
            accept=_is_plus_phone,
        ),
        by_pattern(
            "phone",
            r"(?:\b1[ .-])?(?:\(\d{3}\)[ ]?|\b\d{3}[-.])\d{3}[-.]\d{4}\b",
            gate=r"\d{3}[).-] ?\d{3}[.-]\d{4}",
            rank=LOOSE,
            accept=_is_phone,
        ),
        _spoken_phone(),
    )
