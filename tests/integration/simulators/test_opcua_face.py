"""What is served over OPC UA arrives at a real client: every change of every signal, with the machine's time."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.node import Node
from asyncua.common.subscription import DataChangeNotif
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from asyncua.crypto.security_policies import SecurityPolicyAes256Sha256RsaPss
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography.x509.oid import ExtendedKeyUsageOID

from simulators.columns import Times
from simulators.errors import EndpointError, InvalidSettingError
from simulators.machine import Machine
from simulators.machines import Mill, Robot
from simulators.opcua import NAMESPACE, Security, serve
from simulators.playback import Progress
from simulators.schedule import microseconds
from simulators.signals import Kind
from simulators.truth import Truth
from simulators.wire import BadWire, WireFault
from tests.contract.connectors.sink import wait_for
from tests.servers.port import free_port

MILL = Mill(asset="mill-1", seed=3)
ROBOT = Robot(asset="robot-1", seed=4)
MACHINES = (MILL, ROBOT)


def source_of(value: ua.DataValue) -> int:
    assert value.SourceTimestamp is not None
    return microseconds(value.SourceTimestamp, "source")


class Served:
    """A running server, and what ends it."""

    def __init__(self) -> None:
        self.endpoint = f"opc.tcp://127.0.0.1:{free_port()}"
        self.stop, self.listening, self.caught_up = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.task: asyncio.Task[Progress]


@asynccontextmanager
async def served(
    machines: Sequence[Machine] = MACHINES,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    rate: float = 1.0,
    patience: float = 60.0,
    wires: Mapping[str, Sequence[BadWire]] | None = None,
    security: Security | None = None,
    truth: Sequence[Truth] | None = None,
) -> AsyncIterator[Served]:
    it = Served()
    it.task = asyncio.create_task(
        serve(
            machines,
            endpoint=it.endpoint,
            stop=it.stop,
            listening=it.listening,
            caught_up=it.caught_up,
            since=since,
            until=until,
            rate=rate,
            patience=patience,
            wires=wires,
            security=security,
            truth=truth,
        )
    )
    async with asyncio.timeout(60):
        await it.listening.wait()
    yield it
    it.stop.set()
    async with asyncio.timeout(60):
        await it.task


class Notes:
    """Keeps (source time in microseconds, value) of every notification, by the node's name."""

    def __init__(self) -> None:
        self.heard: dict[str, list[tuple[int, object]]] = defaultdict(list)
        self.bad: dict[str, list[tuple[int, object, str]]] = defaultdict(list)

    def datachange_notification(self, node: Node, value: object, data: DataChangeNotif) -> None:
        name, told = str(node.nodeid.Identifier), data.monitored_item.Value
        if told.StatusCode is not None and not told.StatusCode.is_good():
            self.bad[name].append((source_of(told), value, told.StatusCode.name))
        else:
            self.heard[name].append((source_of(told), value))


async def nodes_of(client: Client, machines: Sequence[Machine] = MACHINES) -> list[Node]:
    index = await client.get_namespace_index(NAMESPACE)
    return [
        client.get_node(f"ns={index};s={machine.asset}/{signal.name}")
        for machine in machines
        for signal in machine.signals
    ]


