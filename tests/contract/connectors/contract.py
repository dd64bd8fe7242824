"""What every connector promises its gateway, whatever its wire."""

import asyncio
import logging
import threading
from collections.abc import Iterable

import pytest

from connectors.registry import build
from fieldlab.assets.source import Source
from fieldlab.ports import Connector, Delivery
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock
from tests.contract.connectors.plant import Plant, time_of
from tests.contract.connectors.sink import Sink, running, wait_for

SECRET = "correct horse battery"


def connect(source: Source, addresses: Iterable[str], *, heard_until: Instant | None = None) -> Connector:
    connector = build(source, client_name="gateway-1", environment={"PLANT": SECRET}, heard_until=heard_until)
    connector.watch(addresses)
    return connector


def threads_of_its_own() -> set[str]:
    """Name the threads that run, but for the event loop's own pool."""
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}


class ConnectorContract:
    """The promises; a class of tests for each wire gives the plant."""

    async def test_values_arrive_in_order_each_with_its_address_and_its_own_time(self, plant: Plant) -> None:
        sink, connector = Sink(), connect(plant.source(), [plant.address])
        async with running(connector, sink):
            await wait_for(lambda: connector.connected)
            await plant.send(range(1, 41))
            await sink.until(lambda: 40 in sink.values())
        numbers = [value for value in sink.values(plant.address) if value]
        assert numbers == list(range(1, 41))
        assert sink.times[-40:] == [time_of(value) for value in range(1, 41)]
        origins = [origin for delivery in sink.deliveries for origin in delivery.samples.origins]
        assert origins[-40:] == [Clock.SOURCE] * 40
        assert sink.gaps == []
        assert sink.rejects == []

    async def test_what_was_not_called_safe_comes_again_after_a_restart(self, plant: Plant) -> None:
        first = Sink(safe=False)
        connector = connect(plant.source(), [plant.address])
        async with running(connector, first):
            await wait_for(lambda: connector.connected)
            await plant.send(range(1, 21))
            await first.until(lambda: 20 in first.values())
        second = Sink()
        async with running(connect(plant.source(), [plant.address]), second):
            await second.until(lambda: 20 in second.values())
        assert second.values() == plant.again(range(1, 21))

    async def test_a_gateway_that_is_full_holds_the_source_back_and_loses_nothing(self, plant: Plant) -> None:
        sink = Sink()
        connector = connect(plant.source(**plant.held_back(10)), [plant.address])
        async with running(connector, sink):
            await wait_for(lambda: connector.connected)
            await sink.until(lambda: plant.begins_with_a_value <= len(sink.values()))
            before = len(sink.deliveries)
            sink.room.clear()
            for start in range(1, 301, 30):
                await plant.send(range(start, start + 30))
                await asyncio.sleep(0.1)
            assert len(sink.deliveries) == before + 1, "it goes on although the gateway is full"
            sink.room.set()
            await sink.until(lambda: 300 in sink.values())
        assert [value for value in sink.values() if value] == list(range(1, 301))
        assert sink.gaps == []

    async def test_it_waits_for_a_server_that_is_not_there_yet(self, plant: Plant) -> None:
        await plant.stop()
        sink, connector = Sink(), connect(plant.source(), [plant.address])
        async with running(connector, sink) as task:
            await asyncio.sleep(0.5)
            assert not connector.connected
            assert not task.done()
            await plant.start()
            await wait_for(lambda: connector.connected)
            await plant.send([1])
            await sink.until(lambda: 1 in sink.values())

    async def test_it_comes_back_after_a_restart_of_the_server_and_tells_what_may_be_missing(
        self, plant: Plant
    ) -> None:
        sink, connector = Sink(), connect(plant.source(), [plant.address])
        async with running(connector, sink):
            await wait_for(lambda: connector.connected)
            await plant.send([1, 2])
            await sink.until(lambda: 2 in sink.values())
            await plant.stop()
            await wait_for(lambda: not connector.connected)
            stopped = Instant.now()
            await plant.start()
            await wait_for(lambda: connector.connected)
            await plant.send([3, 4])
            await sink.until(lambda: 4 in sink.values() and (plant.cause is None or bool(sink.gaps)))
        assert [gap.cause for gap in sink.gaps] == ([] if plant.cause is None else [plant.cause])
        assert all(gap.start <= stopped <= gap.until and gap.addresses is None for gap in sink.gaps)

    async def test_a_gap_since_an_earlier_process_is_told(self, plant: Plant) -> None:
        earlier = Instant.parse("2026-11-21T07:00:00Z")
        sink, connector = Sink(), connect(plant.source(), [plant.address], heard_until=earlier)
        async with running(connector, sink):
            await sink.until(lambda: bool(sink.gaps))
        (gap,) = sink.gaps
        assert gap.start == earlier
        assert gap.until > time_of(0)

    async def test_cancelling_leaves_no_task_no_thread_and_no_connection(self, plant: Plant) -> None:
        sink, connector = Sink(), connect(plant.source(), [plant.address])
        threads = threads_of_its_own()
        task = asyncio.create_task(connector.run(sink))
        await wait_for(lambda: connector.connected)
        await plant.send([1])
        await sink.until(lambda: 1 in sink.values())
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        assert not connector.connected
        ours = [one for one in asyncio.all_tasks() if "connectors" in str(one.get_coro())]
        assert ours == []
        assert threads_of_its_own() == threads
        sink.make_safe()

    async def test_cancelling_while_it_connects_or_waits_is_as_clean(self, plant: Plant) -> None:
        await plant.stop()
        connector = connect(plant.source(), [plant.address])
        for pause in (0.0, 0.001, 0.3):
            task = asyncio.create_task(connector.run(Sink()))
            await asyncio.sleep(pause)
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled()
        await plant.start()
        for pause in (0.0, 0.001, 0.005, 0.02):
            task = asyncio.create_task(connector.run(Sink()))
            await asyncio.sleep(pause)
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled()
        assert [one for one in asyncio.all_tasks() if "connectors" in str(one.get_coro())] == []

    async def test_an_error_of_the_gateway_ends_it_with_that_error(self, plant: Plant) -> None:
        class FullDisk(Exception):
            pass

        async def deliver(_: Delivery) -> None:
            raise FullDisk

        connector = connect(plant.source(), [plant.address])
        task = asyncio.create_task(connector.run(deliver))
        await wait_for(lambda: connector.connected or task.done())
        await plant.send([1])
        with pytest.raises(FullDisk):
            await asyncio.wait_for(task, 60)

    async def test_no_log_shows_the_password_and_a_dead_server_is_told_once(
        self, plant: Plant, caplog: pytest.LogCaptureFixture
    ) -> None:
        await plant.stop()
        with caplog.at_level(logging.DEBUG):
            source = plant.source(user="fieldlab", password_env="PLANT")
            async with running(connect(source, [plant.address]), Sink()):
                await asyncio.sleep(2.5)
        assert SECRET not in caplog.text
        told = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(told) == 1
        assert told[0].name.startswith("connectors.")
        assert source.slug in told[0].getMessage()
        assert "trying again" in told[0].getMessage()
