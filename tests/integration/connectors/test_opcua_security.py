"""OPC UA with certificates and passwords: what is configured is what is used, and never anything weaker."""

import logging
from collections.abc import AsyncIterator
from functools import partial
from itertools import product
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.user_managers import UserManager

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
    """Lets nobody in but fieldlab with its password."""

    def get_user(
        self,
        iserver: InternalServer,  # noqa: ARG002
        username: str | None = None,
        password: str | None = None,
        certificate: object = None,  # noqa: ARG002
    ) -> User | None:
        return User(role=UserRole.User) if (username, password) == ("fieldlab", "open sesame") else None


class GuardedMachine(Machine):
    """A server with a certificate, whose endpoints all ask for more than nothing."""

    identity: Certificate

    async def prepare(self) -> None:
        self.server.set_security_policy(
            [getattr(ua.SecurityPolicyType, f"{policy}_{mode}") for policy in POLICIES for mode in MODES.values()]
        )
        self.server.iserver.user_manager = OnlyFieldlab()
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
    every = {"security": "Basic256Sha256", "user": "fieldlab", "password_env": "WORD"} | files | options
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
