"""Lists of the lab in a notebook: lazy, in pages that nobody sees, and frames where all of it is wanted."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pandas as pd
import polars as pl
import pytest

from fieldlab_client import Answered, Lab, Listing
from fieldlab_client.connection import Connection
from tests.integration.api.lab import CURRENT, EIGHT, NINE, STATE, Floor, busy_morning, floor
from tests.integration.api.listening import served
from tests.integration.client.conftest import Notebooks
from tests.servers.database import Database

HOLE = "2026-11-21T08:10:00.000000Z"
MENDED = "2026-11-21T08:12:00.000000Z"


def lose(lab: Floor, stream: str, times: int = 1) -> None:
    """Known holes of two minutes in a stream, one every two minutes from ten past eight."""
    asset, name = stream.split(".")
    lab.execute(
        "INSERT INTO fieldlab.gap (stream_id, start, until, cause)"
        " SELECT s.id, %s::timestamptz + n * interval '2 s', %s::timestamptz + n * interval '2 s' - interval '119 s',"
        " 'session_lost' FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id,"
        " generate_series(0, %s - 1) AS n WHERE a.slug = %s AND s.name = %s",
        [HOLE, MENDED, times, asset, name],
    )


async def test_what_is_missing_has_its_cause_and_owner(notebooks: Notebooks) -> None:
    lose(notebooks.floor, CURRENT)
    lab = notebooks["sme-a"]
    for chosen in (lab.streams(CURRENT, STATE), lab.trial("tool-wear"), lab.asset("mill-1").between(str(EIGHT), None)):
        (hole,) = await asyncio.to_thread(list, chosen.gaps())
        assert (hole.stream, hole.start, hole.cause) == (CURRENT, HOLE, "session_lost")
        assert (hole.owner, hole.trial, hole.agreement) == ("sme-a", "tool-wear", None)
    assert await asyncio.to_thread(list, lab.streams(STATE).gaps()) == []
    assert await asyncio.to_thread(list, notebooks["sme-b"].streams(CURRENT).gaps()) == []


async def test_pages_are_asked_for_as_they_are_needed(notebooks: Notebooks, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(notebooks.floor, CURRENT, 250)
    asked: list[Any] = []
    real = Connection.get

    def watched(self: Connection, path: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        asked.append((parameters or {}).get("limit"))
        return real(self, path, parameters)

    monkeypatch.setattr(Connection, "get", watched)
    holes = notebooks["sme-a"].streams(CURRENT).gaps()
    assert asked == []
    assert len(await asyncio.to_thread(holes.first, 100)) == 100
    assert asked == [100]
    frame = await asyncio.to_thread(holes.frame)
    assert asked == [100, 100, 1000]
    assert len(frame) == frame["start"].nunique() == 250
    assert frame["start"].is_monotonic_increasing


async def both(listing: Listing[Any]) -> tuple[pd.DataFrame, pl.DataFrame]:
    return await asyncio.to_thread(listing.frame), await asyncio.to_thread(listing.polars)


async def test_lists_are_frames_of_pandas_and_polars_with_times(notebooks: Notebooks) -> None:
    lab = notebooks["sme-a"]
    (trial,) = await asyncio.to_thread(list, lab.trials())
    assert (trial.slug, trial.owner, trial.start, trial.until) == ("tool-wear", "sme-a", str(EIGHT), str(NINE))
    assert CURRENT in trial.streams
    tenures = await asyncio.to_thread(notebooks["lab"].tenures("mill-1").frame)
    of_stream = tenures[tenures["stream"] == CURRENT]
    assert of_stream["owner"].tolist() == ["lab", "sme-a", "sme-b", "lab"]
    assert of_stream["start"].isna().tolist() == [True, False, False, False]
    assert of_stream["until"].tolist()[:2] == [pd.Timestamp(str(EIGHT)), pd.Timestamp(str(NINE))]
    same = await asyncio.to_thread(notebooks["lab"].tenures("mill-1").polars)
    assert same.schema["start"] == pl.Datetime("us", "UTC")
    assert same["owner"].to_list() == tenures["owner"].tolist()
    assert same["start"].null_count() == tenures["start"].isna().sum()
    for listing in (lab.assets(), lab.participants(), lab.trials(), lab.catalogue()):
        found, columns = await both(listing)
        assert list(found.columns) == columns.columns
        assert len(found) == columns.height > 0
    (current,) = (await asyncio.to_thread(lab.catalogue("spindle drive").frame)).to_dict("records")
    assert (current["reference"], current["unit"], current["owners"]) == (CURRENT, "A", ["sme-a"])


async def test_a_list_of_nothing_has_its_columns(notebooks: Notebooks) -> None:
    for listing in (notebooks["sme-b"].exports(), notebooks["sme-b"].agreements(), notebooks["sme-b"].trials()):
        empty, columns = await both(listing)
        assert len(empty) == columns.height == 0
        assert list(empty.columns) == columns.columns != []
        assert await asyncio.to_thread(repr, listing) == "nothing"


async def test_exports_are_listed(notebooks: Notebooks) -> None:
    lab = notebooks["sme-a"]
    made = await asyncio.to_thread(lambda: lab.streams(CURRENT).export().wait())
    (listed,) = await asyncio.to_thread(list, lab.exports())
    assert (listed.id, listed.state, listed.size, listed.rows) == (made.id, "ready", made.size, 361)
    frame = await asyncio.to_thread(lab.exports().frame)
    assert frame["state"].tolist() == ["ready"]
    assert CURRENT in frame["question"][0]
    assert (await asyncio.to_thread(lab.exports().polars))["progress"].to_list() == [1.0]


async def test_charts_moments_empty_buckets_and_the_newest(notebooks: Notebooks) -> None:
    lab = notebooks["sme-a"]
    current = lab.streams(CURRENT)
    assert len(await asyncio.to_thread(current.points(50).read)) == 50
    held = await asyncio.to_thread(current.at("2026-11-21T08:30:05Z").frame)
    assert held["value"].tolist() == [1800.0]
    filled = current.between(str(EIGHT), str(NINE)).every("5s", "mean", fill="linear")
    assert (await asyncio.to_thread(filled.frame))["mean"].tolist()[:4] == [0.0, 5.0, 10.0, 15.0]
    wide = await asyncio.to_thread(lambda: filled.frame(wide=True))
    assert list(wide.columns) == [CURRENT]
    newest = await asyncio.to_thread(current.latest)
    assert (newest.table["value"].to_pylist(), newest.units) == ([-1.0], {CURRENT: "A"})


async def test_who_asks_too_often_waits_as_told(database: Database) -> None:
    async with floor(database, api_requests_per_minute=40) as running:
        await busy_morning(running)
        async with served(running) as answering:
            with Lab(answering.url, running.tokens["sme-a"], progress=False) as lab:
                assert await asyncio.to_thread(lambda: {lab.me() for _ in range(45)}) == {"sme-a"}


async def test_a_change_whose_answer_was_lost_is_sent_again_and_done_once(
    notebooks: Notebooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = httpx.Client.request
    lost: list[str] = []

    def losing(self: httpx.Client, method: str, url: str, **given: object) -> httpx.Response:
        answer = real(self, method, url, **given)  # type: ignore[arg-type]
        if method == "POST" and not lost:
            lost.append(answer.json()["id"])
            raise httpx.ReadError("the line is dead")
        return answer

    monkeypatch.setattr(httpx.Client, "request", losing)
    export = await asyncio.to_thread(notebooks["sme-a"].streams(CURRENT).export)
    assert lost == [export.id]
    assert len(await asyncio.to_thread(list, notebooks["sme-a"].exports())) == 1


async def test_what_is_hidden_is_answered_as_what_is_not_there(notebooks: Notebooks) -> None:
    for path in ("robot-1.joint_1", "robot-9.joint_1"):
        with pytest.raises(Answered, match="GET /v1/streams lists"):
            await asyncio.to_thread(list, notebooks["sme-a"].streams(path).gaps())
