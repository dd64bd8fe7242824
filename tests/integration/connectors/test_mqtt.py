"""The MQTT connector against real brokers: what comes, what comes again, what is told when something is wrong."""

import asyncio
import json
import logging
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import connectors.mqtt.connector
from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector
from fieldlab.readings.origin import Clock
from fieldlab.readings.reject import Reason
from tests.contract.connectors.certificates import certificate
from tests.contract.connectors.plant import time_of
from tests.contract.connectors.relay import relay
from tests.contract.connectors.sink import Sink, running, wait_for
from tests.contract.connectors.test_mqtt import publish
from tests.servers.broker import Broker, BrokerName

ROOT = Path(__file__).parents[3]


class Lab:
    """A corner of a shared broker: topics and client ids of the test's own."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.name = uuid4().hex[:8]
        self.topic = f"{self.name}/mill"

    def connect(
        self,
        *,
        url: str = "",
        word: str = "",
        gateway: str = "gateway",
        directory: Path | None = None,
        **options: object,
    ) -> Connector:
        every = {"topics": [f"{self.name}/#"]} | options
        source = Source(
            id=1,
            slug=self.name,
            wire=Wire.MQTT,
            url=url or f"mqtt://{self.broker.host}:{self.broker.port}",
            options=every,
        )
        return build(source, client_name=gateway, environment={"WORD": word}, directory=directory)

    async def send(self, *payloads: object, retain: bool = False, qos: int = 1) -> None:
        raw = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in payloads]
        await asyncio.to_thread(publish, self.broker, self.topic, raw, retain=retain, qos=qos)


@pytest.fixture
def lab(broker: Broker) -> Lab:
    return Lab(broker)


async def test_bad_messages_are_refused_with_their_bytes_and_stop_nothing(lab: Lab) -> None:
    sink, connector = Sink(), lab.connect()
    bad = [b"spindle 3.1 A", b'{"a": NaN}', b"3.1", b'{"time": "2026-11-21T08:00:00", "a": 1}', b'{"a": 1, "a": 2}']
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        for place, payload in enumerate(bad):
            await lab.send(payload, {"time": str(time_of(place)), "n": place})
        await sink.until(lambda: len(sink.values()) == len(bad))
    assert sink.values() == [0, 1, 2, 3, 4]
    assert [reject.raw for reject in sink.rejects] == bad
    assert [reject.reason for reject in sink.rejects] == [
        Reason.MALFORMED, Reason.MALFORMED, Reason.WRONG_TYPE, Reason.INVALID_TIME, Reason.MALFORMED
    ]  # fmt: skip
    assert {reject.address for reject in sink.rejects} == {lab.topic}
    again = Sink()
    async with running(lab.connect(), again):
        await lab.send({"n": 9})
        await again.until(lambda: bool(again.values()))
    assert (again.values(), again.rejects) == ([9], []), "rejects are acknowledged too"


async def test_no_more_than_the_receive_maximum_is_in_flight(lab: Lab) -> None:
    limit = 7 if lab.broker.honours_receive_maximum else 100
    sink, connector = Sink(safe=False), lab.connect(receive_maximum=7)
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        await lab.send(*({"n": n} for n in range(300)))
        await sink.until(lambda: len(sink.values()) >= 7)
        await asyncio.sleep(0.5)
        assert len(sink.values()) <= limit
        sink.safe = True
        sink.make_safe()
        await sink.until(lambda: len(sink.values()) == 300)
    assert sink.values() == list(range(300))


async def test_a_message_that_comes_again_because_the_cable_was_cut_is_taken_once(lab: Lab) -> None:
    sink = Sink(safe=False)
    async with relay(lab.broker.host, lab.broker.port) as cable:
        connector = lab.connect(url=f"mqtt://127.0.0.1:{cable.port}")
        async with running(connector, sink):
            await wait_for(lambda: connector.connected)
            await lab.send(*({"n": n} for n in range(5)))
            await sink.until(lambda: len(sink.values()) == 5)
            cable.cut()
            await wait_for(lambda: not connector.connected)
            sink.deliveries[0].safe()
            await wait_for(lambda: connector.connected)
            for delivery in sink.deliveries[1:]:
                delivery.safe()
            sink.safe = True
            await lab.send({"n": 5})
            await sink.until(lambda: 5 in sink.values())
            await asyncio.sleep(0.3)
    if lab.broker.name is BrokerName.MOSQUITTO:
        assert sink.values() == list(range(6))
    else:
        assert sink.values() == [*range(5), *range(5), 5], "it does not mark what it sends again, so all of it is taken"
    assert len(set(sink.times)) == len(sink.times), "each message has a receipt time of its own"
    assert {origin for delivery in sink.deliveries for origin in delivery.samples.origins} == {Clock.RECEIPT}
    again = Sink()
    async with running(lab.connect(), again):
        await lab.send({"n": 9})
        await again.until(lambda: 9 in again.values())
    assert again.values() == [9], "all was acknowledged over the new connection"


GATEWAY = """
import asyncio, sys
from connectors.registry import build
from fieldlab.assets.source import Source, Wire

