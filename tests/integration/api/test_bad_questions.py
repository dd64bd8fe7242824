"""A wrong question gets a problem that names what is wrong and says what to do; nothing else stops."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.integration.api.lab import CURRENT, Floor
from tests.servers.engine import EngineName

pytestmark = pytest.mark.parametrize("engine_server", [EngineName.PLAIN], indirect=True)


def check(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"/problems/{kind}"
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["detail"]
    return body


@pytest.mark.parametrize(
    ("asked", "kind", "named"),
    [
        ({"from": "2026-11-21T08:00:00"}, "invalid-time", "no offset"),
        ({"from": "yesterday"}, "invalid-time", "RFC 3339"),
        ({"until": "2026-02-30T08:00:00Z"}, "invalid-time", "cannot be"),
        ({"from": "infinity"}, "invalid-time", "RFC 3339"),
        ({"from": "2026-11-21T09:00:00Z", "until": "2026-11-21T08:00:00Z"}, "invalid-interval", "before until"),
        ({"from": "2026-11-21T09:00:00Z", "until": "2026-11-21T09:00:00Z"}, "invalid-interval", "before until"),
        ({"last": "15m", "from": "2026-11-21T09:00:00Z"}, "invalid-interval", "either last"),
        ({"last": "soon"}, "invalid-input", "PT1M"),
        ({"last": "1mo"}, "invalid-input", "count in days"),
        ({"step": "P1M"}, "invalid-interval", "both ends"),
        ({"step": "1w", "from": "2026-11-21T08:00:00Z"}, "invalid-interval", "both ends"),
        ({"step": "1.5mo"}, "invalid-input", "whole days"),
        ({"step": "999y"}, "invalid-input", "100 years"),
        ({"step": "1h", "time_zone": "Europe/Amsterdam"}, "invalid-input", "whole days"),
        ({"step": "1d", "time_zone": "Amsterdam"}, "invalid-input", "Europe/Amsterdam"),
        ({"time_zone": "Europe/Amsterdam"}, "invalid-input", "step=1d"),
        ({"step": "0s"}, "invalid-input", "too short"),
        ({"last": "400000d"}, "invalid-input", "too long"),
        ({"step": "-1m"}, "invalid-input", "not a duration"),
        ({"aggregate": "mean"}, "invalid-input", "step"),
        ({"step": "1m", "aggregate": "median_of_means"}, "invalid-input", "'mean'"),
        ({"status": "great"}, "invalid-input", "'good'"),
        ({"limit": "0"}, "invalid-input", "at least 1"),
        ({"limit": "1000000"}, "invalid-input", "100000"),
        ({"limit": "ten"}, "invalid-input", "whole number"),
        ({"asset": "mill-1"}, "invalid-input", "either stream"),
        ({"form": "2026-11-21T08:00:00Z"}, "invalid-input", "from"),
        ({"limit": ["1", "2"]}, "invalid-input", "once"),
        ({"cursor": "abc"}, "invalid-cursor", "without it"),
        ({"cursor": ""}, "invalid-cursor", "without it"),
        ({"stream": "mill-1\x00"}, "invalid-input", "stream"),
        ({"stream": ""}, "invalid-input", "stream"),
    ],
)
async def test_a_wrong_parameter_is_named(quiet_lab: Floor, asked: dict[str, Any], kind: str, named: str) -> None:
    body = check(await quiet_lab["lab"].get("/v1/measurements", params={"stream": CURRENT, **asked}), 422, kind)
    assert named in body["detail"]
    for fault in body.get("errors", ()):
        assert fault["parameter"] == "" or fault["parameter"].split(".")[0] in asked


@pytest.mark.parametrize("path", ["/v1/measurements", "/v1/segments", "/v1/latest"])
async def test_neither_stream_nor_asset_is_not_everything(quiet_lab: Floor, path: str) -> None:
    check(await quiet_lab["lab"].get(path), 422, "invalid-input")


@pytest.mark.parametrize(
    "sent",
    [
        b"{",
        b"[]",
        b"null",
        b'"stream"',
        b'{"stream": 7}',
        b'{"stream": [7]}',
        b'{"stream": ["\\ud800"]}',
        b'{"stream": ["\\u0000"]}',
        b'{"stream": ["mill-1.spindle_current"], "form": "2026-11-21T08:00:00Z"}',
        b'{"stream": ["mill-1.spindle_current"], "from": 1763712000}',
        b'{"stream": ["mill-1.spindle_current"], "from": "2026-11-21T08:00:00"}',
        b"\xff\xfe",
        b"",
    ],
)
async def test_a_wrong_body_is_a_422(quiet_lab: Floor, sent: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await quiet_lab["lab"].post("/v1/measurements", content=sent, headers=headers)
    assert answer.json()["type"].startswith("/problems/invalid-")
    assert answer.status_code == 422


async def test_a_body_of_another_type_is_a_422_that_says_so(quiet_lab: Floor) -> None:
    answer = await quiet_lab["lab"].post(
        "/v1/measurements", content=b"stream=x", headers={"Content-Type": "text/plain"}
    )
    assert "JSON" in check(answer, 422, "invalid-input")["detail"]


async def test_a_body_that_is_too_large_is_refused_unread(quiet_lab: Floor) -> None:
    answer = await quiet_lab["lab"].post("/v1/measurements", json={"stream": ["x" * 3_000_000]})
    check(answer, 413, "content-too-large")

    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b"x" * 10_000

    headers = {"Content-Type": "application/json"}
    check(
        await quiet_lab["lab"].post("/v1/measurements", content=unannounced(), headers=headers),
        413,
        "content-too-large",
    )


async def test_a_stranger_s_body_is_not_even_read(quiet_lab: Floor) -> None:
    async with quiet_lab.client(None) as stranger:
        answer = await stranger.post("/v1/measurements", content=b"{", headers={"Content-Type": "application/json"})
    check(answer, 401, "unauthenticated")


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ({"to": "sme-b", "from": "2031-01-06T08:00:00Z", "until": "2031-01-05T08:00:00Z"}, "invalid-interval"),
        ({"to": "sme-b", "from": "2031-01-06T08:00:30Z", "until": "2031-01-06T09:00:00Z"}, "invalid-interval"),
        ({"to": "sme-b", "from": "2031-01-06T08:00:00", "until": "2031-01-06T09:00:00Z"}, "invalid-time"),
        ({"to": "SME B", "from": "2031-01-06T08:00:00Z"}, "invalid-input"),
        ({"to": "sme-b"}, "invalid-input"),
        ({"to": "sme-b", "from": "2031-01-06T08:00:00Z", "owner": "sme-a"}, "invalid-input"),
    ],
)
async def test_a_wrong_hand_over_is_a_422(quiet_lab: Floor, sent: dict[str, Any], kind: str) -> None:
    check(await quiet_lab["lab"].post("/v1/assets/mill-1/hand-overs", json=sent), 422, kind)


async def test_an_unknown_address_and_an_unoffered_method_are_problems_too(quiet_lab: Floor) -> None:
    check(await quiet_lab["lab"].get("/v1/nothing"), 404, "not-found")
    check(await quiet_lab["lab"].get("/v1/me/"), 404, "not-found")
    answer = await quiet_lab["lab"].delete("/v1/measurements")
    check(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize(
    ("asked", "headers"),
    [({"format": "xlsx"}, {}), ({}, {"Accept": "application/pdf"}), ({}, {"Accept": "text/csv;q=0"})],
)
async def test_a_format_that_is_not_offered_is_a_406_that_lists_those_that_are(
    quiet_lab: Floor, asked: dict[str, str], headers: dict[str, str]
) -> None:
    answer = await quiet_lab["lab"].get("/v1/latest", params={"stream": CURRENT, **asked}, headers=headers)
    assert "text/csv" in check(answer, 406, "not-acceptable")["detail"]


@pytest.mark.parametrize("path", ["assets/%00", "assets/MILL", "streams/%00", "participants/a%20b", "assets/mill-1%0A"])
async def test_a_name_that_cannot_be_is_a_422(quiet_lab: Floor, path: str) -> None:
    check(await quiet_lab["lab"].get(f"/v1/{path}"), 422, "invalid-input")


async def test_an_address_cannot_write_lines_of_its_own_into_the_log(
    quiet_lab: Floor, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="fieldlab.api"):
        await quiet_lab["lab"].get("/v1/streams/a%0AINFO%20GET%20/v1/me%20200")
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert any("%0AINFO" in record.getMessage() for record in caplog.records)


async def test_a_plus_sign_that_the_address_turned_into_a_space_is_understood(quiet_lab: Floor) -> None:
    answer = await quiet_lab["lab"].get(f"/v1/segments?stream={CURRENT}&from=2026-11-21T09:30:00+01:00")
    assert answer.json()["segments"][0]["from"] == "2026-11-21T08:30:00.000000Z"


async def test_what_fails_inside_says_nothing_but_the_request_id(
    quiet_lab: Floor, caplog: pytest.LogCaptureFixture
) -> None:
    quiet_lab.execute("DROP FUNCTION visible.own_latest")
    answer = await quiet_lab["lab"].get(
        "/v1/latest", params={"stream": CURRENT}, headers={"X-Request-Id": "tried-it-1"}
    )
    body = check(answer, 500, "internal")
    assert body["request_id"] == "tried-it-1"
    for inner in ("visible", "psycopg", "SELECT", "function"):
        assert inner not in answer.text
    assert any("tried-it-1" in record.getMessage() and record.exc_info for record in caplog.records)
    assert (await quiet_lab["lab"].get("/v1/measurements", params={"stream": CURRENT})).status_code == 200


async def test_every_problem_s_type_leads_to_a_page_that_explains_it(quiet_lab: Floor) -> None:
    from api.errors import ALL

    async with quiet_lab.client(None) as stranger:
        for slug, problem in ALL.items():
            page = await stranger.get(f"/problems/{slug}")
            assert page.status_code == 200
            assert problem.title in page.text
        check(await stranger.get("/problems/nothing"), 404, "not-found")
