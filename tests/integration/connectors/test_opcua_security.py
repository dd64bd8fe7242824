"""OPC UA with certificates and passwords: what is configured is what is used, and never anything weaker."""

import logging
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from functools import partial
from itertools import product
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.user_managers import UserManager
from cryptography.hazmat.primitives.serialization import Encoding

from connectors.opcua.credentials import private_key
from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.errors import InvalidSettings
from fieldlab.ports import Connector
from tests.contract.connectors.certificates import Certificate
from tests.contract.connectors.certificates import certificate as certified
from tests.contract.connectors.opcua_server import Machine
from tests.contract.connectors.sink import Sink, running, wait_for

URI = "urn:fieldlab:gateway"
POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
MODES = {"sign": "Sign", "sign_and_encrypt": "SignAndEncrypt"}


class OnlyFieldlab(UserManager):
    """Lets nobody in but fieldlab with its password, and users whose certificate it knows."""

    def __init__(self) -> None:
        self.known: list[bytes] = []

    def get_user(
        self,
        iserver: InternalServer,  # noqa: ARG002
        username: str | None = None,
        password: str | None = None,
        certificate: object = None,
    ) -> User | None:
        known = (username, password) == ("fieldlab", "open sesame") or certificate in self.known
        return User(role=UserRole.User) if known else None


class GuardedMachine(Machine):
    """A server with a certificate, whose endpoints all ask for more than nothing."""

    identity: Certificate

    def __init__(self, variables: Mapping[str, ua.Variant]) -> None:
        super().__init__(variables)
        self.users = OnlyFieldlab()

    async def prepare(self) -> None:
        self.server.set_security_policy(
            [getattr(ua.SecurityPolicyType, f"{policy}_{mode}") for policy in POLICIES for mode in MODES.values()]
        )
        self.server.iserver.user_manager = self.users
        await self.server.load_certificate(str(self.identity.file))
        await self.server.load_private_key(str(self.identity.key_file))


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[GuardedMachine]:
    machine = GuardedMachine({"current": ua.Variant(1.0)})
    machine.identity = certified(tmp_path, "server", uri="urn:freeopcua:python:server")
    await machine.start()
    yield machine
    await machine.stop()


@pytest.fixture
def gateway(tmp_path: Path) -> Certificate:
    return certified(tmp_path, "gateway", uri=URI)


def connect(
    machine: GuardedMachine,
    gateway: Certificate,
    *,
    server: Certificate | None = None,
    word: str = "open sesame",
    **options: object,
) -> Connector:
    files = {
        "certificate_file": str(gateway.file),
        "key_file": str(gateway.key_file),
        "server_certificate_file": str((server or machine.identity).file),
    }
    login = {} if "user_certificate_file" in options else {"user": "fieldlab", "password_env": "WORD"}
    every = {"security": "Basic256Sha256"} | login | files | options
    source = Source(id=1, slug="robot", wire=Wire.OPCUA, url=machine.url, options=every)
    connector = build(source, client_name="gateway-1", environment={"WORD": word})
    connector.watch([machine.address("current")])
    return connector


async def refused(connector: Connector, caplog: pytest.LogCaptureFixture) -> str:
    """Run a connector until it says why it cannot connect."""
    with caplog.at_level(logging.WARNING):
        async with running(connector, Sink()) as task:
            await wait_for(lambda: bool(caplog.records) or task.done())
            assert not connector.connected
            assert not task.done()
    return caplog.records[0].getMessage()


async def test_every_policy_and_mode_carries_values(machine: GuardedMachine, gateway: Certificate) -> None:
    for policy, mode in product(POLICIES, MODES):
        sink = Sink()
        async with running(connect(machine, gateway, security=policy, mode=mode), sink):
            await sink.until(partial(has_values, sink))
        assert sink.values() == [1.0]


def has_values(sink: Sink) -> bool:
    return bool(sink.values())


async def test_a_wrong_password_is_told_and_not_shown(
    machine: GuardedMachine, gateway: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    said = await refused(connect(machine, gateway, word="guess"), caplog)
    assert "BadUserAccessDenied" in said
    assert "guess" not in caplog.text


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_user_logs_in_with_a_certificate_that_the_server_knows(
    machine: GuardedMachine, gateway: Certificate, tmp_path: Path, policy: str
) -> None:
    user = certified(tmp_path, "user")
    machine.users.known.append(user.certificate.public_bytes(Encoding.DER))
    files = {"user_certificate_file": str(user.file), "user_key_file": str(user.key_file)}
    sink = Sink()
    async with running(connect(machine, gateway, server=None, word="", security=policy, **files), sink):
        await sink.until(partial(has_values, sink))


async def test_a_user_whose_certificate_the_server_does_not_know_is_told_so(
    machine: GuardedMachine, gateway: Certificate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    user = certified(tmp_path, "stranger", valid=timedelta(days=29))
    files = {"user_certificate_file": str(user.file), "user_key_file": str(user.key_file)}
    with caplog.at_level(logging.WARNING):
        async with running(connect(machine, gateway, server=None, word="", **files), Sink()):
            await wait_for(lambda: "trying again" in caplog.text, seconds=60)
    assert "BadUserAccessDenied" in caplog.text
    assert "The user's certificate" in caplog.text, "it ends within thirty days"


NO_KEY = "-----BEGIN {0}-----\nAAAA\n-----END {0}-----\n".format("PRIVATE KEY")


@pytest.mark.parametrize("content", ["no key at all", NO_KEY])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "user.key"
    file.write_text(content)
    with pytest.raises(InvalidSettings, match=r"user\.key holds no private key"):
        private_key(file)


async def test_another_server_s_certificate_is_refused(
    machine: GuardedMachine, gateway: Certificate, tmp_path: Path
) -> None:
    impostor = certified(tmp_path, "impostor", uri="urn:freeopcua:python:server")
    with pytest.raises(InvalidSettings, match="another certificate"):
        await connect(machine, gateway, server=impostor).run(Sink())


async def test_a_server_that_offers_no_unprotected_endpoint_is_not_talked_to_without_protection(
    machine: GuardedMachine, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(id=1, slug="robot", wire=Wire.OPCUA, url=machine.url, options={"security": "none"})
    connector = build(source, client_name="gateway-1", environment={})
    connector.watch([machine.address("current")])
    assert "trying again" in await refused(connector, caplog)
