"""A running answer ends when a right ends, however slow its reader is, and nobody takes it for whole."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pyarrow as pa
import pytest
from pyarrow import parquet

from api.answers.word import Word
from fieldlab.readings.instant import Instant
from fieldlab.storage import keys
from fieldlab.storage.database import open_engine
from tests.integration.api.lab import EIGHT, NINE, SPEED, Floor, Row, hand_over
from tests.integration.api.served import served

ROWS = 300_000
"""More than the sockets between a service and a reader that does not read can hold."""
LOOKED = 2.0
"""Seconds in which a service that waits for its reader has looked several times whether it may go on."""


@pytest.fixture
async def shared(quiet_lab: Floor) -> str:
    """A long stream of sme-a, which the researcher may read; gives the id of the agreement."""
    await hand_over(quiet_lab, "mill-1", "sme-a", EIGHT, NINE)
    step = (NINE - EIGHT) // ROWS
    quiet_lab.store(SPEED, (Row(time=Instant(EIGHT + number * step), value=float(number)) for number in range(ROWS)))
    proposed = await quiet_lab["sme-a"].post(
        "/v1/agreements", json={"grantee": "researcher", "enforced": {"streams": [SPEED]}}
    )
    agreement: str = proposed.json()["id"]
    assert (await quiet_lab["researcher"].post(f"/v1/agreements/{agreement}/approve")).status_code == 200
    return agreement


async def cut_short(lab: Floor, format_: str, cut: Any) -> bytes:  # noqa: ANN401 - whatever ends the right
    """Begin to read as the researcher, let somebody end the right, read on; give what came before it broke off."""
    headers = {"Authorization": f"Bearer {lab.tokens['researcher']}", "Accept-Encoding": "identity"}
    asked = {"stream": SPEED, "format": format_}
    async with (
        served(lab) as address,
        httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=60) as client,
        client.stream("GET", "/v1/measurements", params=asked) as answer,
    ):
        assert answer.status_code == 200
        pieces = answer.aiter_raw()
        came = [await anext(pieces)]
        await cut()
        await asyncio.sleep(LOOKED)
        with pytest.raises(httpx.RemoteProtocolError):
            await _read_on(pieces, came)
    return b"".join(came)


async def _read_on(pieces: AsyncIterator[bytes], came: list[bytes]) -> None:
    async for piece in pieces:
        came += [piece]


@pytest.mark.parametrize("format_", ["json", "ndjson", "csv", "text/csv;header=comment", "arrow", "parquet"])
async def test_a_download_ends_with_the_agreement_and_is_not_whole(quiet_lab: Floor, shared: str, format_: str) -> None:
    async def terminate() -> None:
        ended = await quiet_lab["sme-a"].post(f"/v1/agreements/{shared}/terminate")
        assert ended.status_code == 200, ended.text

    came = await cut_short(quiet_lab, format_, terminate)
    match format_:
        case "json":
            with pytest.raises(json.JSONDecodeError):
                json.loads(came)
        case "ndjson":
            *rows, last = came.decode().splitlines()
            assert json.loads(last)["end"] == {
                "complete": False,
                "rows": json.loads(last)["end"]["rows"],
                "reason": "agreement.terminated",
            }
            assert 0 < len(rows) - 1 < ROWS
        case "arrow":
            assert not came.endswith(b"\xff\xff\xff\xff\x00\x00\x00\x00")
        case "parquet":
            with pytest.raises(pa.ArrowInvalid):
                parquet.read_table(io.BytesIO(came))
        case "csv":
            assert came.count(b"\n") < ROWS
        case _:
            assert b'"reason":"agreement.terminated"' in came.splitlines()[-1]


@pytest.mark.usefixtures("shared")
async def test_a_download_ends_with_the_key(quiet_lab: Floor) -> None:
    async def revoke() -> None:
        engine = open_engine(quiet_lab.database.admin, name="tests")
        with engine.begin() as connection:
            for key in keys.listed(connection, participant="researcher"):
                keys.revoke(connection, key.id)
        engine.dispose()

    came = await cut_short(quiet_lab, "ndjson", revoke)
    assert json.loads(came.splitlines()[-1])["end"]["reason"] == "key.ended"


@pytest.mark.usefixtures("shared")
async def test_a_download_ends_with_the_tenure_that_was_its_ground(quiet_lab: Floor) -> None:
    async def correct() -> None:
        with psycopg.connect(quiet_lab.database.admin) as admin:
            admin.execute(
                "UPDATE fieldlab.tenure SET owner_id = (SELECT id FROM fieldlab.participant WHERE slug = 'sme-b') "
                "WHERE owner_id = (SELECT id FROM fieldlab.participant WHERE slug = 'sme-a')"
            )

    came = await cut_short(quiet_lab, "ndjson", correct)
    assert json.loads(came.splitlines()[-1])["end"]["reason"] == "tenure.changed"


@pytest.mark.usefixtures("shared")
async def test_a_download_that_nobody_disturbs_is_whole_over_http(quiet_lab: Floor) -> None:
    headers = {"Authorization": f"Bearer {quiet_lab.tokens['researcher']}"}
    async with (
        served(quiet_lab) as address,
        httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=60) as client,
    ):
        answer = await client.get("/v1/measurements", params={"stream": SPEED, "format": "arrow"})
    table = pa.ipc.open_stream(answer.content).read_all()
    assert len(table) == ROWS
    assert table.column("value").to_pylist() == [float(number) for number in range(ROWS)]


async def test_a_download_whose_reader_takes_nothing_ends_at_the_word_of_the_database(
    quiet_lab: Floor, shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nobody looking from time to time, so that the announcement alone can have ended it."""
    monkeypatch.setattr("api.answers.word.GOOD_FOR", 3600.0)
    asked = Word(quiet_lab.app.state.desk.ear)._changed
    headers = {"Authorization": f"Bearer {quiet_lab.tokens['researcher']}", "Accept-Encoding": "identity"}
    async with (
        served(quiet_lab) as address,
        httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=60) as client,
        client.stream("GET", "/v1/measurements", params={"stream": SPEED, "format": "ndjson"}) as answer,
    ):
        pieces = answer.aiter_raw()
        came = [await anext(pieces)]
        await quiet_lab["sme-a"].post(f"/v1/agreements/{shared}/terminate")
        await asyncio.wait_for(asyncio.shield(asked), 60)
        with pytest.raises(httpx.RemoteProtocolError):
            await _read_on(pieces, came)
    end = json.loads(b"".join(came).splitlines()[-1])["end"]
    assert (end["complete"], end["reason"]) == (False, "agreement.terminated")
