"""The query over HTTP: steps of the calendar, filled buckets, charts, one time axis, a trial, the value in force."""

import csv
import io
import json
from typing import Any

import httpx
import pyarrow as pa
import pytest
from pyarrow import parquet

from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.storage import windows
from tests.integration.api.lab import CURRENT, EIGHT, NINE, SPEED, STATE, Floor, Row, hand_over
from tests.servers.engine import EngineName

pytestmark = pytest.mark.parametrize("engine_server", [EngineName.TIMESCALEDB], indirect=True)

FORMATS = ["json", "ndjson", "csv", "arrow", "parquet"]
WIDE = ["time", CURRENT, f"{CURRENT}.segment", STATE, f"{STATE}.segment"]
WIDE_WITH_OWNERS = [*WIDE[:2], f"{CURRENT}.owner", *WIDE[2:4], f"{STATE}.owner", WIDE[4]]
Table = list[dict[str, Any]]


async def ask(lab: Floor, participant: str, **asked: Any) -> httpx.Response:  # noqa: ANN401 - parameters
    answer = await lab[participant].get("/v1/measurements", params={k.rstrip("_"): v for k, v in asked.items()})
    assert answer.status_code == 200, answer.text
    return answer


async def table(lab: Floor, participant: str, **asked: Any) -> Table:  # noqa: ANN401 - parameters
    """The rows of a JSON answer by the names of its columns."""
    body = (await ask(lab, participant, **asked)).json()
    return [dict(zip(body["columns"], row, strict=True)) for row in body["rows"]]


def read(answer: httpx.Response, format_: str) -> tuple[list[str], Table]:
    """The columns and rows of a wide answer, times and numbers as JSON has them."""
    match format_:
        case "json":
            body = answer.json()
            return body["columns"], [dict(zip(body["columns"], row, strict=True)) for row in body["rows"]]
        case "ndjson":
            rows = [json.loads(line) for line in answer.text.splitlines()[1:-1]]
            return list(rows[0]), rows
        case "csv":
            lines = csv.DictReader(io.StringIO(answer.text, newline=""), strict=True)
            rows = [{name: _cell(name, cell) for name, cell in line.items()} for line in lines]
            return list(lines.fieldnames or ()), rows
        case "arrow":
            return _arrow(pa.ipc.open_stream(answer.content).read_all())
        case _:
            return _arrow(parquet.read_table(io.BytesIO(answer.content)))


def _cell(name: str, cell: str) -> object:
    if cell == "":
        return None
    return (
        cell
        if name in {"time", STATE} or name.endswith(".owner")
        else int(cell)
        if name.endswith(".segment")
        else float(cell)
    )


def _arrow(given: pa.Table) -> tuple[list[str], Table]:
    rows = given.to_pylist()
    for row in rows:
        row["time"] = str(Instant.of(row["time"]))
    return given.schema.names, rows


async def test_days_of_a_time_zone_are_its_days(quiet_lab: Floor) -> None:
    quiet_lab.store(SPEED, [Row(time=Instant.parse(f"2026-10-{day}T{hour}:00:00Z"), value=1.0)
                            for day in (24, 25, 26) for hour in (21, 22, 23)])  # fmt: skip
    rows = await table(
        quiet_lab, "lab", stream=SPEED, from_="2026-10-24T00:00:00+02:00", until="2026-10-27T00:00:00+01:00",
        step="1d", time_zone="Europe/Amsterdam", aggregate="count",
    )  # fmt: skip
    assert [(row["time"], row["count"], row["partial"]) for row in rows] == [
        ("2026-10-23T22:00:00.000000Z", 1, False),
        ("2026-10-24T22:00:00.000000Z", 4, False),
        ("2026-10-25T23:00:00.000000Z", 3, False),
    ]


async def test_an_empty_bucket_is_filled_from_its_owner_s_own_and_says_so(lab: Floor) -> None:
    rows = await table(
        lab, "sme-a", stream=CURRENT, from_=str(Instant(EIGHT - 20 * MINUTE)), until=str(Instant(NINE + 20 * MINUTE)),
        step="1s", fill="previous", aggregate="mean,count",
    )  # fmt: skip
    assert len(rows) == 3600
    assert {row["count"] for row in rows} == {0, 1}
    assert [row["filled"] for row in rows[:12]] == [False] + [True] * 9 + [False, True]
    assert [row["mean"] for row in rows[9:12]] == [0.0, 10.0, 10.0]


async def test_a_filled_answer_comes_in_pages_that_agree_with_the_whole(lab: Floor) -> None:
    asked = {"stream": CURRENT, "from_": str(EIGHT), "until": str(NINE), "step": "3s", "fill": "linear"}
    whole = (await ask(lab, "sme-a", **asked)).json()["rows"]
    paged: list[Any] = []
    cursor: str | None = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = (await ask(lab, "sme-a", **asked, limit=500, **more)).json()
        paged += page["rows"]
        cursor = page["next"]
        if cursor is None:
            break
    assert [row[:2] for row in paged] == [row[:2] for row in whole]
    assert [row[2] for row in paged] == pytest.approx([row[2] for row in whole])


async def test_a_chart_has_so_many_points_and_no_statuses(lab: Floor) -> None:
    body = (await ask(lab, "sme-a", stream=CURRENT, points=30)).json()
    assert body["columns"] == ["time", "stream", "value", "segment"]
    assert len(body["rows"]) == 30
    assert body["segments"][0]["origins"]


async def test_the_value_in_force_is_one_row_a_stream_and_not_of_who_was_before(lab: Floor) -> None:
    assert [row["value"] for row in await table(lab, "sme-a", asset="mill-1", as_of=str(Instant(NINE - 2)))] == [
        3590.0,
        "EXECUTE",
    ]
    assert await table(lab, "sme-a", asset="mill-1", as_of=str(NINE)) == []
    assert len(await table(lab, "sme-b", asset="mill-1", as_of=str(NINE))) == 2


