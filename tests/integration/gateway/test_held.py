"""What is held at unbound addresses and put back into the log is never passed over, whatever the disk refuses."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fieldlab.assets.asset import Kind
from fieldlab.assets.source import Binding
from fieldlab.errors import Unavailable
from fieldlab.ports import Delivery
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.samples import Samples
from fieldlab.storage.bindings import Catalogue
from fieldlab.storage.spool import Entry, Spool
from gateway.arrival import Arrival
from gateway.block import Block
from gateway.descriptions import Descriptions
from gateway.discoveries import Discoveries
from gateway.intake import Intake
from gateway.limits import Limits
from tests.integration.gateway.wire import START, samples

Step = Callable[[Discoveries], int]
BOUND = Catalogue(
    sources={},
    bindings={
        1: {
            address: Binding(address=address, stream=at, kind=Kind.NUMBER, origin=0)
            for at, address in enumerate(("a", "b"))
        }
    },
)


def block(one: Samples) -> Block:
    return Block.of(one, source=1, received_at=START)


@pytest.mark.parametrize(
    "step",
    [
        lambda discoveries: discoveries.release(BOUND, written=0),
        lambda discoveries: discoveries.expire(now=Instant(START + 2 * 86_400 * SECOND), written=0),
    ],
    ids=["bound", "expired"],
)
async def test_what_went_back_before_the_disk_refused_the_rest_is_given_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    limits = Limits()
    with Spool(tmp_path) as spool, ThreadPoolExecutor(1) as thread:
        intake = Intake(spool=spool, thread=thread, limits=limits)
        taking = asyncio.create_task(intake.run())
        discoveries = Discoveries(spool=spool, limits=limits, descriptions=Descriptions(most=10))
        assert not discoveries.hold([block(samples(1.0, address="a")), block(samples(2.0, address="b"))], batch=0)
        returned, tries = spool.return_held, list[int]()

        def once(ids: Sequence[int], entries: Sequence[Entry], *, now: Instant) -> list[int]:
            tries.extend(ids)
            if len(tries) == 2:
                raise Unavailable("The spool cannot be written: database or disk is full.")
            return returned(ids, entries, now=now)

        monkeypatch.setattr(spool, "return_held", once)
        last = step(discoveries)
        assert last == spool.last
        await intake.appended(last)
        await intake.put(Arrival(source=1, received_at=START, delivery=Delivery(samples=samples(3.0))))
        await intake.close()
        await asyncio.wait_for(taking, 60)
        given = [one.id for _ in range(2) for one in await intake.take(10)]
        assert given == [entry.id for entry in spool.read(after=0, size=10, most_bytes=10**9)]
        assert step(discoveries) == spool.last
        assert spool.held() == {}