async def deliver(delivery):
    print(len(delivery.samples), flush=True)

source = Source(id=1, slug=sys.argv[2], wire=Wire.MQTT, url=sys.argv[1], options={"topics": [sys.argv[2] + "/#"]})
connector = build(source, client_name="gateway", environment={})

async def main():
    running = asyncio.create_task(connector.run(deliver))
    while not connector.connected:
        await asyncio.sleep(0.01)
    print("connected", flush=True)
    await running

asyncio.run(main())
"""


async def test_what_a_killed_gateway_had_not_made_safe_comes_to_the_next_in_order(lab: Lab) -> None:
    url = f"mqtt://{lab.broker.host}:{lab.broker.port}"
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", GATEWAY, url, lab.name, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert gateway.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await gateway.stdout.readline() == b"connected\n"
            await lab.send(*({"n": n} for n in range(10)))
            seen = 0
            while seen < 10:
                seen += int(await gateway.stdout.readline())
    finally:
        gateway.kill()
        await gateway.wait()
    sink = Sink()
    async with running(lab.connect(), sink):
        await sink.until(lambda: len(sink.values()) >= 10)
    assert sink.values() == list(range(10))


async def test_a_retained_message_is_taken_with_its_time_and_refused_without(lab: Lab) -> None:
    await lab.send({"time": str(time_of(1)), "n": 1}, retain=True)
    sink = Sink()
    async with running(lab.connect(), sink):
        await sink.until(lambda: sink.values() == [1])
    lab.topic += "/old"
    await lab.send({"n": 2}, retain=True)
    late = Sink()
    async with running(lab.connect(client_id=f"{lab.name}-2"), late):
        await late.until(lambda: len(late.rejects) == 1 and late.values() == [1])
        await lab.send({"n": 3}, retain=True)
        await late.until(lambda: late.values() == [1, 3])
    (reject,) = late.rejects
    assert (reject.reason, reject.address) == (Reason.INVALID_TIME, lab.topic)


async def test_messages_of_quality_0_are_taken_too(lab: Lab) -> None:
    sink, connector = Sink(), lab.connect()
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        await lab.send({"n": 1}, qos=0)
        await sink.until(lambda: sink.values() == [1])
        await lab.send({"n": 2}, qos=2)
        await sink.until(lambda: sink.values() == [1, 2])


async def test_a_gateway_whose_client_id_is_taken_over_says_what_to_do(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = lab.connect(client_id=lab.name), lab.connect(client_id=lab.name)
    with caplog.at_level(logging.WARNING):
        async with running(first, Sink()):
            await wait_for(lambda: first.connected)
            async with running(second, Sink()):
                await wait_for(lambda: bool(caplog.records))
    said = caplog.records[0].getMessage()
    assert lab.name in said
    if lab.broker.name is BrokerName.MOSQUITTO:
        assert "give each gateway a name of its own" in said


async def test_a_topic_that_is_left_out_arrives_no_more_and_one_that_two_covered_arrives_once(
    lab: Lab, tmp_path: Path
) -> None:
    first, sink = lab.connect(topics=[f"{lab.name}/#", "elsewhere"], directory=tmp_path), Sink()
    async with running(first, sink):
        await wait_for(lambda: first.connected)
        await lab.send({"n": 0})
        await sink.until(lambda: sink.values() == [0])
    narrower, later = lab.connect(topics=[lab.topic], directory=tmp_path), Sink()
    async with running(narrower, later):
        await wait_for(lambda: narrower.connected)
        await asyncio.to_thread(publish, lab.broker, f"{lab.name}/other", [b'{"n": 1}'])
        await lab.send({"n": 2}, {"n": 3})
        await later.until(lambda: 3 in later.values())
    if lab.broker.gives_topics_up:
        assert later.values() == [2, 3]


async def test_a_directory_that_cannot_be_written_keeps_nothing_from_arriving(
    lab: Lab, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "subscriptions").write_text("in the way")
    sink, connector = Sink(), lab.connect(directory=tmp_path)
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        await lab.send({"n": 1})
        await sink.until(lambda: sink.values() == [1])
    assert "will go on arriving" in caplog.text


async def test_two_gateways_share_a_subscription(lab: Lab) -> None:
    if not lab.broker.shares_subscriptions:
        return
    sinks = [Sink(), Sink()]
    topics = [f"$share/gateways/{lab.name}/#"]
    gateways = [lab.connect(topics=topics, gateway=f"gateway-{place}") for place in (1, 2)]
    async with running(gateways[0], sinks[0]), running(gateways[1], sinks[1]):
        await wait_for(lambda: all(one.connected for one in gateways))
        await lab.send(*({"n": n} for n in range(40)))
        await wait_for(lambda: sum(len(sink.values()) for sink in sinks) == 40)
    assert all(sink.values() for sink in sinks)
    assert sorted(value or 0 for sink in sinks for value in sink.values()) == list(range(40))


async def test_a_broker_without_mqtt_5_is_told_from_one_that_is_away(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    if lab.broker.port == lab.broker.port_311:
        return
    with caplog.at_level(logging.WARNING):
        async with running(lab.connect(url=f"mqtt://{lab.broker.host}:{lab.broker.port_311}"), Sink()):
            await wait_for(lambda: bool(caplog.records))
    assert "set options.protocol to 3.1.1" in caplog.records[0].getMessage()


async def test_encryption_uses_the_authority_and_the_certificate_that_are_configured(
    lab: Lab, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority, stranger = certificate(tmp_path, "authority"), certificate(tmp_path, "stranger")
    server = certificate(tmp_path, "server", signed_by=authority)
    gateway = certificate(tmp_path, "gateway", signed_by=authority)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.file)
    tls.load_cert_chain(server.file, server.key_file)
    tls.verify_mode = ssl.CERT_REQUIRED
    own: dict[str, Any] = {"cert_file": str(gateway.file), "key_file": str(gateway.key_file)}
    async with relay(lab.broker.host, lab.broker.port, tls=tls) as cable:
        url, sink = f"mqtts://127.0.0.1:{cable.port}", Sink()
        connector = lab.connect(url=url, ca_file=str(authority.file), **own)
        async with running(connector, sink):
            await wait_for(lambda: connector.connected)
            await lab.send({"n": 1})
            await sink.until(lambda: sink.values() == [1])
        with caplog.at_level(logging.WARNING):
            async with running(lab.connect(url=url, ca_file=str(stranger.file), **own), Sink()):
                await wait_for(lambda: bool(caplog.records))
            assert "certificate verify failed" in caplog.records[0].getMessage()
            caplog.clear()
            async with running(lab.connect(url=url, ca_file=str(authority.file)), Sink()):
                await wait_for(lambda: bool(caplog.records))


@asynccontextmanager
async def scripted(*answers: bytes) -> AsyncIterator[int]:
    """Run a broker that gives these answers, one to each packet that comes, over all connections."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            if left:
                writer.write(left.pop(0))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


