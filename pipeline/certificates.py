"""Certificates for servers that talk over TLS: an authority of our own (X.509, RFC 5280), and what it signs.

Keys are on the curve P-256. A signed certificate is one PEM file, the key (PKCS #8) before the certificate, as Kafka,
librdkafka and MongoDB read it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pipeline import files
from pipeline.console import UserError

AUTHORITY_DAYS, SIGNED_DAYS = 3650, 825
# A certificate that ends within this time is made anew at the next start.
RENEWAL_DAYS = 60
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Authority:
    """Who signs, and what others trust."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        """What others need to trust it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def ensure_authority(path: Path, now: datetime) -> Authority:
    """The authority whose key and certificate a file has, made where it is missing.

    Raises UserError where the file cannot be read or written.
    """
    if path.exists():
        return Authority(*_read(path))
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("sensor-streaming authority")
    builder = (
        _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    made = Authority(key, builder.sign(key, hashes.SHA256()))
    _write(path, key, made.certificate, 0o400)
    return made


def ensure_signed(authority: Authority, path: Path, name: str, hosts: Sequence[str], now: datetime) -> bool:
    """Make a certificate in that name, for those hosts (names or IP addresses), unless the file has it.

    One that ends soon, is of another authority or for other hosts is replaced. Returns whether it was made; raises
    UserError where the file cannot be read or written.
    """
    if path.exists() and _still_right(_read(path)[1], authority, hosts, now):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = authority.certificate
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(_name(name), issuer.subject, key.public_key(), now, SIGNED_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        # Brokers are clients of each other.
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
    )
    if hosts:
        builder = builder.add_extension(_alternative_names(hosts), critical=False)
    _write(path, key, builder.sign(authority.key, hashes.SHA256()), 0o444)
    return True


def _still_right(found: x509.Certificate, authority: Authority, hosts: Sequence[str], now: datetime) -> bool:
    try:
        found.verify_directly_issued_by(authority.certificate)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value if hosts else None
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    lasts = found.not_valid_after_utc - now > timedelta(days=RENEWAL_DAYS)
    return lasts and (names is None or names == _alternative_names(hosts))


def _alternative_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    def alternative(host: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            return x509.DNSName(host)

    return x509.SubjectAlternativeName([alternative(host) for host in dict.fromkeys(hosts)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # The clocks of others may be behind.
        .not_valid_before(now.astimezone(UTC) - _SKEW)
        .not_valid_after(now.astimezone(UTC) + timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _read(path: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    try:
        content = path.read_bytes()
        key = serialization.load_pem_private_key(content, password=None)
        certificate = x509.load_pem_x509_certificate(content)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no key and certificate"
        raise UserError(f"{path} cannot be read: {reason}; remove it, and it is made anew") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UserError(f"{path} holds a key of another kind than ours; remove it, and it is made anew")
    return key, certificate


def _write(path: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, mode: int) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    text = (private + certificate.public_bytes(serialization.Encoding.PEM)).decode()
    try:
        files.write_whole(path, text, mode)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; make its folder writable") from None
