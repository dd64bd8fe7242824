"""What is stored afterwards, released from quarantine or held until its address was bound, reaches who follows it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fieldlab.readings.instant import SECOND, Instant
from tests.integration.api.lab import CURRENT, EIGHT, JOINT, NINE, Floor, Row
from tests.integration.api.listening import Served, Wire, arrive, served, stream_key
from tests.integration.gateway.wire import gateway, samples


@pytest.fixture(params=list(Wire), ids=str)
async def open_lab(lab: Floor, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """The lab of that morning, over HTTP; followed over each wire."""
    async with served(lab, request.param) as answering:
        yield answering


async def test_a_released_reject_reaches_whoever_owned_it_then_marked_late(open_lab: Served) -> None:
    lab = open_lab.lab
    (kept,) = (await lab["lab"].get("/v1/rejects")).json()["items"]
    async with (
        open_lab.listen(lab.tokens["sme-a"], CURRENT) as owner,
        open_lab.listen(lab.tokens["sme-b"], CURRENT) as next_tenant,
    ):
        released = await lab["lab"].post(f"/v1/rejects/{kept['id']}/release")
        assert released.json() == {"stored": 1}, released.text
        (row,) = await owner.rows(1)
        assert (row[0], row[2], row[5]) == (str(Instant(NINE - 2)), 7.5, True)
        assert owner.owner(row[4]) == "sme-a"
        await arrive(lab, CURRENT, [Row(time=Instant(NINE + 3), value=3.0)])
        assert [row[2] for row in await next_tenant.rows(1)] == [3.0]


async def test_whoever_comes_back_gets_what_was_released_meanwhile_once(open_lab: Served) -> None:
    lab, token = open_lab.lab, open_lab.lab.tokens["sme-a"]
    (kept,) = (await lab["lab"].get("/v1/rejects")).json()["items"]
    times = [1, 2, 75 * SECOND]
    lines = [{"time": str(Instant(EIGHT + at)), "value": float(at), "status": 0, "origin": 0} for at in times]
    raw = "\n".join(map(json.dumps, lines)).encode()
    lab.execute("UPDATE fieldlab.reject SET raw = %s, samples = 3", [raw])
    async with open_lab.listen(token, CURRENT) as listener:
        position = listener.position
    released = await lab["lab"].post(f"/v1/rejects/{kept['id']}/release")
    assert released.json() == {"stored": 3}, released.text
    async with open_lab.listen(token, CURRENT, position=position) as listener:
        rows = await listener.rows(3)
        await arrive(lab, CURRENT, [Row(time=Instant(NINE - 3), value=-3.0)])
        rows += await listener.rows(1)
    assert [(row[2], row[5]) for row in rows] == [(1.0, True), (2.0, True), (75.0 * SECOND, True), (-3.0, True)]


async def test_what_was_held_until_its_address_was_bound_comes_then(open_lab: Served, tmp_path: Path) -> None:
    lab, stream = open_lab.lab, stream_key(open_lab.lab, JOINT)
    now = Instant.now()
    await arrive(lab, JOINT, [Row(time=Instant(now - 10 * SECOND), value=0.0)])
    async with gateway(lab.database.gateway, tmp_path) as running:
        running.wires["shop-floor"].hand_over(samples(1.0, 2.0, address="new", start=now - 60 * SECOND))
        await running.settled("shop-floor", waiting=2)
        async with open_lab.listen(lab.tokens["researcher"], JOINT) as listener:
            lab.execute(
                "INSERT INTO fieldlab.binding (source_id, address, stream_id)"
                " SELECT id, 'new', %s FROM fieldlab.source",
                [stream],
            )
            rows = await listener.rows(2)
        await running.settled("shop-floor")
    assert [(row[0], row[2], row[5]) for row in rows] == [
        (str(Instant(now - (60 - at) * SECOND)), at + 1.0, True) for at in range(2)
    ]
