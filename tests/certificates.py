"""Certificates for servers of tests: an authority of our own, and what it signs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Certificates(NamedTuple):
    """authority: for AEGIS_CA_FILE. certificate, key: for a server on this machine."""

    authority: Path
    certificate: Path
    key: Path


def make(directory: Path) -> Certificates:
    """Write a new authority's certificate, and one for this machine that it signed, with its key; return their paths."""
    authority = make_authority(directory)
    certificate = make_certificate(authority, directory)
    return Certificates(authority, certificate, certificate.with_suffix(".key"))


def make_authority(directory: Path, name: str = "authority") -> Path:
    """Return the PEM file of a new authority's certificate; its key lies beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Aegis test {name}")])
    certificate = (
        _dated(subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
                data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    return _write(directory, name, certificate.sign(key, hashes.SHA256()), key)


def make_certificate(authority: Path, directory: Path, name: str = "server", addresses: Sequence[str] = ("127.0.0.1",)) -> Path:
    """Return the PEM file of a certificate for `localhost` and addresses; its key is `<name>.key` in the same directory."""
    issuer = x509.load_pem_x509_certificate(authority.read_bytes())
    signer = serialization.load_pem_private_key(authority.with_suffix(".key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), *(x509.IPAddress(ip_address(each)) for each in addresses)])
    certificate = (
        _dated(subject, issuer.subject, key)
        .add_extension(names, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return _write(directory, name, certificate.sign(signer, hashes.SHA256()), key)


def _dated(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _write(directory: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    pem, secret = directory / f"{name}.crt", directory / f"{name}.key"
    secret.touch(0o600)
    encoding = serialization.Encoding.PEM
    secret.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    pem.write_bytes(certificate.public_bytes(encoding))
    return pem