def ticks(since: datetime, count: int) -> Times:
    first = -(-microseconds(since, "since") // 1_000_000) * 1_000_000
    return first + np.arange(count, dtype=np.int64) * 1_000_000


def changes(machine: Machine, times: Times) -> dict[str, list[tuple[int, object]]]:
    """Give what a subscriber with the default trigger must hear: the first value, and every one that differs."""
    expected: dict[str, list[tuple[int, object]]] = {}
    for signal in machine.signals:
        column = machine.at(times).values[signal.name].tolist()
        expected[f"{machine.asset}/{signal.name}"] = [
            (at, value)
            for index, (at, value) in enumerate(zip(times.tolist(), column, strict=True))
            if index == 0 or value != column[index - 1]
        ]
    return expected


@pytest.mark.parametrize(("queue", "interval"), [(100, 100), (50, 250)])
async def test_ten_minutes_of_the_past_lose_nothing(queue: int, interval: int) -> None:
    since = datetime.now(UTC) - timedelta(seconds=600)
    notes = Notes()
    async with served(since=since) as it, Client(it.endpoint, timeout=60) as client:
        subscription = await client.create_subscription(interval, notes)
        await subscription.subscribe_data_change(await nodes_of(client), queuesize=queue)
        async with asyncio.timeout(60):
            await it.caught_up.wait()
        times = ticks(since, 600)
        for machine in MACHINES:
            for name, expected in changes(machine, times).items():
                heard = [(at, value) for at, value in notes.heard[name] if at <= times[-1]]
                assert heard == expected, name


async def test_a_queue_of_one_loses_nothing_either() -> None:
    since = datetime.now(UTC) - timedelta(seconds=20)
    notes = Notes()
    async with served([ROBOT], since=since) as it, Client(it.endpoint, timeout=60) as client:
        subscription = await client.create_subscription(50, notes)
        await subscription.subscribe_data_change(await nodes_of(client, [ROBOT]), queuesize=1)
        async with asyncio.timeout(60):
            await it.caught_up.wait()
        times = ticks(since, 20)
        for name, expected in changes(ROBOT, times).items():
            assert [(at, value) for at, value in notes.heard[name] if at <= times[-1]] == expected


async def test_a_client_that_asks_for_it_gets_every_tick_changed_or_not() -> None:
    since = datetime.now(UTC) - timedelta(seconds=60)
    notes = Notes()
    async with served([MILL], since=since) as it, Client(it.endpoint, timeout=60) as client:
        subscription = await client.create_subscription(100, notes)
        trigger = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
        requests = []
        for node in await nodes_of(client, [MILL]):
            request = ua.MonitoredItemCreateRequest()
            request.ItemToMonitor.NodeId = node.nodeid
            request.ItemToMonitor.AttributeId = AttributeIds.Value
            request.MonitoringMode = ua.MonitoringMode.Reporting
            request.RequestedParameters.QueueSize = 100
            request.RequestedParameters.ClientHandle = subscription._client_handle = subscription._client_handle + 1
            request.RequestedParameters.Filter = trigger
            requests.append(request)
        await subscription.create_monitored_items(requests)
        async with asyncio.timeout(60):
            await it.caught_up.wait()
        times = ticks(since, 60).tolist()
        for signal in MILL.signals:
            heard = [at for at, _ in notes.heard[f"{MILL.asset}/{signal.name}"]]
            assert heard[:60] == times


async def test_live_values_carry_the_time_of_their_tick() -> None:
    notes = Notes()
    async with served([ROBOT], rate=10) as it, Client(it.endpoint, timeout=60) as client:
        subscription = await client.create_subscription(50, notes)
        await subscription.subscribe_data_change(await nodes_of(client, [ROBOT]), queuesize=50)
        await wait_for(lambda: len(notes.heard["robot-1/torque_2"]) >= 15)
        heard = list(notes.heard["robot-1/torque_2"])
        behind = microseconds(datetime.now(UTC), "now") - heard[-1][0]
    times = [at for at, _ in heard]
    assert set(np.diff(times).tolist()) == {100_000}
    assert 0 <= behind < 60_000_000
    expected = ROBOT.at(np.array(times, dtype=np.int64)).values["torque_2"].tolist()
    assert [value for _, value in heard] == expected


async def test_the_past_waits_for_a_client_but_not_for_ever() -> None:
    since = datetime.now(UTC) - timedelta(seconds=30)
    async with served([MILL], since=since, patience=2.0) as it:
        await asyncio.sleep(0.2)
        assert not it.caught_up.is_set()
        async with asyncio.timeout(60):
            await it.caught_up.wait()


async def test_a_dead_subscriber_holds_up_neither_the_past_nor_the_others(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="simulators")
    since = datetime.now(UTC) - timedelta(seconds=300)
    notes = Notes()
    async with served([ROBOT], since=since, patience=2.0) as it, Client(it.endpoint, timeout=60) as client:
        dead = Client(it.endpoint, timeout=60)
        await dead.connect()
        silent = await dead.create_subscription(100, Notes())
        nodes = await nodes_of(client, [ROBOT])
        await silent.subscribe_data_change(nodes[1], queuesize=5)
        subscription = await client.create_subscription(100, notes)
        protocol = dead.uaclient.protocol
        assert protocol is not None
        assert protocol.transport is not None
        protocol.transport.abort()
        await subscription.subscribe_data_change(nodes, queuesize=100)
        async with asyncio.timeout(60):
            await it.caught_up.wait()
        for name, expected in changes(ROBOT, ticks(since, 300)).items():
            assert [one for one in notes.heard[name] if one[0] <= expected[-1][0]] == expected
        await dead.disconnect()
    assert caplog.text.count("takes nothing for 2 s") in {1, 2}


async def test_an_end_is_kept_until_the_last_value_is_acknowledged() -> None:
    since = datetime.now(UTC) - timedelta(seconds=60)
    notes = Notes()
    async with (
        served([MILL], since=since, until=since + timedelta(seconds=40)) as it,
        Client(it.endpoint, timeout=60) as client,
    ):
        subscription = await client.create_subscription(100, notes)
        await subscription.subscribe_data_change(await nodes_of(client, [MILL]), queuesize=100)
        async with asyncio.timeout(60):
            assert (await it.task).ticks == 40
    for name, expected in changes(MILL, ticks(since, 40)).items():
        assert notes.heard[name] == expected


async def test_the_truth_stands_beside_the_signals() -> None:
    since = datetime.now(UTC) - timedelta(seconds=60)
    begin = microseconds(since, "since") + 20_000_000
    jam = Truth(asset="mill-1", fault="jam", signal="", from_us=begin, until_us=begin + 10_000_000)
    notes = Notes()
    async with served(since=since, truth=[jam]) as it, Client(it.endpoint, timeout=60) as client:
        index = await client.get_namespace_index(NAMESPACE)
        told = [client.get_node(f"ns={index};s={machine.asset}/truth") for machine in MACHINES]
        assert [await node.read_value() for node in told] == ["none", "none"]
        subscription = await client.create_subscription(100, notes)
        await subscription.subscribe_data_change([*await nodes_of(client), *told], queuesize=100)
        async with asyncio.timeout(60):
            await it.caught_up.wait()
    assert [value for _, value in notes.heard["mill-1/truth"]] == ["none", "jam", "none"]
    at = [time for time, _ in notes.heard["mill-1/truth"]]
    assert begin <= at[1] < begin + 1_000_000
    assert begin + 10_000_000 <= at[2] < begin + 11_000_000
    assert {value for _, value in notes.heard["robot-1/truth"]} == {"none"}


async def test_nodes_say_what_they_are() -> None:
    async with served() as it, Client(it.endpoint, timeout=60) as client:
        nodes = iter(await nodes_of(client))
        for machine in MACHINES:
            for signal in machine.signals:
                node = next(nodes)
                kind = await node.read_data_type_as_variant_type()
                value = await node.read_data_value()
                assert source_of(value) <= microseconds(datetime.now(UTC), "now")
                match signal.kind:
                    case Kind.TEXT:
                        assert kind == ua.VariantType.String
                    case Kind.BOOLEAN:
                        assert kind == ua.VariantType.Boolean
                    case Kind.NUMBER:
                        assert kind == (ua.VariantType.Int64 if signal.whole else ua.VariantType.Double)
                        unit = await (await node.get_child("0:EngineeringUnits")).read_value()
                        assert unit.NamespaceUri == "http://www.opcfoundation.org/UA/units/un/cefact"
                        if not signal.whole:
                            span = await (await node.get_child("0:EURange")).read_value()
                            assert (span.Low, span.High) == (signal.low, signal.high)
        speed = client.get_node(f"ns={await client.get_namespace_index(NAMESPACE)};s=mill-1/axis_x")
        unit = await (await speed.get_child("0:EngineeringUnits")).read_value()
        assert (unit.UnitId, unit.DisplayName.Text) == (5066068, "mm")
        children = await client.nodes.objects.get_children()
        assert {"mill-1", "robot-1"} <= {(await child.read_browse_name()).Name for child in children}


async def test_what_was_missed_can_be_read_from_history() -> None:
    since = datetime.now(UTC) - timedelta(seconds=120)
    async with served([MILL], since=since, patience=0.0) as it, Client(it.endpoint, timeout=60) as client:
        await it.caught_up.wait()
        index = await client.get_namespace_index(NAMESPACE)
        node = client.get_node(f"ns={index};s=mill-1/axis_x")
        times = ticks(since, 100)
        begin, end = (datetime.fromtimestamp(at / 1e6, UTC) for at in (times[0], times[-1]))
        values = await node.read_raw_history(begin, end)
        assert [source_of(value) for value in values] == times.tolist()
        assert [value.Value.Value for value in values if value.Value] == MILL.at(times).values["axis_x"].tolist()
        backwards = await node.read_raw_history(end, begin)
        assert [source_of(value) for value in backwards] == times.tolist()[::-1]
        newest = await node.read_raw_history(None, datetime.now(UTC), 3)
        assert np.diff([source_of(value) for value in newest]).tolist() == [-1_000_000, -1_000_000]
        day = await node.read_raw_history(datetime.now(UTC) - timedelta(hours=6), datetime.now(UTC))
        assert 21_590 <= len(day) <= 21_601
        assert await node.read_raw_history(datetime.now(UTC), datetime.now(UTC) + timedelta(hours=1)) == []


async def test_an_endpoint_in_use_is_named() -> None:
    async with served([MILL]) as it:
        port = it.endpoint.rpartition(":")[2]
        with pytest.raises(EndpointError, match=f"{port}.*another endpoint"):
            await serve([ROBOT], endpoint=it.endpoint)


async def test_an_encrypted_server_lets_in_whom_it_knows(tmp_path: Path) -> None:
    security = Security(certificates=tmp_path / "server", users={"gateway": "a long secret"})
    mine = tmp_path / "client.pem", tmp_path / "client.der"
    await setup_self_signed_certificate(
        *mine, "urn:test:client", "localhost", [ExtendedKeyUsageOID.CLIENT_AUTH], {"commonName": "client"}
    )
    async with served([MILL], security=security) as it:
        client = Client(it.endpoint, timeout=60)
        client.application_uri = "urn:test:client"
        await client.set_security(
            SecurityPolicyAes256Sha256RsaPss, str(mine[1]), str(mine[0]), mode=ua.MessageSecurityMode.SignAndEncrypt
        )
        client.set_user("gateway")
        client.set_password("a long secret")
        async with client:
            index = await client.get_namespace_index(NAMESPACE)
            value = await client.get_node(f"ns={index};s=mill-1/power").read_value()
            assert 300.0 < value < 10_000.0
        client.set_password("a wrong secret")
        with pytest.raises(UaStatusCodeError):
            await client.connect()
        with pytest.raises((UaError, ConnectionError, TimeoutError)):
            await Client(it.endpoint, timeout=2).connect()
    assert (tmp_path / "server" / "server.pem").stat().st_mode & 0o777 == 0o600


def test_users_without_encryption_are_refused() -> None:
    with pytest.raises(InvalidSettingError, match="in the clear"):
        Security(users={"gateway": "secret"})


async def test_a_bad_wire_shows_in_status_time_and_absence() -> None:
    since = datetime.now(UTC) - timedelta(seconds=60)
    first = ticks(since, 1).tolist()[0]
    second = 1_000_000

    def fault(kind: WireFault, begin: int, end: int, *, seconds: float = 0.0) -> BadWire:
        return BadWire(fault=kind, from_us=first + begin * second, until_us=first + end * second, seconds=seconds)

    wires = {
        "robot-1": [
            fault(WireFault.DROP_OUT, 10, 20),
            fault(WireFault.CLOCK_SKEW, 20, 30, seconds=-7.0),
            fault(WireFault.GARBAGE, 30, 40),
        ]
    }
    notes = Notes()
    async with served([ROBOT], since=since, wires=wires) as it, Client(it.endpoint, timeout=60) as client:
        subscription = await client.create_subscription(100, notes)
        await subscription.subscribe_data_change(await nodes_of(client, [ROBOT]), queuesize=100)
        async with asyncio.timeout(60):
            await it.caught_up.wait()
    heard = [(at - first) // second for at, _ in notes.heard["robot-1/torque_2"]]
    bad = [((at - first) // second, status) for at, _, status in notes.bad["robot-1/torque_2"]]
    assert heard == [*range(10), *range(13, 23), *range(40, max(heard) + 1)]
    assert bad[0][0] == 30
    assert {at for at, _ in bad} <= set(range(30, 40))
    assert {status for _, status in bad} <= {
        "BadSensorFailure", "BadNoCommunication", "UncertainLastUsableValue", "BadOutOfService",
    }  # fmt: skip
