"""The client for notebooks, against a real lab: frames with units and owners, packages, live samples, clear errors."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from fieldlab.readings.instant import SECOND, Instant
from fieldlab_client import Answered, FieldlabClientError, Lab, Live, NotWhole, Package, RightEnded, Sample
from fieldlab_client.connection import Connection
from fieldlab_client.export import Export
from tests.integration.api.lab import CURRENT, EIGHT, NINE, SPEED, STATE, Row
from tests.integration.api.listening import arrive
from tests.integration.api.test_agreements import agree, step
from tests.integration.client.conftest import Notebooks


async def test_a_trial_is_one_frame_with_units_and_owners(notebooks: Notebooks) -> None:
    lab = notebooks["sme-a"]
    assert await asyncio.to_thread(lab.me) == "sme-a"
    frame = await asyncio.to_thread(lab.trial("tool-wear").frame)
    assert isinstance(frame, pd.DataFrame)
    assert frame.groupby("stream", observed=True).size().to_dict() == {CURRENT: 361, STATE: 360}
    assert frame.attrs["units"] == {CURRENT: "A", SPEED: "/min", STATE: "1"}
    assert frame.attrs["owners"] == ["sme-a"]
    assert {segment["trial"] for segment in frame.attrs["segments"]} == {"tool-wear"}
    assert set(frame["owner"]) == {"sme-a"}
    assert str(frame["time"].dtype).endswith("UTC]")
    assert frame["time"].min() == pd.Timestamp(str(EIGHT))


async def test_buckets_and_one_column_a_stream(notebooks: Notebooks) -> None:
    chosen = notebooks["sme-a"].streams(CURRENT).between(str(EIGHT), str(NINE))
    minutes = await asyncio.to_thread(chosen.every("1m", "mean", "count").frame)
    assert len(minutes) == 60
    assert minutes["count"].tolist()[0] == 6
    wide = await asyncio.to_thread(lambda: chosen.every("1m").frame(wide=True))
    assert list(wide.columns) == [CURRENT]
    assert wide.attrs["units"][CURRENT] == "A"


async def test_arrow_and_polars_have_the_same_rows(notebooks: Notebooks) -> None:
    measured = await asyncio.to_thread(notebooks["sme-a"].streams(CURRENT, STATE).read)
    assert isinstance(measured.table, pa.Table)
    assert measured.polars().height == len(measured) == 721
    assert {segment.owner for segment in measured.segments} == {"sme-a"}


async def test_the_catalogue_is_asked_only_as_far_as_one_looks(
    notebooks: Notebooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = Connection.get

    def watched(self: Connection, path: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        asked.append(path)
        return real(self, path, parameters)

    monkeypatch.setattr(Connection, "get", watched)
    catalogue = notebooks["sme-a"].catalogue("spindle")
    assert asked == []
    found = await asyncio.to_thread(lambda: catalogue.first(1))
    assert [(entry.reference, entry.unit) for entry in found] == [(CURRENT, "A")]
    assert [one.owner for one in found[0].coverage] == ["sme-a"]
    assert asked == ["/v1/catalogue"]
    assert CURRENT in await asyncio.to_thread(lambda: repr(catalogue))


async def test_a_package_is_downloaded_checked_and_read_without_the_lab(notebooks: Notebooks, tmp_path: Path) -> None:
    package = await asyncio.to_thread(notebooks["sme-a"].trial("tool-wear").package, tmp_path / "trial.zip")
    again = Package(package.path)
    again.check()
    assert set(again.streams) == {CURRENT, SPEED, STATE}
    frame = again.frame(CURRENT)
    assert len(frame) == 361
    assert (frame.attrs["units"], frame.attrs["owners"]) == ({CURRENT: "A"}, ["sme-a"])
    assert "First company" not in repr(again)
    assert "361" not in repr(again)
    assert "721 rows" in repr(again)


async def test_a_download_that_broke_off_goes_on(
    notebooks: Notebooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = await asyncio.to_thread(lambda: notebooks["sme-a"].asset("mill-1").export().wait())
    whole = (await asyncio.to_thread(export.download, tmp_path / "whole.zip")).path.read_bytes()
    part = tmp_path / f"again.zip.{export.id[:8]}.part"
    part.write_bytes(whole[:1000])
    asked: list[str] = []
    real = Connection.streamed

    def watched(self: Connection, method: str, path: str, **given: object) -> object:
        headers = given.get("headers")
        asked.append(headers.get("Range", "") if isinstance(headers, dict) else "")
        return real(self, method, path, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(Connection, "streamed", watched)
    package = await asyncio.to_thread(export.download, tmp_path / "again.zip")
    assert asked == ["bytes=1000-"]
    assert package.path.read_bytes() == whole
    part.write_bytes(b"x" * len(whole))
    with pytest.raises(NotWhole, match="not the one that the lab made"):
        await asyncio.to_thread(export.download, tmp_path / "again.zip")
    assert not part.exists()


async def test_an_export_is_found_again_and_says_why_there_is_none(notebooks: Notebooks, tmp_path: Path) -> None:
    lab = notebooks["sme-a"]
    made = await asyncio.to_thread(lambda: lab.streams(CURRENT).export().wait())
    found = await asyncio.to_thread(lab.export, made.id)
    assert (found.id, found.state, found.size) == (made.id, "ready", made.size)
    await asyncio.to_thread(found.end)
    with pytest.raises(FieldlabClientError, match="cancelled"):
        await asyncio.to_thread(found.download, tmp_path / "none.zip")
    hidden: Export = await asyncio.to_thread(lab.asset("robot-1").export)
    with pytest.raises(FieldlabClientError, match="failed: There is no asset"):
        await asyncio.to_thread(hidden.wait)


async def test_live_samples_come_one_by_one_with_unit_and_owner(notebooks: Notebooks) -> None:
    got: list[Sample] = []
    live = notebooks["lab"].streams(CURRENT).live()
    following = asyncio.create_task(asyncio.to_thread(follow, live, got, 3))
    moment = Instant.parse("2026-11-22T00:00:00Z")
    assert await asyncio.to_thread(live.following.wait, 100)
    await arrive(notebooks.floor, CURRENT, [Row(time=Instant(moment + n * SECOND), value=float(n)) for n in range(3)])
    async with asyncio.timeout(100):
        await following
    assert [(one.value, one.unit, one.owner, one.late) for one in got] == [
        (float(n), "A", "lab", False) for n in range(3)
    ]


def follow(live: Live, got: list[Sample], most: int) -> None:
    for sample in live:
        got.append(sample)
        if len(got) >= most:
            return


async def test_a_live_answer_says_when_the_right_ends(notebooks: Notebooks) -> None:
    id_ = await agree(notebooks.floor, live=True)
    live = notebooks["researcher"].streams(CURRENT).live()
    reasons: list[str] = []

    def follow_to_the_end() -> None:
        try:
            for _ in live:
                pass
        except RightEnded as error:
            reasons.append(error.reason)

    following = asyncio.create_task(asyncio.to_thread(follow_to_the_end))
    assert await asyncio.to_thread(live.following.wait, 100)
    assert await step(notebooks.floor, "sme-a", id_, "terminate") == 200
    async with asyncio.timeout(100):
        await following
    assert reasons == ["agreement.terminated"]


async def test_errors_say_what_to_do(notebooks: Notebooks) -> None:
    lab = notebooks["sme-a"]
    for hidden in ("robot-1.joint_1", "robot-9.joint_1"):
        with pytest.raises(Answered, match="GET /v1/streams lists") as refused:
            await asyncio.to_thread(lab.streams(hidden).frame)
        assert (refused.value.status, refused.value.type) == (404, "/problems/not-found")
        assert refused.value.request_id
    with pytest.raises(FieldlabClientError, match="no trial 'none'"):
        await asyncio.to_thread(lab.trial("none").frame)
    with pytest.raises(FieldlabClientError, match="Name at least one stream"):
        lab.streams()


def test_a_lab_without_address_or_key_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("API", raising=False)
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(FieldlabClientError, match="set API"):
        Lab()
    with pytest.raises(FieldlabClientError, match="set TOKEN"):
        Lab("http://127.0.0.1:1")
