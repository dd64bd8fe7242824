"""Saved answers: a file is there once it is whole, and one that was cut, anywhere, is told from it."""

import asyncio
from pathlib import Path

import pyarrow as pa
import pytest

from fieldlab import errors
from fieldlab.readings.instant import Instant
from fieldlab.storage import samples
from fieldlab_client import Answered, FieldlabClientError, NotWhole, check
from tests.integration.api.lab import CURRENT, EIGHT, NINE, SPEED, Row
from tests.integration.client.conftest import Notebooks
from tests.servers.engine import EngineName

pytestmark = pytest.mark.parametrize("engine_server", [EngineName.PLAIN], indirect=True)

FORMATS = ["arrow", "parquet", "csv", "ndjson"]
ROWS = 361


def names(directory: Path) -> list[str]:
    return [file.name for file in directory.iterdir() if file.is_file()]


@pytest.mark.parametrize("suffix", FORMATS)
async def test_a_file_that_was_cut_anywhere_is_not_taken_for_whole(
    notebooks: Notebooks, tmp_path: Path, suffix: str
) -> None:
    chosen = notebooks["sme-a"].streams(CURRENT).between(str(EIGHT), str(NINE))
    saved = await asyncio.to_thread(chosen.save, tmp_path / f"mill.{suffix}")
    assert check(saved) == ROWS
    assert names(tmp_path) == [saved.name]
    whole = saved.read_bytes()
    for size in {len(whole) - 1, len(whole) - 8, len(whole) // 2, 9, 0}:
        cut = tmp_path / f"cut.{suffix}"
        cut.write_bytes(whole[:size])
        with pytest.raises(NotWhole, match=f"cut.{suffix} broke off"):
            check(cut)


async def test_an_arrow_stream_cut_behind_a_batch_opens_and_is_told_all_the_same(
    notebooks: Notebooks, tmp_path: Path
) -> None:
    saved = await asyncio.to_thread(notebooks["sme-a"].streams(CURRENT).save, tmp_path / "mill.arrow")
    cut = tmp_path / "cut.arrow"
    cut.write_bytes(saved.read_bytes()[:-8])
    assert pa.ipc.open_stream(cut.read_bytes()).read_all().num_rows == ROWS, "a reader asks for no mark"
    with pytest.raises(NotWhole, match="the mark that ends an Arrow stream is missing"):
        check(cut)


@pytest.mark.parametrize("suffix", FORMATS)
async def test_an_answer_that_breaks_off_leaves_no_file(
    notebooks: Notebooks, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end(*_: object) -> None:
        raise errors.RightEnded("It is over.", reason="agreement.terminated")

    monkeypatch.setattr("fieldlab.storage.samples.SamplesLeft._next", end)
    tick = (NINE - EIGHT) // (samples.BATCH + 10)
    rows = (Row(time=Instant(EIGHT + number * tick), value=1.0) for number in range(samples.BATCH + 1))
    await asyncio.to_thread(notebooks.floor.store, SPEED, rows)
    with pytest.raises(NotWhole):
        await asyncio.to_thread(notebooks["sme-a"].streams(SPEED).save, tmp_path / f"speed.{suffix}")
    assert names(tmp_path) == []


async def test_what_is_refused_leaves_no_file_and_an_unknown_suffix_says_which_there_are(
    notebooks: Notebooks, tmp_path: Path
) -> None:
    lab = notebooks["sme-a"]
    with pytest.raises(Answered):
        await asyncio.to_thread(lab.streams("mill-1.nothing").save, tmp_path / "x.csv")
    with pytest.raises(FieldlabClientError, match=r"\.parquet"):
        await asyncio.to_thread(lab.streams(CURRENT).save, tmp_path / "x.xlsx")
    assert names(tmp_path) == []
