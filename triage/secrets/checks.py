"""Checks that a found form is what it seems: checksums and known ranges. Pure arithmetic."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re

_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30,
    "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
    "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28,
    "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
"""Length by country, from the IBAN registry (ISO 13616)."""

_FILE_ENDINGS = frozenset(
    b"png jpg jpeg gif svg webp ico js mjs ts jsx tsx css scss py rb go rs java kt php c h cc cpp "
    b"hpp cs dll exe so html htm json xml yml yaml toml md txt log zip gz tgz jar war whl lock map "
    b"local internal localdomain service socket slice scope timer mount".split()
)


def passes_luhn(digits: str) -> bool:
    """Checks a card number's last digit (ISO/IEC 7812-1)."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        number = int(char)
        if place % 2:
            number = number * 2 - 9 if number > 4 else number * 2
        total += number
    return total % 10 == 0


def is_card(value: bytes) -> bool:
    """Tells whether the digits are a payment card number of a known issuer range."""
    digits = re.sub(rb"[ -]", b"", value).decode("ascii")
    size, head2, head4 = len(digits), int(digits[:2]), int(digits[:4])
    if len(value) == size and not 14 <= size <= 16:
        return False  # Without spaces only the common lengths: longer runs are ids and times.
    known = (
        (digits[0] == "4" and size in (13, 16, 19))
        or ((51 <= head2 <= 55 or 2221 <= head4 <= 2720) and size == 16)
        or (head2 in (34, 37) and size == 15)
        or ((head4 == 6011 or head2 in (62, 64, 65)) and 16 <= size <= 19)
        or (3528 <= head4 <= 3589 and size == 16)
        or (head2 in (30, 36, 38, 39) and size == 14)
        or (head2 in (50, 56, 57, 58, 63, 67) and size in (16, 18, 19))
    )
    is_padded = digits.endswith("00000000")  # As in a dump of memory.
    return known and not is_padded and len(set(digits)) > 1 and passes_luhn(digits)


def is_iban(value: bytes) -> bool:
    """Checks country, length and the ISO 7064 mod-97 checksum."""
    compact = re.sub(rb"[ -]", b"", value).decode("ascii").upper()
    if _IBAN_LENGTHS.get(compact[:2]) != len(compact):
        return False
    rearranged = compact[4:] + compact[:4]
    return int("".join(str(int(char, 36)) for char in rearranged)) % 97 == 1


def is_ssn(value: bytes) -> bool:
    """Refuses numbers that the US Social Security Administration never issues."""
    area, group, serial = re.split(rb"[- ]", value)
    return area not in (b"000", b"666") and area < b"900" and group != b"00" and serial != b"0000"


def is_email(value: bytes) -> bool:
    """Refuses file names (`logo@2x.png`), git addresses and documentation stand-ins."""
    local, _, domain = value.replace(b"%40", b"@").partition(b"@")
    ending = domain.rsplit(b".", 1)[-1].lower()
    return local.lower() != b"git" and (
        ending not in _FILE_ENDINGS or ending in (b"local", b"internal")
    )


PUBLIC_V4 = re.compile(
    rb"(?!0{1,3}\.|127\.|22[4-9]\.|23\d\.|255\.)"
    rb"(?:(?:25[0-5]|2[0-4]\d|[01]?\d?\d)(?:\.|\Z)){4}"
)
"""Four numbers that are an IPv4 address which names a machine: no mask, no multicast. One look, for logs are full of them."""


def is_address(value: bytes, *, keep_private: bool) -> bool:
    """Tells whether an IP address may identify somebody; loopback and wildcards do not."""
    try:
        address = ipaddress.ip_address(value.decode("ascii"))
    except ValueError:
        return False
    if address.is_loopback or address.is_unspecified or value == b"255.255.255.255":
        return False
    return not (keep_private and address.is_private)


def is_basic_credentials(value: bytes) -> bool:
    """Tells whether the value is base64 of `user:password`."""
    if not 6 <= len(value) <= 2048:
        return False
    try:
        decoded = base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in decoded[1:] and all(32 <= byte < 127 for byte in decoded)
