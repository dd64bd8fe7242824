"""A device at a real broker speaks for its own asset alone, with the files that the catalogue gives.

What mosquitto's files cannot forbid is tried too, so that the documentation says no more than what holds.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from typer.testing import CliRunner

from cli.main import app
from tests.servers import trixie
from tests.servers.child import wait_for
from tests.servers.database import Database
from tests.servers.engine import EngineName
from tests.servers.guarded_mosquitto import GuardedBroker, guarded_mosquitto
from tests.servers.scratch import scratch
from tests.servers.unavailable import Unavailable

pytestmark = pytest.mark.parametrize("engine_server", [EngineName.PLAIN], indirect=True)

PASSWORD = "of the gateway"
LAB = """\
participants: {lab: {name: The lab, role: operator}}
sources:
  floor:
    wire: mqtt
    url: mqtt://127.0.0.1
    options: {topics: [lab/#], user: gateway, password_env: FLOOR_PASSWORD}
assets:
  mill-1:
    name: Mill
    home_owner: lab
    source: floor
    address: lab/{asset}/telemetry#{stream}
    topics: [lab/mill-1/events/#]
    streams: {power: {unit: W}, state: {kind: text}}
  mill-2:
    name: Mill
    home_owner: lab
    source: floor
    address: lab/{asset}/telemetry#{stream}
    streams: {power: {unit: W}, state: {kind: text}}
"""
OWN, OTHERS = "lab/mill-1/telemetry", "lab/mill-2/telemetry"
REFUSED = "Not authorized"


class Guest:
    """A client that tells how it was received, what came for it, and why it was sent away."""

    def __init__(self, port: int, user: str, password: str, *, client_id: str = "", will: str | None = None) -> None:
        self.reason: ReasonCode | None = None
        self.received: list[MQTTMessage] = []
        self.left = threading.Event()
        answered = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.username_pw_set(user, password)
        if will is not None:
            self.client.will_set(will, b"last words", qos=1, retain=True)

        def connected(_client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, *_: object) -> None:
            self.reason = reason
            answered.set()

        self.client.on_connect = connected
        self.client.on_message = lambda _client, _data, message: self.received.append(message)
        self.client.on_disconnect = lambda *_: self.left.set()
        kept = Properties(PacketTypes.CONNECT)
        kept.SessionExpiryInterval = 60
        self.client.connect("127.0.0.1", port, clean_start=False, properties=kept)
        self.client.loop_start()
        assert answered.wait(60)

    def subscribe(self, topic: str) -> None:
        done = threading.Event()
        self.client.on_subscribe = lambda *_: done.set()
        self.client.subscribe(topic, qos=1)
        assert done.wait(60)

    def publish(self, topic: str, payload: bytes = b"1", *, retain: bool = False) -> str:
        done, codes = threading.Event(), list[ReasonCode]()

        def answered(_client: Client, _data: object, _id: int, given: ReasonCode, *_: object) -> None:
            codes.append(given)
            done.set()

        self.client.on_publish = answered
        self.client.publish(topic, payload, qos=1, retain=retain)
        assert done.wait(60)
        return str(codes[0])

    def vanish(self) -> None:
        """Cut the connection, so that the broker speaks the last will."""
        connection = self.client.socket()
        assert connection is not None
        self.client.loop_stop()
        connection.close()

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Floor:
    """A broker with the files of a catalogue, and the guests of a test."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.directory = directory
        self.environment = {"FIELDLAB_ADMIN_DATABASE_URL": database.admin, "FLOOR_PASSWORD": PASSWORD}
        self._guests: list[Guest] = []
        self.password = ""
        self.broker: GuardedBroker | None = None

    def run(self, *words: str) -> str:
        done = CliRunner().invoke(app, list(words), env=self.environment)
        assert done.exit_code == 0, done.exception
        return done.stdout

    def add(self, asset: str, *words: str) -> str:
        """Give a device a credential, and give its password."""
        return self.run("device", "add", asset, *words).split()[3]

    def write(self, directory: Path) -> None:
        self.run("device", "files", "--source", "floor", "--directory", str(directory))

    def execute(self, statement: LiteralString) -> None:
        with psycopg.connect(self.environment["FIELDLAB_ADMIN_DATABASE_URL"]) as connection:
            connection.execute(statement)

    def guest(self, user: str, password: str, *, client_id: str = "", will: str | None = None) -> Guest:
        assert self.broker is not None
        guest = Guest(self.broker.port, user, password, client_id=client_id, will=will)
        self._guests.append(guest)
        return guest

    def gateway(self, *topics: str) -> Guest:
        guest = self.guest("gateway", PASSWORD)
        for topic in topics:
            guest.subscribe(topic)
        return guest

    def close(self) -> None:
        for guest in self._guests:
            guest.leave()


@pytest.fixture
def floor(database: Database, tmp_path: Path) -> Iterator[Floor]:
    floor = Floor(database, tmp_path)
    lab = tmp_path / "lab.yaml"
    lab.write_text(LAB)
    floor.run("apply", str(lab))
    floor.password = floor.add("mill-1")
    try:
        with guarded_mosquitto(floor.write) as broker:
            floor.broker = broker
            yield floor
            floor.close()
    except Unavailable as reason:
        pytest.skip(str(reason))


def heard(guest: Guest, count: int) -> list[str]:
    wait_for(lambda: len(guest.received) >= count, "messages", seconds=60)
    time.sleep(0.2)
    return [message.topic for message in guest.received]


def test_a_device_publishes_on_its_own_topics_and_on_no_other(floor: Floor) -> None:
    gateway, mill = floor.gateway("lab/#"), floor.guest("mill-1", floor.password)
    assert mill.publish(OWN) == "Success"
    assert mill.publish("lab/mill-1/events/door") == "Success"
    for topic in (OTHERS, "lab/mill-1", f"{OWN}/deeper", "lab/mill-1/other", "other", "$SYS/broker/x", "$CONTROL/x"):
        assert mill.publish(topic) == REFUSED, topic
    assert mill.publish(f"$share/group/{OWN}") == REFUSED
    assert mill.publish(OTHERS, retain=True) == REFUSED
    assert heard(gateway, 2) == [OWN, "lab/mill-1/events/door"]


@pytest.mark.parametrize("topic", ["lab/+/telemetry", "lab/#", "#"])
def test_a_wildcard_is_nothing_to_publish_on(floor: Floor, topic: str) -> None:
    gateway, mill = floor.gateway("lab/#"), floor.guest("mill-1", floor.password)
    with pytest.raises(ValueError, match="wildcard"):
        mill.client.publish(topic, b"1", qos=1)
    assert mill.publish(OWN) == "Success"
    assert heard(gateway, 1) == [OWN]


@pytest.mark.parametrize("topic", ["lab/#", "#", OTHERS, OWN, "$SYS/#", "$share/group/lab/#", "$share/g/$SYS/#"])
def test_a_device_hears_nothing(floor: Floor, topic: str) -> None:
    second = floor.add("mill-2")
    assert floor.broker is not None
    floor.broker.reload()
    gateway, other = floor.gateway("lab/#"), floor.guest("mill-2", second)
    assert other.publish(OTHERS, b"kept", retain=True) == "Success"
    mill = floor.guest("mill-1", floor.password)
    mill.subscribe(topic)
    assert other.publish(OTHERS) == "Success"
    assert mill.publish(OWN) == "Success"
    assert heard(gateway, 3) == [OTHERS, OTHERS, OWN]
    assert mill.received == []


def test_mosquitto_pub_gets_no_further(floor: Floor) -> None:
    assert floor.broker is not None
    root = trixie.obtain()
    known = ["-h", "127.0.0.1", "-p", str(floor.broker.port), "-V", "mqttv5", "-q", "1", "-m", "1"]
    gateway = floor.gateway("lab/#", "$share/group/lab/#")
    with scratch() as place:
        for topic in (OTHERS, "$SYS/broker/x", f"$share/group/{OTHERS}", "other", OWN):
            credential = ["-u", "mill-1", "-P", floor.password]
            root.run(["/usr/bin/mosquitto_pub", *known, *credential, "-t", topic], user="mosquitto", scratch=place)
        with pytest.raises(RuntimeError, match=r"[Nn]ot authori[sz]ed"):
            root.run(["/usr/bin/mosquitto_pub", *known, "-t", OWN], user="mosquitto", scratch=place)
    assert heard(gateway, 2) == [OWN, OWN], "once of its own subscription, once of the shared one"


def test_a_last_will_does_not_speak_for_another(floor: Floor) -> None:
    gateway = floor.gateway("lab/#")
    floor.guest("mill-1", floor.password, will=OTHERS).vanish()
    time.sleep(0.5)
    floor.guest("mill-1", floor.password, will=OWN).vanish()
    assert heard(gateway, 1) == [OWN]
    assert heard(floor.guest("gateway", PASSWORD), 0) == []


def test_nobody_takes_over_the_gateways_session_by_its_client_id(floor: Floor) -> None:
    gateway = floor.gateway("lab/#")
    for client_id in ("gateway", "fieldlab-g-floor"):
        thief = floor.guest("mill-1", floor.password, client_id=client_id)
        assert thief.publish(OWN) == "Success"
        assert thief.received == []
    assert heard(gateway, 2) == [OWN, OWN]
    assert not gateway.left.is_set()


def test_the_gateway_publishes_nothing(floor: Floor) -> None:
    assert floor.gateway().publish(OWN) == REFUSED


@pytest.mark.parametrize("user", ["lab", "gateway", "mill-1", ""])
def test_a_participants_key_opens_no_broker(floor: Floor, user: str) -> None:
    token = floor.run("key", "create", "--participant", "lab").splitlines()[0]
    assert floor.broker is not None
    floor.broker.reload()
    guest = floor.guest(user, token)
    assert guest.reason is not None
    assert guest.reason.is_failure


def refused(floor: Floor, user: str, password: str) -> bool:
    guest = floor.guest(user, password)
    return guest.reason is not None and guest.reason.is_failure


def test_a_reload_lets_a_new_device_in_and_a_revoked_one_out(floor: Floor) -> None:
    gateway, mill = floor.gateway("lab/#"), floor.guest("mill-1", floor.password)
    password = floor.add("mill-2", "--user", "plc.7")
    assert refused(floor, "plc.7", password)
    floor.run("device", "revoke", "mill-1")
    assert floor.broker is not None
    floor.broker.reload()
    assert floor.guest("plc.7", password).publish(OTHERS) == "Success"
    assert refused(floor, "mill-1", floor.password)
    assert mill.left.wait(60), "a revoked device is sent away at once"
    assert not gateway.left.is_set()
    again = floor.add("mill-1")
    floor.broker.reload()
    assert not refused(floor, "mill-1", again)


def test_a_shared_subscription_can_be_joined_by_whoever_knows_its_name(floor: Floor) -> None:
    """Not a promise but a limit of mosquitto's files; `device files` says so where a source shares a subscription."""
    gateway, mill = floor.gateway("$share/known/lab/#"), floor.guest("mill-1", floor.password)
    mill.subscribe("$share/known/lab/#")
    for _ in range(10):
        mill.publish(OWN)
    time.sleep(0.5)
    assert mill.received == []
    assert 0 < len(gateway.received) < 10


def test_files_that_say_the_same_are_left_alone(floor: Floor) -> None:
    place = floor.directory / "files"
    assert "3 devices" not in floor.run("device", "files", "--directory", str(place))
    before = {path.name: (path.stat().st_mtime_ns, path.stat().st_mode & 0o777) for path in place.iterdir()}
    assert {mode for _, mode in before.values()} == {0o640}
    assert before.keys() == {"passwords", "rights", "listener.conf"}
    assert floor.run("device", "files", "--directory", str(place)) == "Up to date.\n"
    assert {path.name: (path.stat().st_mtime_ns, path.stat().st_mode & 0o777) for path in place.iterdir()} == before
    assert PASSWORD not in (place / "passwords").read_text()
    assert floor.password not in (place / "passwords").read_text()
    listed = floor.run("device", "list")
    assert "mill-1" in listed
    assert floor.password not in listed


def test_two_sources_at_one_broker_have_one_set_of_files_and_each_a_user_of_its_own(floor: Floor) -> None:
    words = ("source", "add", "mqtt://127.0.0.1:1883", "--name", "second", "--topic", "lab/mill-2/#")
    floor.run(*words, "--option", "user=gateway", "--option", "password_env=FLOOR_PASSWORD")
    assert "the user gateway at one broker" in failing(
        floor, "device", "files", "--source", "floor", "--directory", "x", known=True
    )
    floor.run(*words, "--option", "user=other", "--option", "password_env=FLOOR_PASSWORD")
    assert floor.broker is not None
    floor.broker.reload()
    first, second = floor.gateway("lab/#"), floor.guest("other", PASSWORD)
    second.subscribe("lab/#")
    mill = floor.guest("mill-1", floor.password)
    assert mill.publish(OWN) == "Success"
    assert heard(first, 1) == [OWN]
    assert second.received == [], "each hears what its own source subscribes to"


def test_a_sparkplug_edge_speaks_as_its_own_node_and_is_commanded_by_the_host(floor: Floor) -> None:
    floor.run(
        *("source", "add", "mqtt://127.0.0.1", "--name", "cells", "--topic", "spBv1.0/hall/#"),
        *("--option", "payload={format: sparkplug, host_id: lab-host}"),
        *("--option", "user=host", "--option", "password_env=FLOOR_PASSWORD"),
    )
    floor.execute(
        "INSERT INTO fieldlab.binding (source_id, address, stream_id) SELECT q.id, 'spBv1.0/hall/cell/mill#p', s.id"
        " FROM fieldlab.source AS q, fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id"
        " WHERE q.slug = 'cells' AND a.slug = 'mill-2' AND s.name = 'power'"
    )
    password = floor.add("mill-2", "--source", "cells", "--user", "edge")
    assert floor.broker is not None
    floor.broker.reload()
    host, edge = floor.guest("host", PASSWORD), floor.guest("edge", password)
    host.subscribe("spBv1.0/hall/#")
    for topic in ("spBv1.0/hall/NCMD/cell", "spBv1.0/hall/NCMD/other", "spBv1.0/STATE/+"):
        edge.subscribe(topic)
    own = ["spBv1.0/hall/NBIRTH/cell", "spBv1.0/hall/DDATA/cell/mill", "spBv1.0/hall/NDEATH/cell"]
    assert [edge.publish(topic) for topic in own] == ["Success"] * 3
    for topic in ("spBv1.0/hall/NDATA/other", "spBv1.0/hall/NCMD/cell", "spBv1.0/STATE/lab-host", OWN):
        assert edge.publish(topic) == REFUSED, topic
    assert host.publish("spBv1.0/STATE/lab-host") == "Success"
    assert host.publish("spBv1.0/hall/NCMD/cell") == host.publish("spBv1.0/hall/NCMD/other") == "Success"
    assert host.publish("spBv1.0/STATE/another") == host.publish("spBv1.0/hall/NDATA/cell") == REFUSED
    assert heard(edge, 2) == ["spBv1.0/STATE/lab-host", "spBv1.0/hall/NCMD/cell"]
    assert set(heard(host, 3)) >= set(own)


def failing(floor: Floor, *words: str, known: bool = False) -> str:
    """Run what cannot be done, and give what is said; the gateway's password is not `known` unless it is told."""
    environment = floor.environment if known else {**floor.environment, "FLOOR_PASSWORD": ""}
    done = CliRunner().invoke(app, list(words), env=environment)
    assert done.exit_code
    return str(done.exception)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "mill-1"), "mill-1 has a credential at floor; revoke it first"),
        (("add", "mill-9"), "There is no asset 'mill-9'"),
        (("add", "mill-1", "--user", "gateway"), "gateway is the gateway's own user"),
        (("add", "mill-1", "--user", "a\nb"), "is no user name"),
        (("add", "mill-1", "--source", "flor"), "Name the MQTT source with --source; there is: floor"),
        (("revoke", "mill-2"), "mill-2 has no valid credential at floor"),
        (("files", "--directory", "files"), "Source floor: set FLOOR_PASSWORD to the gateway's password"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(
    floor: Floor, words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(floor.directory)
    assert said in failing(floor, "device", *words)
