"""What an answer looks like: the segments first, rows in the order of the columns, every format with its owners."""

import csv
import gzip
import io
import json
from typing import Any

import httpx

from fieldlab.readings.instant import MINUTE, SECOND, Instant
from tests.integration.api.lab import CURRENT, EIGHT, NINE, SPEED, STATE, TEN, Floor, Row, hand_over


async def got(lab: Floor, participant: str, path: str = "/v1/measurements", **asked: Any) -> httpx.Response:  # noqa: ANN401
    given = {name.rstrip("_"): value for name, value in asked.items()}
    answer = await lab[participant].get(path, params=given)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    return answer


def read_csv(answer: httpx.Response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.text, newline=""), strict=True))


async def test_a_page_of_samples_names_streams_segments_and_columns(lab: Floor) -> None:
    answer = await got(lab, "sme-a", stream=[CURRENT, STATE], from_=str(Instant(NINE - 10 * SECOND)))
    assert [*json.loads(answer.text)] == ["decided_at", "streams", "segments", "checkpoint", "columns", "rows", "next"]
    body = answer.json()
    current, state = body["streams"]
    assert (current["asset"], current["name"], current["unit"], current["nature"]) == (
        "mill-1",
        "spindle_current",
        "A",
        "simulated",
    )
    assert body["columns"] == ["time", "stream", "value", "status", "segment"]
    start, until = "2026-11-21T08:59:50.000000Z", "2026-11-21T09:00:00.000000Z"
    assert body["rows"] == [
        [start, current["id"], 3590.0, 0, 0],
        ["2026-11-21T08:59:59.999999Z", current["id"], -1.0, 0, 0],
        [start, state["id"], "EXECUTE", 0, 1],
    ]
    segment = {
        "from": start,
        "until": until,
        "owner": "sme-a",
        "trial": "tool-wear",
        "basis": {"kind": "own"},
        "licence": None,
        "shape": {},
        "origins": ["live"],
        "gaps": [],
    }
    assert body["segments"] == [
        {"segment": 0, "stream": current["id"], **segment},
        {"segment": 1, "stream": state["id"], **segment},
    ]
    assert body["next"] is None


async def test_a_stream_can_be_asked_by_id_or_reference_and_appears_once(lab: Floor) -> None:
    by_reference = (await got(lab, "sme-a", stream=CURRENT)).json()
    id_ = by_reference["streams"][0]["id"]
    both = (await got(lab, "sme-a", stream=[id_, CURRENT])).json()
    assert both["rows"] == by_reference["rows"]
    assert (await got(lab, "sme-a", f"/v1/streams/{id_}")).json()["reference"] == CURRENT


async def test_a_post_of_the_same_fields_gives_the_same_page(lab: Floor) -> None:
    bounds = {"until": str(NINE), "step": "10m"}
    fields = {"stream": [CURRENT], "from": str(EIGHT), "aggregate": ["count", "max"], **bounds}
    sent = await lab["sme-a"].post("/v1/measurements", json=fields)
    asked = await got(lab, "sme-a", stream=CURRENT, from_=str(EIGHT), aggregate="count,max", **bounds)
    assert sent.json()["rows"] == asked.json()["rows"]
    assert sent.headers["link"] == asked.headers["link"]


async def test_the_links_of_a_query_too_long_for_an_address_hold_its_cursor_alone(lab: Floor) -> None:
    fields = {"stream": [CURRENT] * 500, "limit": 200}
    first = await lab["sme-a"].post("/v1/measurements", json={**fields, "format": "csv"})
    assert len(first.headers["link"]) < 1_000
    assert first.links["describedby"]["url"] == "/v1/segments"
    address = httpx.URL(first.links["next"]["url"])
    assert (address.path, [*address.params]) == ("/v1/measurements", ["cursor"])
    second = await lab["sme-a"].post("/v1/measurements", json={**fields, "cursor": address.params["cursor"]})
    assert len(second.json()["rows"]) == 161