CONNACK = bytes([0x20, 3, 0, 0, 0])
NOT_AUTHORIZED = bytes([0x20, 3, 0, 0x87, 0])


def suback(packet: int, reason: int) -> bytes:
    return bytes([0x90, 4, 0, packet, 0, reason])


async def test_a_refusal_of_the_broker_is_told_in_its_own_words(caplog: pytest.LogCaptureFixture) -> None:
    source = Source(id=1, slug="mill", wire=Wire.MQTT, url="mqtt://127.0.0.1", options={})
    with caplog.at_level(logging.WARNING):
        async with scripted(NOT_AUTHORIZED) as port:
            options = {"topics": ["lab/#"], "user": "u", "password_env": "WORD"}
            source = Source(id=1, slug="mill", wire=Wire.MQTT, url=f"mqtt://127.0.0.1:{port}", options=options)
            connector = build(source, client_name="gateway", environment={"WORD": "open sesame"})
            async with running(connector, Sink()):
                await wait_for(lambda: bool(caplog.records))
    assert "Not authorized" in caplog.records[0].getMessage()
    assert "open sesame" not in caplog.text


async def test_a_subscription_that_is_refused_is_told_and_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connectors.mqtt.connector, "_ASK_AGAIN", 0.1)
    with caplog.at_level(logging.WARNING):
        async with scripted(CONNACK, suback(1, 0x87), suback(2, 0x87), suback(3, 0x01)) as port:
            options = {"topics": ["lab/#"]}
            source = Source(id=1, slug="mill", wire=Wire.MQTT, url=f"mqtt://127.0.0.1:{port}", options=options)
            connector = build(source, client_name="gateway", environment={})
            async with running(connector, Sink()):
                await wait_for(lambda: bool(caplog.records))
                assert not connector.connected
                await wait_for(lambda: connector.connected)
    (told,) = [record.getMessage() for record in caplog.records]
    assert "refuses lab/#: Not authorized" in told


async def test_a_broker_that_falls_silent_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with scripted(CONNACK, suback(1, 0x01)) as port:
            options = {"topics": ["lab/#"], "keep_alive": 5}
            source = Source(id=1, slug="mill", wire=Wire.MQTT, url=f"mqtt://127.0.0.1:{port}", options=options)
            connector = build(source, client_name="gateway", environment={})
            async with running(connector, Sink()):
                await wait_for(lambda: connector.connected)
                await wait_for(lambda: not connector.connected)
    assert "was silent for" in caplog.records[0].getMessage()


async def test_a_malformed_packet_ends_the_connection_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with scripted(CONNACK, b"\x30\x02\x00\x00", CONNACK, suback(1, 0x01)) as port:
            options = {"topics": ["lab/#"]}
            source = Source(id=1, slug="mill", wire=Wire.MQTT, url=f"mqtt://127.0.0.1:{port}", options=options)
            connector = build(source, client_name="gateway", environment={})
            async with running(connector, Sink()) as task:
                await wait_for(lambda: bool(caplog.records))
                await wait_for(lambda: connector.connected)
                assert not task.done()
    assert "malformed packet: PUBLISH has no topic" in caplog.records[0].getMessage()
