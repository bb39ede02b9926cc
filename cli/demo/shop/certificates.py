"""Certificates of suppliers who forgot something: expired, for another name, or self-signed."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that the shop trusts."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate holds."""

    not_before: datetime
    not_after: datetime


def valid_now() -> Validity:
    """Since yesterday, for a year."""
    now = datetime.now(UTC)
    return Validity(now - _DAY, now + 365 * _DAY)


def expired() -> Validity:
    """Until the day before yesterday."""
    now = datetime.now(UTC)
    return Validity(now - 90 * _DAY, now - 2 * _DAY)


def make_authority() -> Authority:
    """A fresh authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Sample Shop CA")
    builder = (
        _builder(name, name, key, valid_now())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Authority(builder.sign(key, hashes.SHA256()), key)


def server_context(
    folder: Path, host: str, validity: Validity, authority: Authority | None
) -> ssl.SSLContext:
    """A server's TLS context with a certificate for `host`, self-signed without an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_key = authority.key if authority else key
    issuer = authority.certificate.subject if authority else _name(host)
    builder = (
        _builder(_name(host), issuer, key, validity)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    certificate = builder.sign(issuer_key, hashes.SHA256())
    return _loaded(folder / f"{certificate.serial_number:x}.pem", certificate, key)


def client_context(authority: Authority) -> ssl.SSLContext:
    """What the shop verifies its suppliers with."""
    pem = authority.certificate.public_bytes(serialization.Encoding.PEM).decode()
    return ssl.create_default_context(cadata=pem)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, validity: Validity
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _loaded(
    path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> ssl.SSLContext:
    # SSLContext reads files only.
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
