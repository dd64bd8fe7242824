"""Which server is talked to: the one whose certificate is known, at an endpoint with the configured security."""

from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import security_policies
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from connectors.opcua.config import Mode, OpcuaOptions, Security
from connectors.opcua.credentials import Credentials, fingerprint, read
from fieldlab.errors import InvalidSettings, Unavailable

_PATIENCE: Final = 10.0

POLICIES: Final[dict[Security, Any]] = {
    Security.BASIC256SHA256: security_policies.SecurityPolicyBasic256Sha256,
    Security.AES128_SHA256_RSAOAEP: security_policies.SecurityPolicyAes128Sha256RsaOaep,
    Security.AES256_SHA256_RSAPSS: security_policies.SecurityPolicyAes256Sha256RsaPss,
}
MODES: Final = {Mode.SIGN: ua.MessageSecurityMode.Sign, Mode.SIGN_AND_ENCRYPT: ua.MessageSecurityMode.SignAndEncrypt}


class ServerChanged(InvalidSettings):
    """The server shows another certificate than the one it is known by: nothing is said to it."""


async def certificate_of(url: str, options: OpcuaOptions) -> bytes:
    """Ask a server for its certificate (DER), over a channel that protects nothing: it is known by its fingerprint."""
    asking = Client(url, timeout=_PATIENCE)
    for offered in await asking.connect_and_get_server_endpoints():
        policy = POLICIES[options.security]
        if (offered.SecurityPolicyUri, offered.SecurityMode) == (policy.URI, MODES[options.mode]):
            chain = x509.load_der_x509_certificate(_first(offered.ServerCertificate or b""))
            return chain.public_bytes(Encoding.DER)
    raise Unavailable(f"the server does not offer {options.security} with {options.mode}")


def _first(chain: bytes) -> bytes:
    """Cut the first certificate off a chain (OPC 10000-6, 6.2.6); its length stands at its beginning."""
    return chain[: 4 + int.from_bytes(chain[2:4], "big")]


async def compare(credentials: Credentials, url: str, options: OpcuaOptions) -> None:
    """Raise ServerChanged where the server has another certificate than the one that is known."""
    found = x509.load_der_x509_certificate(await certificate_of(url, options))
    known = read(credentials.server)
    if found != known:
        raise ServerChanged(
            f"The server at {url} has another certificate. Known, in {credentials.server}: SHA-256 "
            f"{fingerprint(known)}. Shown now: SHA-256 {fingerprint(found)}. If whoever runs the server changed it, "
            f"remove {credentials.server} (or put the new one there) and start the gateway again; otherwise somebody "
            "stands between."
        )
