"""Several brokers at once, several sources at one broker, and a broker that lets in certificates alone."""

import asyncio
import json
import logging
import shutil
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector
from tests.contract.connectors.certificates import Certificate, certificate
from tests.contract.connectors.sink import Sink, running, wait_for
from tests.contract.connectors.test_mqtt import publish
from tests.servers.broker import Broker
from tests.servers.guarded_mosquitto import GuardedBroker, guarded_mosquitto
from tests.servers.scratch import scratch
from tests.servers.unavailable import Unavailable


def connect(slug: str, url: str, **options: object) -> Connector:
    source = Source(id=1, slug=slug, wire=Wire.MQTT, url=url, options=options)
    return build(source, client_name="gateway", environment={})


async def send(broker: Broker, topic: str, number: int) -> None:
    await asyncio.to_thread(publish, broker, topic, [json.dumps({"n": number})])


async def test_two_brokers_at_once_give_each_its_own_and_one_that_is_away_stops_not_the_other(
    broker: Broker, private_broker: Broker
) -> None:
    topic, sinks = f"{uuid4().hex[:8]}/t", [Sink(), Sink()]
    brokers = [broker, private_broker]
    one, other = (
        connect(f"floor-{at}-{topic[:8]}", f"mqtt://{each.host}:{each.port}", topics=[topic])
        for at, each in enumerate(brokers)
    )
    async with running(one, sinks[0]), running(other, sinks[1]):
        await wait_for(lambda: one.connected and other.connected)
        await send(broker, topic, 1)
        await send(private_broker, topic, 2)
        await sinks[0].until(lambda: sinks[0].values() == [1])
        await sinks[1].until(lambda: sinks[1].values() == [2])
        await asyncio.to_thread(private_broker.stop)
        await wait_for(lambda: not other.connected)
        await send(broker, topic, 3)
        await sinks[0].until(lambda: sinks[0].values() == [1, 3])
        assert one.connected
        await asyncio.to_thread(private_broker.start)
        await wait_for(lambda: other.connected)
        await send(private_broker, topic, 4)
        await sinks[1].until(lambda: sinks[1].values() == [2, 4])
    assert sinks[0].values() == [1, 3]


async def test_two_sources_with_prefixes_of_their_own_at_one_broker_never_mix(broker: Broker) -> None:
    lab, url = uuid4().hex[:8], f"mqtt://{broker.host}:{broker.port}"
    sinks = {name: Sink() for name in ("a", "ab")}
    both = {name: connect(f"{name}-{lab}", url, topics=[f"{lab}/{name}/#"]) for name in sinks}
    async with running(both["a"], sinks["a"]), running(both["ab"], sinks["ab"]):
        await wait_for(lambda: all(one.connected for one in both.values()))
        for number in range(10):
            for name in sinks:
                await send(broker, f"{lab}/{name}/t", number)
        await wait_for(lambda: all(len(sink.values()) == 10 for sink in sinks.values()))
    for name, sink in sinks.items():
        assert sink.values(f"{lab}/{name}/t#n") == sink.values() == list(range(10))


TLS = """
cafile {home}/ca.pem
certfile {home}/server.pem
keyfile {home}/server.key.pem
require_certificate true
use_identity_as_username true
"""
RIGHTS = "user gateway\ntopic read lab/#\nuser mill\ntopic write lab/#\n"


class Guarded:
    """A mosquitto that knows its clients by the names in their certificates."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.authority, self.stranger = certificate(place, "ca"), certificate(place, "stranger")
        for name in ("server", "gateway", "mill"):
            certificate(place, name, signed_by=self.authority)
        self.broker: GuardedBroker | None = None

    def write(self, home: Path) -> None:
        """Write mosquitto's files."""
        for name in ("ca.pem", "server.pem", "server.key.pem"):
            shutil.copy(self.place / name, home / name)
        (home / "listener.conf").write_text(TLS)
        (home / "rights").write_text(RIGHTS)
        (home / "passwords").write_text("")

    def connect(self, name: str, *, authority: Certificate | None = None) -> Connector:
        assert self.broker is not None
        return connect(
            "guarded", f"mqtts://127.0.0.1:{self.broker.port}", topics=["lab/#"],
            ca_file=str((authority or self.authority).file),
            cert_file=str(self.place / f"{name}.pem"), key_file=str(self.place / f"{name}.key.pem"),
        )  # fmt: skip

    def publish(self, payload: bytes) -> None:
        """Publish as the mill."""
        assert self.broker is not None
        tls = ssl.create_default_context(cafile=self.authority.file)
        tls.load_cert_chain(self.place / "mill.pem", self.place / "mill.key.pem")
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.tls_set_context(tls)
        client.connect("127.0.0.1", self.broker.port)
        client.loop_start()
        client.publish("lab/mill/t", payload, qos=1).wait_for_publish(60)
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    with ExitStack() as stack:
        found = Guarded(stack.enter_context(scratch()))
        try:
            found.broker = stack.enter_context(guarded_mosquitto(found.write))
        except Unavailable as reason:
            pytest.skip(str(reason))
        yield found


async def test_a_broker_knows_the_gateway_by_a_certificate_of_the_lab_s_own_authority(
    guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    connector, sink = guarded.connect("gateway"), Sink()
    async with running(connector, sink):
        await wait_for(lambda: connector.connected)
        await asyncio.to_thread(guarded.publish, b'{"n": 1}')
        await sink.until(lambda: sink.values() == [1])
    with caplog.at_level(logging.WARNING):
        async with running(guarded.connect("stranger"), Sink()):
            await wait_for(lambda: bool(caplog.records))
        caplog.clear()
        async with running(guarded.connect("gateway", authority=guarded.stranger), Sink()):
            await wait_for(lambda: bool(caplog.records))
        assert "certificate verify failed" in caplog.records[0].getMessage()
