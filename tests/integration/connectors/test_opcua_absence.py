"""What OPC UA sent while a gateway was not there, was full, or was killed: nothing is missing that is in no gap."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from asyncua import ua
from asyncua.server.internal_subscription import InternalSubscription

from connectors.opcua.session import Answer, Session
from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.errors import Unavailable
from fieldlab.ports import Connector, Delivery
from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import SECOND, Instant
from tests.contract.connectors.opcua_server import Machine
from tests.contract.connectors.sink import Sink, running, wait_for


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    machine = Machine({"current": ua.Variant(0.0)})
    await machine.start()
    yield machine
    await machine.stop()


def connect(machine: Machine, *, heard_until: Instant | None = None) -> Connector:
    options = {"security": "none", "publishing_interval": 50, "keep_alive": 300}
    source = Source(id=1, slug="robot", wire=Wire.OPCUA, url=machine.url, options=options)
    connector = build(source, client_name="gateway-1", environment={}, heard_until=heard_until)
    connector.watch([machine.address("current")])
    return connector


async def count(machine: Machine, values: range) -> None:
    """Have a value measured now and then, each at its own present."""
    for value in values:
        await machine.write("current", ua.Variant(float(value)), at=Instant.now())
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("says_when", [True, False], ids=["with_publish_time", "without_publish_time"])
async def test_a_gateway_that_was_killed_misses_nothing_before_it_says_the_source_was_heard(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, *, says_when: bool
) -> None:
    make = InternalSubscription._pop_publish_result

    def silent(subscription: InternalSubscription) -> ua.PublishResult:
        result = make(subscription)
        result.NotificationMessage.PublishTime = ua.get_win_epoch()
        return result

    if not says_when:
        monkeypatch.setattr(InternalSubscription, "_pop_publish_result", silent)
    sink, connector = Sink(), connect(machine)
    async with running(connector, sink):
        await sink.until(lambda: len(sink.values()) == 1)
        await count(machine, range(1, 10))
        sink.room.clear()  # full for a while: answers wait on the way
        await count(machine, range(10, 60))
        sink.room.set()
        await count(machine, range(60, 70))
        await sink.until(lambda: 69.0 in sink.values())
    told = [at for at, delivery in enumerate(sink.deliveries) if delivery.heard_until is not None]
    assert len(told) > 5
    for at in told:
        heard = sink.deliveries[at].heard_until or Instant(0)
        assert heard <= min(times_behind(sink.deliveries, at), default=heard), f"killed after delivery {at}"
    assert Instant.now() - (sink.deliveries[told[-1]].heard_until or 0) < 30 * SECOND


def times_behind(deliveries: list[Delivery], at: int) -> list[int]:
    return [time for delivery in deliveries[at + 1 :] for time in delivery.samples.times]


async def test_a_gap_since_an_earlier_process_is_told_though_the_first_session_breaks(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = Instant(Instant.now() - 60 * SECOND)
    sink, connector = Sink(), connect(machine, heard_until=earlier)
    whole, broken = Session.answer, asyncio.Event()

    async def breaks_once(session: Session) -> Answer:
        if broken.is_set():
            return await whole(session)
        await wait_for(lambda: connector.connected)
        broken.set()
        raise Unavailable("the cable was cut")

    monkeypatch.setattr(Session, "answer", breaks_once)
    async with running(connector, sink):
        await sink.until(lambda: bool(sink.gaps) and bool(sink.values()))
    (gap,) = sink.gaps
    assert gap.start == earlier
    assert gap.until > earlier + 59 * SECOND
    until_gap = sink.deliveries[: [bool(delivery.gaps) for delivery in sink.deliveries].index(True) + 1]
    assert {delivery.heard_until for delivery in until_gap} == {None}, (
        "killed before the gap is safe, it must come again"
    )


async def test_an_answer_that_is_gone_is_a_gap_around_its_values_even_when_a_sign_of_life_comes_first(
    machine: Machine,
) -> None:
    sink, connector = Sink(), connect(machine)
    async with running(connector, sink):
        await sink.until(lambda: len(sink.values()) == 1)
        await count(machine, range(1, 5))
        await sink.until(lambda: 4.0 in sink.values())
        (subscription,) = machine.subscriptions
        make = subscription._pop_publish_result

        def lossy() -> ua.PublishResult:
            result = make()
            if result.NotificationMessage.NotificationData:
                vars(subscription).pop("_pop_publish_result")
                subscription._not_acknowledged_results.clear()
                result = make()
            return result

        vars(subscription)["_pop_publish_result"] = lossy
        lost = Instant.now()
        await machine.write("current", ua.Variant(5.0), at=lost)
        await sink.until(lambda: bool(sink.gaps))
        await count(machine, range(6, 7))
        await sink.until(lambda: 6.0 in sink.values())
    assert 5.0 not in sink.values()
    (gap,) = sink.gaps
    assert gap.cause is Cause.SEQUENCE_HOLE
    assert gap.start <= lost < gap.until