async def test_buckets_have_one_column_an_aggregate_in_the_order_asked_and_the_grid_of_the_epoch(lab: Floor) -> None:
    body = (
        await got(
            lab,
            "sme-a",
            stream=CURRENT,
            from_=str(Instant(EIGHT + 30 * SECOND)),
            until=str(NINE),
            step="30m",
            aggregate="count,mean,min,max",
        )
    ).json()
    assert body["columns"] == ["time", "stream", "count", "mean", "min", "max", "partial", "segment"]
    id_ = body["streams"][0]["id"]
    assert body["rows"][0] == ["2026-11-21T08:00:00.000000Z", id_, 177, 910.0, 30.0, 1790.0, True, 0]
    assert body["rows"][1][0] == "2026-11-21T08:30:00.000000Z"
    assert body["rows"][1][6:] == [False, 0]


async def test_a_bucket_without_a_sample_is_absent(lab: Floor) -> None:
    body = (await got(lab, "sme-a", stream=[SPEED, CURRENT], step="5s")).json()
    assert {row[1] for row in body["rows"]} == {body["streams"][1]["id"]}
    assert len(body["rows"]) == 361


async def test_a_step_alone_gives_the_mean(lab: Floor) -> None:
    body = (await got(lab, "sme-a", stream=CURRENT, step="P1D")).json()
    assert body["columns"][2:] == ["mean", "partial", "segment"]


async def test_status_and_origin_are_told_and_only_good_can_be_asked(quiet_lab: Floor) -> None:
    times = [Instant(EIGHT + second * SECOND) for second in range(4)]
    quiet_lab.store(
        SPEED,
        [
            Row(time=times[0], value=1.0, origin=3),
            Row(time=times[1], value=2.0, status=0x4000, origin=3 + 16),
            Row(time=times[2], value=None, status=0x809C - 0x10000, origin=2),
            Row(time=times[3], value=4.0),
        ],
    )
    all_ = (await got(quiet_lab, "lab", stream=SPEED)).json()
    assert [row[2:4] for row in all_["rows"]] == [[1.0, 0], [2.0, 0x4000], [None, 0x809C], [4.0, 0]]
    assert all_["segments"][0]["origins"] == ["live", "replay", "simulated"]
    good = (await got(quiet_lab, "lab", stream=SPEED, status="good")).json()
    assert [row[2] for row in good["rows"]] == [1.0, 4.0]
    counts = [
        (await got(quiet_lab, "lab", stream=SPEED, step="1m", aggregate="count,max", status=status)).json()["rows"][0]
        for status in ("all", "good")
    ]
    assert [row[2:4] for row in counts] == [[3, 4.0], [2, 4.0]]


async def test_known_gaps_are_told_clipped_to_the_segment(lab: Floor) -> None:
    lab.execute(
        "INSERT INTO fieldlab.gap (stream_id, start, until, cause)"
        " SELECT id, %s, %s, 'session_lost' FROM fieldlab.stream WHERE name = 'spindle_current'",
        [str(Instant(NINE - 2 * MINUTE)), str(Instant(NINE + 2 * MINUTE))],
    )
    gap = {"from": "2026-11-21T08:58:00.000000Z", "until": "2026-11-21T09:00:00.000000Z", "cause": "session_lost"}
    for path in ("/v1/measurements", "/v1/segments"):
        assert (await got(lab, "sme-a", path, stream=CURRENT)).json()["segments"][0]["gaps"] == [gap]


async def test_the_last_minutes_end_at_the_database_s_clock(quiet_lab: Floor) -> None:
    now = Instant.now()
    quiet_lab.store(SPEED, [Row(time=Instant(now - ago), value=1.0) for ago in (30 * SECOND, 90 * SECOND)])
    body = (await got(quiet_lab, "lab", stream=SPEED, last="1m")).json()
    assert len(body["rows"]) == 1
    segment = body["segments"][0]
    assert segment["until"] == body["decided_at"]
    assert Instant.parse(segment["until"]) - Instant.parse(segment["from"]) == MINUTE


async def test_a_stream_that_was_never_mine_in_that_time_is_no_error_but_absent(lab: Floor) -> None:
    body = (await got(lab, "sme-a", stream=CURRENT, from_=str(TEN))).json()
    assert (body["segments"], body["rows"], len(body["streams"])) == ([], [], 1)


async def test_segments_are_the_page_without_its_rows(lab: Floor) -> None:
    asked: dict[str, Any] = {"asset": "mill-1", "step": "1m", "limit": 7}
    whole = (await got(lab, "sme-b", **asked)).json()
    alone = (await got(lab, "sme-b", "/v1/segments", **asked)).json()
    assert set(alone) == {"decided_at", "streams", "segments", "checkpoint", "next"}
    assert (alone["streams"], alone["segments"]) == (whole["streams"], whole["segments"])
    sent = await lab["sme-b"].post("/v1/segments", json=asked)
    assert sent.json()["segments"] == whole["segments"]


