"""By what gateway and server know each other: our certificate, made on first use, and theirs, pinned at first use."""

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from socket import gethostname
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fieldlab.errors import InvalidSettings

NOTICE: Final = timedelta(days=30)
"""How long before its end a certificate is warned about."""

_VALID: Final = timedelta(days=3_650)
_BITS: Final = 2_048
_PRIVATE: Final = 0o600


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """Three files: our certificate, its key, and the server's certificate; the last need not be there yet."""

    certificate: Path
    key: Path
    server: Path

    @classmethod
    def kept(cls, directory: Path, slug: str) -> "Credentials":
        """Name the files of a source under the gateway's directory."""
        place = directory / "certificates" / slug
        return cls(certificate=place / "gateway.der", key=place / "gateway.pem", server=place / "server.der")

    def make(self, application_uri: str, *, now: datetime) -> None:
        """Make certificate and key, unless they are there; raises InvalidSettings where they cannot be written.

        The certificate is its own authority, for client and server, with the application URI (OPC 10000-6, 6.2.2).
        """
        if self.certificate.exists() and self.key.exists():
            return
        key = rsa.generate_private_key(public_exponent=65_537, key_size=_BITS)
        made = _certificate(key, application_uri, now)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            self.key.parent.mkdir(parents=True, exist_ok=True)
            _write(self.key, private)
            _write(self.certificate, made.public_bytes(Encoding.DER))
        except OSError as error:
            raise InvalidSettings(f"{self.certificate} cannot be written: {error.strerror}.") from None

    def pin(self, certificate: bytes) -> None:
        """Keep the server's certificate (DER) from now on; raises InvalidSettings where it cannot be written."""
        try:
            self.server.parent.mkdir(parents=True, exist_ok=True)
            _write(self.server, certificate)
        except OSError as error:
            raise InvalidSettings(f"{self.server} cannot be written: {error.strerror}.") from None

    def ending(self, now: datetime) -> list[str]:
        """Say of each certificate that ends within `NOTICE`, or has ended, when; raises InvalidSettings."""
        said: list[str] = []
        for what, path in (("The gateway's certificate", self.certificate), ("The server's certificate", self.server)):
            if path.exists():
                said += _ending(what, path, now)
        return said


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """As whom the gateway logs in: with a user's certificate and key, with a name and a password, or as nobody."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    certificate: Path | None = None
    key: Path | None = None

    def ending(self, now: datetime) -> list[str]:
        """Say when the user's certificate ends, if it ends within `NOTICE` or has ended; raises InvalidSettings."""
        return [] if self.certificate is None else _ending("The user's certificate", self.certificate, now)


def private_key(path: Path) -> rsa.RSAPrivateKey:
    """Read an RSA key, PEM or DER, without a password; raises InvalidSettings that names the file."""
    try:
        content = path.read_bytes()
        is_pem = content.lstrip().startswith(b"-----")
        found = (load_pem_private_key if is_pem else load_der_private_key)(content, password=None)
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidSettings(
            f"{path} holds no private key that can be read; give an RSA key as PEM or DER, without a password."
        ) from None
    if not isinstance(found, rsa.RSAPrivateKey):
        raise InvalidSettings(f"{path} holds no RSA key; OPC UA users log in with RSA.")
    return found


def read(path: Path) -> x509.Certificate:
    """Read a certificate, PEM or DER; raises InvalidSettings that names the file."""
    try:
        content = path.read_bytes()
        if content.lstrip().startswith(b"-----"):
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise InvalidSettings(f"{path} holds no certificate, neither as PEM nor as DER.") from None


def fingerprint(certificate: x509.Certificate) -> str:
    """Give the SHA-256 of a certificate, in pairs of digits as servers show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _certificate(key: rsa.RSAPrivateKey, application_uri: str, now: datetime) -> x509.Certificate:
    host = gethostname()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Fieldlab"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Fieldlab gateway@{host}"[:64]),
        ]
    )
    names = [x509.UniformResourceIdentifier(application_uri), x509.DNSName(host)]
    usages = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True,
        key_agreement=False, key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    identity = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usages, critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(identity, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identity), critical=False)
        .sign(key, hashes.SHA256())
    )


def _ending(what: str, path: Path, now: datetime) -> list[str]:
    end = read(path).not_valid_after_utc
    if end - now >= NOTICE:
        return []
    return [f"{what} {path} {'ended' if end < now else 'ends'} at {end.isoformat()}; replace it."]


def _write(path: Path, content: bytes) -> None:
    """Write a file that nobody else may read, whole or not at all."""
    part = path.with_suffix(f"{path.suffix}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
