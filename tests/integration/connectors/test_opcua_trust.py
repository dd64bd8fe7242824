"""Whom the OPC UA connector talks to: it makes its own certificate, pins the server's, and stops when that changes."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asyncua import ua
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from cli.main import app
from connectors.opcua.credentials import Credentials, fingerprint, read
from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.errors import InvalidSettings
from fieldlab.ports import Connector
from tests.contract.connectors.certificates import certificate as certified
from tests.contract.connectors.sink import Sink, running
from tests.integration.connectors.test_opcua_security import GuardedMachine


def connect(machine: GuardedMachine, directory: Path) -> Connector:
    options = {"security": "Aes256Sha256RsaPss", "user": "fieldlab", "password_env": "WORD"}
    source = Source(id=1, slug="robot", wire=Wire.OPCUA, url=machine.url, options=options)
    connector = build(source, client_name="gateway-1", environment={"WORD": "open sesame"}, directory=directory)
    connector.watch([machine.address("current")])
    return connector


async def has_values(machine: GuardedMachine, directory: Path) -> None:
    sink = Sink()
    async with running(connect(machine, directory), sink):
        await sink.until(lambda: sink.values() == [1.0])


async def test_it_makes_its_certificate_pins_the_server_s_and_stops_when_that_changes(tmp_path: Path) -> None:
    machine = GuardedMachine({"current": ua.Variant(1.0)})
    machine.identity = certified(tmp_path, "server", uri="urn:freeopcua:python:server")
    await machine.start()
    kept = Credentials.kept(tmp_path / "gateway", "robot")
    for _ in range(2):  # the second time with what the first one kept
        await has_values(machine, tmp_path / "gateway")
    assert kept.key.stat().st_mode & 0o077 == 0
    assert read(kept.server) == machine.identity.certificate
    known = fingerprint(machine.identity.certificate)
    await machine.stop()

    machine.identity = certified(tmp_path, "other", uri="urn:freeopcua:python:server")
    await machine.start()
    with pytest.raises(InvalidSettings) as stop:
        await connect(machine, tmp_path / "gateway").run(Sink())
    assert known in str(stop.value)
    assert fingerprint(machine.identity.certificate) in str(stop.value)
    assert "start the gateway again" in str(stop.value)

    kept.server.unlink()
    await has_values(machine, tmp_path / "gateway")
    await machine.stop()


async def test_a_certificate_that_ends_within_thirty_days_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine = GuardedMachine({"current": ua.Variant(1.0)})
    machine.identity = certified(tmp_path, "server", uri="urn:freeopcua:python:server", valid=timedelta(days=29))
    await machine.start()
    Credentials.kept(tmp_path, "robot").pin(read(machine.identity.file).public_bytes(Encoding.DER))
    sink = Sink()
    with caplog.at_level(logging.WARNING):
        async with running(connect(machine, tmp_path), sink):
            await sink.until(lambda: sink.values() == [1.0])
    (said,) = [record.getMessage() for record in caplog.records]
    assert "Source robot: The server's certificate" in said
    assert "ends at" in said
    await machine.stop()


def test_our_certificate_is_warned_about_thirty_days_ahead_and_not_before(tmp_path: Path) -> None:
    kept, now = Credentials.kept(tmp_path, "robot"), datetime.now(UTC)
    kept.make("urn:fieldlab:gateway", now=now)
    end = read(kept.certificate).not_valid_after_utc
    assert kept.ending(end - timedelta(days=31)) == []
    (said,) = kept.ending(end - timedelta(days=29))
    assert "ends at" in said
    (said,) = kept.ending(end + timedelta(days=1))
    assert "ended at" in said


def test_the_command_prints_the_certificate_for_the_server_s_trust_list(tmp_path: Path) -> None:
    runner = CliRunner()
    printed = [runner.invoke(app, ["source", "certificate", "robot", "--directory", str(tmp_path)]) for _ in range(2)]
    assert printed[0].exit_code == 0
    assert printed[0].stdout == printed[1].stdout, "it is made once"
    kept = read(Credentials.kept(tmp_path, "robot").certificate)
    assert x509.load_pem_x509_certificate(printed[0].stdout.encode()) == kept
    assert fingerprint(kept) in printed[0].stderr
    uris = kept.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert uris.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:fieldlab:gateway"]