async def test_csv_has_owner_and_segment_in_every_line_and_points_at_its_segments(lab: Floor) -> None:
    answer = await got(lab, "sme-a", stream=CURRENT, format="csv", limit=3)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.text.endswith("\r\n")
    rows = read_csv(answer)
    assert rows[:2] == [
        ["time", "asset", "stream", "unit", "value", "status", "owner", "segment"],
        ["2026-11-21T08:00:00.000000Z", "mill-1", "spindle_current", "A", "0", "0", "sme-a", "0"],
    ]
    assert len(rows) == 4
    described = answer.links["describedby"]["url"]
    segments = (await lab["sme-a"].get(described)).json()["segments"]
    assert [segment["owner"] for segment in segments] == ["sme-a"]


async def test_the_segments_of_the_last_minutes_as_csv_are_those_of_the_very_range(quiet_lab: Floor) -> None:
    answer = await got(quiet_lab, "lab", stream=SPEED, last="1m", format="text/csv;header=comment")
    told = json.loads(answer.text.splitlines()[1].removeprefix("# "))
    (segment,) = (await quiet_lab["lab"].get(answer.links["describedby"]["url"])).json()["segments"]
    assert (segment["from"], segment["until"]) == (told["from"], told["until"])


async def test_csv_is_paged_by_its_link_until_there_is_none(lab: Floor) -> None:
    url, times, pages = f"/v1/measurements?stream={CURRENT}&limit=100&step=15s&aggregate=count&format=csv", [], 0
    while url:
        answer = await lab["sme-a"].get(url)
        times += [row[0] for row in read_csv(answer)[1:]]
        pages += 1
        following = answer.links.get("next", {}).get("url")
        url = f"{following}&format=csv" if following else ""
    assert (pages, len(times)) == (3, 240)
    assert times == sorted(set(times))


async def test_segments_can_stand_above_the_csv_as_comments(lab: Floor) -> None:
    for answer in (
        await got(lab, "sme-a", stream=CURRENT, format="text/csv;header=comment"),
        await lab["sme-a"].get(f"/v1/measurements?stream={CURRENT}", headers={"Accept": "text/csv; header=comment"}),
    ):
        assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=comment"
        lines = answer.text.splitlines()
        about, segment = (json.loads(line.removeprefix("# ")) for line in lines[:2])
        assert about["streams"][0]["name"] == "spindle_current"
        assert segment["owner"] == "sme-a"
        assert lines[2].startswith("time,")


async def test_a_text_that_looks_like_a_formula_is_disarmed_in_csv_and_numbers_are_untouched(quiet_lab: Floor) -> None:
    texts = ["=1+1", "+2", "-3", "@SUM(A1)", "\t=1", 'say "hi"', "two\nlines", "comma, here", "plain"]
    quiet_lab.store(STATE, [Row(time=Instant(EIGHT + n * SECOND), text=text) for n, text in enumerate(texts)])
    quiet_lab.store(SPEED, [Row(time=EIGHT, value=-3.5), Row(time=Instant(EIGHT + 1), value=1e-300)])
    told = [row[4] for row in read_csv(await got(quiet_lab, "lab", stream=STATE, format="csv"))[1:]]
    assert told == ["'=1+1", "'+2", "'-3", "'@SUM(A1)", "'\t=1", *texts[5:]]
    numbers = [row[4] for row in read_csv(await got(quiet_lab, "lab", stream=SPEED, format="csv"))[1:]]
    assert numbers == ["-3.5", "1e-300"]
    assert [row[2] for row in (await got(quiet_lab, "lab", stream=STATE)).json()["rows"]] == texts


async def test_what_json_cannot_write_is_null_and_csv_says_it(quiet_lab: Floor) -> None:
    quiet_lab.store(SPEED, [Row(time=EIGHT, value=float("nan")), Row(time=Instant(EIGHT + 1), value=float("inf"))])
    assert [row[2] for row in (await got(quiet_lab, "lab", stream=SPEED)).json()["rows"]] == [None, None]
    told = [row[4] for row in read_csv(await got(quiet_lab, "lab", stream=SPEED, format="csv"))[1:]]
    assert told == ["nan", "inf"]


