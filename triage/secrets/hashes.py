"""Finds password hashes, in the exact lengths of their schemes."""

from __future__ import annotations

from collections.abc import Iterator

from fixstream.triage.secrets.model import (
    EXACT,
    NUMBERS,
    Detector,
    Find,
    by_pattern,
    compile_bytes,
)


def detectors() -> tuple[Detector, ...]:
    """Returns the detectors of this module."""
    b64 = r"[./0-9A-Za-z]"
    return (
        by_pattern(
            "password_hash",
            rf"\$(?:(?:1|apr1)\${b64}{{1,8}}\${b64}{{22}}|2[abxy]?\$\d\d\${b64}{{53}}"
            rf"|5\$(?:rounds=\d+\$)?{b64}{{1,16}}\${b64}{{43}}"
            rf"|6\$(?:rounds=\d+\$)?{b64}{{1,16}}\${b64}{{60,86}}|[PH]\${b64}{{31}}|S\${b64}{{52}}"
            rf"|(?:y|gy|7)\${b64}+\${b64}{{0,86}}\${b64}{{43}})",
            gate=r"\$(?:\d[abxy]?|g?y|apr1|[PHS])\$",
            rank=EXACT,
        ),
        by_pattern(
            "password_hash",
            r"\$(?:argon2(?:id|i|d)|scrypt|pbkdf2[\w-]*|bcrypt[\w-]*|md5|sha1|sha256|sha512)\$[\w./$=,+-]{16,}",
            gate=r"\$(?:argon2|scrypt|pbkdf2|bcrypt|md5|sha)",
            rank=EXACT,
        ),
        by_pattern(
            "password_hash",
            r"\b(?:pbkdf2_sha\d+|bcrypt_sha256|scrypt|argon2|pbkdf2:sha\d+:\d+|scrypt:\d+:\d+:\d+)\$[\w./$=,+-]{20,}",
            gate=r"pbkdf2|bcrypt_sha|scrypt|argon2",
            rank=EXACT,
        ),
        by_pattern(
            "password_hash",
            r"\{(?:SSHA|SHA|SMD5|MD5|CRYPT|SSHA256|SSHA512|SHA512)\}[\w+/=$.]{8,}",
            gate=r"\{S?(?:SHA|MD5|CRYPT)",
            rank=EXACT,
        ),
        by_pattern(
            "password_hash",
            r"\$krb5[\w]*\$[\w$*.@/ -]{32,}|\$(?:8|9|14)\$[\w./]{6,}\$[\w./]{20,}",
            gate=r"\$(?:krb5|8\$|9\$|14\$)",
            rank=EXACT,
        ),
        by_pattern("password_hash", r"\*[0-9A-F]{40}\b", gate=r"\*[0-9A-F]{6}", rank=EXACT),
        by_pattern(
            "password_hash", r"\b[0-9a-fA-F]{32}:[0-9a-fA-F]{32}:::", gate=r":::", rank=EXACT
        ),
        by_pattern(
            "password_hash",
            r"\bSCRAM-SHA-(?:1|256|512)\$\d+:[\w+/=]+\$[\w+/=]+:[\w+/=]+",
            gate=r"SCRAM-SHA-\d+\$",
            rank=EXACT,
        ),
        _des_hash(),
    )


def _des_hash() -> Detector:
    """Makes the detector for traditional crypt(3) hashes in `shadow` and `passwd` lines."""
    line = compile_bytes(r"(?m)^[a-z_][\w.-]*:[./0-9A-Za-z]{13}:\d*:\d*:")

    def find(text: bytes) -> Iterator[Find]:
        for start, _ in line.spans(text):
            colon = text.find(b":", start)
            yield (colon + 1, colon + 14, "password_hash", EXACT)

    return Detector("des_hash", r":\d+:\d+:", find, NUMBERS)
