"""Finds what identifies a person: addresses, numbers of cards, accounts, phones, social security.

Refuses what only looks alike: versions of four parts, times, ids, nanoseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixstream.triage.secrets import checks
from fixstream.triage.secrets.model import (
    EXACT,
    LOOSE,
    NUMBERS,
    Detector,
    Find,
    by_pattern,
    compile_bytes,
)
from fixstream.triage.secrets.wordlike import typed_end


def _backwards(words: str) -> bytes:
    """Spells words from their ends, for a text that is read backwards."""
    return b"|".join(word[::-1].encode() for word in words.split())


_VERSION_BEFORE = re.compile(
    rb"(?i)v?[\"' :=(]{0,4}(?:morf |ot )?(?=[nsredykv])(?:%b)"
    rb"|v?[-_][a-z\d]|v? ?=[=~<>^]|v(?:[\s(]|$)"
    % _backwards(
        "version versions ver release released build driver assembly jdk jre upgrade upgraded "
        "downgrade downgraded v"
    )
)
"""Stands before a version, read backwards from it: matching at one place is quicker than searching."""
_CHANGE_BEFORE = re.compile(
    rb"(?i)[^\n:=/@]*?(?=[deptvhg])(?:%b)\b"
    % _backwards("upgrad updat downgrad bump revert migrat switch mov chang")
)
_MAX_CHANGE = 64
_PRODUCT_BEFORE = re.compile(rb"[ /][A-Za-z+]{2,24}[A-Z](?:[^A-Za-z:/@.]|$)")
_FILE_AFTER = re.compile(
    rb"[-_+][A-Za-z\d]|\.(?:\d|(?:jar|war|tgz|tar|zip|whl|dll|so|exe|pom|rpm|deb|gem)\b)"
    rb"|\.?(?:Final|RELEASE|GA|SNAPSHOT)\b| ?(?:alpha|beta|rc\d*|jars?|release|branch|snapshot)\b"
)
_ADDRESS_AFTER = re.compile(rb":\d{1,5}\b|/\d{1,2}\b")
_ADDRESS_BEFORE = re.compile(
    rb"(?i)(?: ot)?[\"' :=(\[<]{1,4}(?:%b)\b|//|@|\["
    % _backwards(
        "ip ipv4 addr address host hosts hostname client server peer remote from via connect "
        "connected connection connecting dial ping tcp udp node gateway subnet cidr route proxy dns "
        "nameserver resolver source src dst destination dest listen listening bind bound forwarded "
        "forwarded-for user login x-real-ip machine target origin endpoint broker leader replica "
        "master datanode namenode"
    )
)
_V4 = compile_bytes(r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b")
_V6 = compile_bytes(
    r"(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})?(?:%\w+)?"
)
_WORD_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:.")


def _is_version(text: bytes, start: int, end: int) -> bool:
    """Weighs what stands around four numbers. Sure signs decide; else small first numbers do."""
    near = text[max(0, start - _MAX_CHANGE) : start][::-1]
    if near[:1] == b"." or _FILE_AFTER.match(text, end) or _VERSION_BEFORE.match(near):
        return True
    if _ADDRESS_AFTER.match(text, end):
        return False
    if _ADDRESS_BEFORE.match(near):
        return _CHANGE_BEFORE.match(near) is not None
    if _PRODUCT_BEFORE.match(near) or _CHANGE_BEFORE.match(near):
        return True
    return text[start + 1 : start + 2] == b"."


def _v4_finder(keep_private: bool) -> Detector:
    def find(text: bytes) -> Iterator[Find]:
        for start, end in _V4.spans(text):
            if not checks.PUBLIC_V4.fullmatch(text, start, end) or _is_version(text, start, end):
                continue
            if not keep_private or checks.is_address(text[start:end], keep_private=True):
                yield start, end, "ip", EXACT

    return Detector("ip", r"\d\.\d{1,3}\.\d{1,3}\.\d", find, NUMBERS)


def _v6_finder(keep_private: bool) -> Detector:
    def find(text: bytes) -> Iterator[Find]:
        for start, last in _V6.spans(text):
            end = last
            around = text[max(0, start - 1) : start] + text[end : end + 1]
            value = text[start:end].split(b"%")[0]
            if value.endswith(b":") and not value.endswith(b"::"):
                value = value[:-1]
                end -= 1
                around = around[:1]
            groups = [group for group in value.split(b":") if group]
            telling = len(groups) >= 3 or (
                len(groups) == 2 and len(groups[0]) >= 3 and value.count(b":") >= 2
            )
            if (
                telling
                and re.search(rb"\d", value)
                and not any(byte in _WORD_BYTES - {46} for byte in around)
                and checks.is_address(value, keep_private=keep_private)
            ):
                yield (start, end, "ip", EXACT)

    return Detector(
        "ip", r":[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:|::[0-9A-Fa-f]|[0-9A-Fa-f]::", find, NUMBERS
    )


_PHONE_WORD = (
    r"(?i:\b(?:[\w]*phone|tel|tele?fone?|telefono|t\xc3\xa9l\xc3\xa9phone|handy|celular|mobil|mobile|cell|fax|sms|whatsapp|msisdn)(?:[ _]?(?:number|num|no\.?))?\b\.?"
    r"\\?[\"']?[ \t]*[:=#]?[ \t]*\\?[\"']?)"
)


_LETTER = r"[\xc3-\xd1][\x80-\xbf]"
"""A letter of Latin, Greek or Cyrillic beyond ASCII, as two bytes of UTF-8."""
_EMAIL = compile_bytes(
    rf"(?:(?:[A-Za-z0-9._%+'-]|{_LETTER})*(?:[A-Za-z0-9_+-]|{_LETTER})|\"[^\"\\\n@]{{1,64}}\")(?:@|%40)"
    rf"(?:(?:[A-Za-z0-9]|{_LETTER})(?:(?:[A-Za-z0-9-]|{_LETTER})*(?:[A-Za-z0-9]|{_LETTER}))?\.)+[A-Za-z]{{2,24}}\b"
)
_ENDS_USERINFO = re.compile(rb"[/?#\s\"'<>]")
_ENDS_ENCODED = re.compile(rb"[/?#\s\"'<>&]|%2F|%3F|%23|%26")


def _is_in_userinfo(text: bytes, start: int) -> bool:
    """Tells whether the address of a URL has begun and its userinfo has not ended at `start`."""
    near = max(0, start - 256)
    plain, encoded = text.rfind(b"://", near, start), text.rfind(b"%3A%2F%2F", near, start)
    if plain > encoded:
        return _ENDS_USERINFO.search(text, plain + 3, start) is None
    return encoded >= 0 and _ENDS_ENCODED.search(text, encoded + 9, start) is None


_DIVIDES = re.compile(rb" ?[:/|] ?")
"""Stands between an address and the password of its login."""


def _email_finder() -> Detector:
    def find(text: bytes) -> Iterator[Find]:
        for start, end in _EMAIL.spans(text):
            if not _is_in_userinfo(text, start) and checks.is_email(text[start:end]):
                yield (start, end, "email", EXACT)
                divided = _DIVIDES.match(text, end)
                if divided is not None and (stop := typed_end(text, divided.end())) >= 0:
                    yield (divided.end(), stop, "password", LOOSE)

    return Detector("email", "@|%40", find)


_CARD = compile_bytes(r"\b[2-6]\d{3}(?:[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}|[ -]\d{6}[ -]\d{4,5})\b")


def _card_finder() -> Detector:
    def find(text: bytes) -> Iterator[Find]:
        for start, end in _CARD.spans(text):
            is_part = text[max(0, start - 1) : start] in (b".", b"-", b",", b"/")
            if not is_part and checks.is_card(text[start:end]):
                yield (start, end, "card", EXACT)

    return Detector("card", r"\d{4}[ -]?\d{4}[ -]?\d{2}", find, NUMBERS)


def _is_phone(value: bytes) -> bool:
    digits = re.sub(rb"\D", b"", value)
    return 8 <= len(digits) <= 15 and len(set(digits)) > 2


def _is_plus_phone(value: bytes) -> bool:
    digits = re.sub(rb"\D", b"", value)
    least = 10 if len(digits) == len(value) - 1 else 8
    return least <= len(digits) <= 15 and len(set(digits)) > 2


def _spoken_phone() -> Detector:
    word, number = compile_bytes(_PHONE_WORD), compile_bytes(r"\(?\d[\d ()./-]{5,17}\d\b")

    def find(text: bytes) -> Iterator[Find]:
        for _, start in word.spans(text):
            end = number.at(text, start)
            if end >= 0 and _is_phone(text[start:end]):
                yield (start, end, "phone", LOOSE)

    return Detector(
        "phone",
        r"(?i:phone|fone|telefon|handy|celular|mobil|fax|sms|whatsapp|msisdn)|\b(?:[Tt]el|[Cc]ell)\b",
        find,
    )


def detectors(*, keep_private_ips: bool) -> tuple[Detector, ...]:
    """Returns the detectors for personal data."""
    return (
        _email_finder(),
        _v4_finder(keep_private_ips),
        _v6_finder(keep_private_ips),
        _card_finder(),
        by_pattern(
            "iban",
            r"\b[A-Z]{2}\d{2}[ -]?(?:[A-Z0-9]{4}[ -]?){2,7}[A-Z0-9]{0,4}\b",
            gate=r"[A-Z]{2}\d{2}[ -]?[A-Z0-9]{4}",
            rank=EXACT,
            accept=checks.is_iban,
            group=NUMBERS,
        ),
        by_pattern(
            "iban",
            r"\b[a-z]{2}\d{2}[a-z0-9]{11,30}\b",
            gate=r"(?i:iban|account)",
            rank=EXACT,
            accept=checks.is_iban,
        ),
        by_pattern(
            "ssn",
            r"\b\d{3} \d{2} \d{4}\b",
            gate=r"(?i:ssn|social)",
            rank=EXACT,
            accept=checks.is_ssn,
        ),
        by_pattern(
            "ssn",
            r"\b\d{3}-\d{2}-\d{4}\b",
            gate=r"\d{3}-\d{2}-\d{4}",
            rank=EXACT,
            accept=checks.is_ssn,
            group=NUMBERS,
        ),
        by_pattern(
            "phone",
            r"\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){5,12}\b",
            gate=r"\+[1-9][\d .(-]",
            rank=LOOSE,
            accept=_is_plus_phone,
            group=NUMBERS,
        ),
        by_pattern(
            "phone",
            r"(?:\b1[ .-])?(?:\([2-9]\d{2}\)[ ]?|\b[2-9]\d{2}[-.])[2-9]\d{2}[-.]\d{4}\b",
            gate=r"\d{3}[).-] ?\d{3}[.-]\d{4}",
            rank=LOOSE,
            accept=_is_phone,
            group=NUMBERS,
        ),
        by_pattern(
            "phone",
            r"\b00[1-9]\d{0,2}[ .-]\d(?:[ .-]?\d){6,11}\b",
            gate=r"00[1-9]\d{0,2}[ .-]\d",
            rank=LOOSE,
            accept=_is_phone,
            group=NUMBERS,
        ),
        by_pattern(
            "phone",
            r"\b07\d{3}[ -]\d{6}\b|\b01[5-7]\d[ /-]\d{7,8}\b|\b0[12]\d{1,2} \d{4} \d{4}\b|\b01\d{2} \d{3} \d{4}\b|\b0[1-9](?:[.]\d{2}){4}\b",
            gate=r"0\d{2,4}[ /-]\d{3,4}|0\d\.\d\d\.\d\d\.\d\d\.\d\d",
            rank=LOOSE,
            accept=_is_phone,
            group=NUMBERS,
        ),
        _spoken_phone(),
    )