async def test_a_long_page_is_the_same_as_its_short_ones(quiet_lab: Floor) -> None:
    count = 12_345
    quiet_lab.store(SPEED, (Row(time=Instant(EIGHT + n * 1_000), value=n / 7) for n in range(count)))
    body = (await got(quiet_lab, "lab", stream=SPEED, limit=100_000)).json()
    assert [row[2] for row in body["rows"]] == [n / 7 for n in range(count)]
    assert [row[0] for row in body["rows"]] == [str(Instant(EIGHT + n * 1_000)) for n in range(count)]
    lines = read_csv(await got(quiet_lab, "lab", stream=SPEED, limit=100_000, format="csv"))
    assert [float(row[4]) for row in lines[1:]] == [n / 7 for n in range(count)]


async def test_an_answer_is_packed_when_asked_and_worth_it(lab: Floor) -> None:
    headers = {"Accept-Encoding": "gzip"}
    async with lab["sme-a"].stream("GET", f"/v1/measurements?stream={CURRENT}", headers=headers) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        packed = b"".join([piece async for piece in answer.aiter_raw()])
    assert len(json.loads(gzip.decompress(packed))["rows"]) == 361
    plain = await lab["sme-a"].get(f"/v1/measurements?stream={CURRENT}", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers


async def test_head_is_get_without_its_body(lab: Floor) -> None:
    url = f"/v1/measurements?stream={CURRENT}&limit=10"
    plain = {"Accept-Encoding": "identity"}  # packed, the length depends on the moment of the decision
    whole, head = await lab["sme-a"].get(url, headers=plain), await lab["sme-a"].head(url, headers=plain)
    assert head.status_code == 200
    assert head.content == b""
    assert {**head.headers, "x-request-id": ""} == {**whole.headers, "x-request-id": ""}
    assert (await lab["sme-a"].head("/v1/streams/robot-1.joint_1")).status_code == 404
    async with lab.client(None) as stranger:
        assert (await stranger.head(url)).status_code == 401


async def test_options_lists_the_methods(lab: Floor) -> None:
    async with lab.client(None) as stranger:
        answer = await stranger.options("/v1/measurements")
        assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
        hidden, missing = await stranger.options("/v1/assets/robot-1"), await stranger.options("/v1/assets/robot-9")
        assert (hidden.status_code, hidden.headers["allow"]) == (missing.status_code, missing.headers["allow"])


async def test_every_answer_has_a_request_id_the_caller_s_own_if_it_sent_a_sane_one(lab: Floor) -> None:
    given = await lab["sme-a"].get("/v1/me", headers={"X-Request-Id": "my-notebook.7"})
    assert given.headers["x-request-id"] == "my-notebook.7"
    ids = {
        (await lab["sme-a"].get("/v1/me", headers={"X-Request-Id": wild})).headers["x-request-id"]
        for wild in ("", "a b", "x" * 65, "a;b", '"')
    }
    assert len(ids) == 5
    assert all(len(id_) == 32 for id_ in ids)


async def test_latest_of_a_stream_without_a_value_has_no_row(lab: Floor) -> None:
    body = (await got(lab, "sme-b", "/v1/latest", asset="mill-1")).json()
    assert len(body["streams"]) == 3
    assert len(body["rows"]) == len(body["segments"]) == 2
    assert all(row[0] < str(TEN) for row in body["rows"])
    lines = read_csv(await got(lab, "sme-b", "/v1/latest", asset="mill-1", format="csv"))
    assert [row[6] for row in lines[1:]] == ["sme-b", "sme-b"]


async def test_a_machine_in_several_hands_gives_each_its_several_stretches(lab: Floor) -> None:
    late = Instant(TEN + 30 * MINUTE)
    await hand_over(lab, "mill-1", "sme-a", late, Instant(late + 10 * MINUTE), "second-try")
    body = (await got(lab, "sme-a", stream=CURRENT)).json()
    assert [(segment["from"], segment["trial"]) for segment in body["segments"]] == [
        (str(EIGHT), "tool-wear"),
        (str(late), "second-try"),
    ]
    assert [row[-1] for row in body["rows"]] == [0] * 361 + [1] * 60