async def test_a_trial_gives_its_streams_for_its_time_and_to_strangers_nothing(lab: Floor) -> None:
    body = (await ask(lab, "sme-a", trial="tool-wear")).json()
    assert [(one["name"]) for one in body["streams"]] == ["spindle_current", "spindle_speed", "state"]
    assert {(one["from"], one["until"], one["trial"]) for one in body["segments"]} == {
        (str(EIGHT), str(NINE), "tool-wear")
    }
    hidden = await lab["sme-b"].get("/v1/measurements", params={"trial": "tool-wear"})
    missing = await lab["sme-b"].get("/v1/measurements", params={"trial": "no-such-one"})
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["detail"].replace("tool-wear", "") == missing.json()["detail"].replace("no-such-one", "")


@pytest.mark.parametrize("format_", FORMATS)
async def test_one_time_axis_has_a_column_a_stream_and_its_segment(lab: Floor, format_: str) -> None:
    asked = {"stream": [CURRENT, STATE], "from_": str(Instant(NINE - 11 * SECOND)), "until": str(Instant(NINE + 2))}
    owned = format_ not in {"json", "ndjson"}
    columns, rows = read(await ask(lab, "sme-b", layout="wide", format=format_, **asked), format_)
    assert columns == (WIDE_WITH_OWNERS if owned else WIDE)
    assert [tuple(row[name] for name in WIDE) for row in rows] == [
        (str(NINE), 3600.0, 0, "EXECUTE", 1),
        (str(Instant(NINE + 1)), -2.0, 0, None, None),
    ]
    if owned:
        assert [(row[f"{CURRENT}.owner"], row[f"{STATE}.owner"]) for row in rows] == [
            ("sme-b", "sme-b"),
            ("sme-b", None),
        ]
    _, rows = read(await ask(lab, "sme-a", layout="wide", format=format_, **asked), format_)
    assert [tuple(row[name] for name in WIDE) for row in rows] == [
        (str(Instant(NINE - 10 * SECOND)), 3590.0, 0, "EXECUTE", 1),
        (str(Instant(NINE - 1)), -1.0, 0, None, None),
    ]


async def test_a_wide_answer_of_several_aggregates_names_them(lab: Floor) -> None:
    body = (await ask(lab, "sme-a", stream=[CURRENT, SPEED], step="30m", aggregate="mean,count", layout="wide")).json()
    assert body["columns"] == [
        "time", f"{CURRENT}.mean", f"{CURRENT}.count", f"{CURRENT}.segment",
        f"{SPEED}.mean", f"{SPEED}.count", f"{SPEED}.segment",
    ]  # fmt: skip
    assert [row[2:] for row in body["rows"]] == [[180, 0, None, None, None], [181, 0, None, None, None]]


async def test_parts_of_a_bucket_that_a_hand_over_cut_have_a_row_each(lab: Floor) -> None:
    await hand_over(lab, "mill-1", "sme-a", Instant(NINE + 60 * MINUTE), Instant(NINE + 90 * MINUTE))
    body = (await ask(lab, "sme-a", stream=[CURRENT], step="4h", aggregate="count", layout="wide")).json()
    assert body["rows"] == [[str(EIGHT), 361, 0], [str(EIGHT), 180, 1]]


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("limit", [None, 700])
async def test_a_long_wide_answer_is_the_same_in_stretches_and_pages(
    lab: Floor, format_: str, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.store(SPEED, (Row(time=Instant(EIGHT + n * 700_000), value=float(n)) for n in range(5000)))
    asked = {"stream": [SPEED, CURRENT, STATE], "from_": str(EIGHT), "layout": "wide"}
    _, whole = read(await ask(lab, "sme-a", format=format_, **asked), format_)
    assert len(whole) > 5000
    assert [row["time"] for row in whole] == sorted({row["time"] for row in whole})
    monkeypatch.setattr(windows, "MOST", 900)
    answer = await ask(lab, "sme-a", format=format_, **asked, **({} if limit is None else {"limit": limit}))
    parts = read(answer, format_)[1]
    while "next" in answer.links:
        answer = await lab["sme-a"].get(f"{answer.links['next']['url']}&format={format_}")
        parts += read(answer, format_)[1]
    assert parts == whole


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"points": "2"}, "at least 3"),
        ({"points": "1000000"}, "20000"),
        ({"points": "100", "step": "1m"}, "points goes without step"),
        ({"points": "100", "limit": "10"}, "points goes without limit"),
        ({"as_of": "2026-11-21T09:00:00Z", "last": "1h"}, "as_of goes without last"),
        (
            {"as_of": "2026-11-21T09:00:00Z", "from": "2026-11-21T08:00:00Z", "step": "1m"},
            "as_of goes without from and step",
        ),
        ({"as_of": "2026-11-21T09:00:00"}, "no offset"),
        ({"fill": "null"}, "fill needs a step"),
        ({"fill": "null", "step": "1m"}, "where to begin"),
        ({"fill": "cubic", "step": "1m", "last": "1h"}, "'linear'"),
        ({"layout": "wide", "points": "100"}, "layout=wide"),
        ({"layout": "square"}, "'wide'"),
        ({"trial": "tool-wear"}, "either stream, once or more, or asset or trial"),
    ],
)
async def test_what_cannot_go_together_is_refused_with_what_to_do(
    quiet_lab: Floor, asked: dict[str, str], named: str
) -> None:
    answer = await quiet_lab["lab"].get("/v1/measurements", params={"stream": CURRENT, **asked})
    assert answer.status_code == 422, answer.text
    assert named in answer.json()["detail"]
