"""Encryption and users for the OPC UA face: a certificate of its own, made at first use and kept."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from cryptography.x509.oid import ExtendedKeyUsageOID

from simulators.errors import InvalidSettingError

_ENCRYPTED = [
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
]


@dataclass(frozen=True, kw_only=True)
class Security:
    """How the server is protected.

    `certificates` is a folder for `server.der` and `server.pem` (the key); with it the encrypted endpoints are there,
    and the open one only if `open` is set. With `users` (name to password) nobody comes in without a name.
    """

    certificates: Path | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    open: bool = False

    def __post_init__(self) -> None:
        if self.users and self.certificates is None:
            raise InvalidSettingError("users without certificates would send passwords in the clear: give a folder")

    async def protect(self, server: Server, endpoint: str, application: str) -> None:
        """Set the endpoints and users of a server that is not started yet."""
        server.set_identity_tokens([ua.UserNameIdentityToken] if self.users else [ua.AnonymousIdentityToken])
        if self.certificates is None:
            server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
            return
        key, certificate = self.certificates / "server.pem", self.certificates / "server.der"
        try:
            self.certificates.mkdir(parents=True, exist_ok=True)
            await setup_self_signed_certificate(
                key,
                certificate,
                application,
                urlsplit(endpoint).hostname or "localhost",
                [ExtendedKeyUsageOID.SERVER_AUTH],
                {"commonName": "Fieldlab simulator"},
            )
            key.chmod(0o600)
        except OSError as error:
            raise InvalidSettingError(f"certificates={self.certificates} cannot be used: {error.strerror}") from error
        await server.load_certificate(certificate)
        await server.load_private_key(key)
        policies = [ua.SecurityPolicyType.NoSecurity, *_ENCRYPTED] if self.open else _ENCRYPTED
        server.set_security_policy(policies)

    def manager(self) -> UserManager:
        """Give what asyncua asks who may come in."""
        return _Users(self.users)


class _Users(UserManager):
    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = dict(users)

    def get_user(
        self,
        iserver: InternalServer,  # noqa: ARG002
        username: str | None = None,
        password: str | None = None,
        certificate: object = None,  # noqa: ARG002
    ) -> User | None:
        if not self._users:
            return User(role=UserRole.User)
        known = self._users.get(username or "")
        if known is None or not hmac.compare_digest(known.encode(), (password or "").encode()):
            return None
        return User(role=UserRole.User, name=username)
