"""Plugging in over the network: sources, and binding what arrives; for whoever administers the lab alone."""

import asyncio
from typing import Any

import pytest

from tests.integration.api.lab import NINE, TEN, Floor, hand_over

BROKER = {"slug": "hall-2", "wire": "mqtt", "url": "mqtt://127.0.0.1", "options": {"topics": ["hall-2/#"]}}


@pytest.fixture
async def arriving(quiet_lab: Floor) -> Floor:
    """A lab with one source, at which five addresses arrive that nothing is bound to."""
    quiet_lab.execute("INSERT INTO fieldlab.source (slug, wire, url) VALUES ('shop-floor', 'mqtt', 'mqtt://127.0.0.1')")
    quiet_lab.execute(
        "INSERT INTO fieldlab.discovery (source_id, address, kind, unit, value, text, samples, first_seen, last_seen)"
        " SELECT s.id, a, k, u, v, t, 21, '2026-11-21T08:00:00Z', '2026-11-21T08:00:10Z' FROM fieldlab.source AS s,"
        " (VALUES ('lab/mill-1/telemetry#power', 'number', 'kW', 3.5, NULL),"
        "  ('lab/mill-1/telemetry#door', 'boolean', NULL, 1, NULL),"
        "  ('lab/mill-1/telemetry#state', 'text', NULL, NULL, 'IDLE'),"
        "  ('lab/robot-1/telemetry#joint_1', 'number', NULL, 0.5, NULL),"
        "  ('lab/press-9/telemetry#force', 'number', NULL, 0.5, NULL)) AS d (a, k, u, v, t)"
    )
    return quiet_lab


def changed(answer: Any) -> list[str]:  # noqa: ANN401 - a JSON body
    return [f"{one['mark']} {one['kind']} {one['name']}" for one in answer["changes"]]


async def test_a_source_is_added_changed_listed_and_twice_is_the_same_as_once(quiet_lab: Floor) -> None:
    operator = quiet_lab["lab"]
    dry = await operator.post("/v1/sources", json={**BROKER, "dry_run": True})
    assert (dry.status_code, changed(dry.json()), dry.json()["dry_run"]) == (201, ["+ source hall-2"], True)
    assert (await operator.get("/v1/sources")).json() == {"items": [], "next": None}
    assert changed((await operator.post("/v1/sources", json=BROKER)).json()) == ["+ source hall-2"]
    assert changed((await operator.post("/v1/sources", json=BROKER)).json()) == []
    moved = {**BROKER, "url": "mqtts://127.0.0.1", "options": {"topics": ["hall-2/+/x"], "user": "g"}}
    assert changed((await operator.post("/v1/sources", json=moved)).json()) == ["~ source hall-2"]
    shown = (await operator.get("/v1/sources/hall-2")).json()
    assert shown == {**moved, "bindings": 0, "discoveries": 0}
    assert (await operator.get("/v1/sources")).json() == {"items": [shown], "next": None}
    other = await operator.post("/v1/sources", json={**BROKER, "wire": "opcua", "url": "opc.tcp://x", "options": {}})
    assert other.status_code in {409, 422}
    assert (await operator.get("/v1/sources/hall-3")).status_code == 404


async def test_a_source_whose_wire_would_change_is_a_conflict(quiet_lab: Floor) -> None:
    assert (await quiet_lab["lab"].post("/v1/sources", json=BROKER)).status_code == 201
    answer = await quiet_lab["lab"].post(
        "/v1/sources", json={"slug": "hall-2", "wire": "opcua", "url": "opc.tcp://x", "options": {"security": "none"}}
    )
    assert answer.status_code == 409, answer.text
    assert "wire is mqtt and cannot become opcua" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("change", "parameter", "said"),
    [
        ({"url": "mqtt://me:secret@127.0.0.1"}, "url", "password_env"),
        ({"url": "http://127.0.0.1"}, "url", "mqtt://host:port"),
        ({"options": {"topics": ["a/#/b"]}}, "options.topics.0", "last level"),
        ({"options": {"topics": ["a"], "password": "secret"}}, "options.password", "no such field"),
        ({"options": {}}, "options.topics", "required"),
        ({"slug": "Hall"}, "slug", ""),
    ],
    ids=["password in the url", "scheme", "filter", "password", "missing", "slug"],
)
async def test_a_wrong_source_is_a_422_that_names_the_key_and_repeats_no_secret(
    quiet_lab: Floor, change: dict[str, Any], parameter: str, said: str
) -> None:
    answer = await quiet_lab["lab"].post("/v1/sources", json={**BROKER, **change})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["parameter"] in {parameter, "options"}
    assert said in answer.text
    assert "secret" not in answer.text.replace("no such field", "")
    assert (await quiet_lab["lab"].get("/v1/sources")).json()["items"] == []


async def test_one_address_is_bound_and_is_a_discovery_no_more(arriving: Floor) -> None:
    operator = arriving["lab"]
    one = {"source": "shop-floor", "asset": "mill-1", "address": "lab/mill-1/telemetry#power", "stream": "drive_power"}
    bound = await operator.post("/v1/discoveries/bind", json=one)
    assert bound.status_code == 201, bound.text
    assert changed(bound.json()) == [
        "+ stream mill-1.drive_power",
        "+ binding shop-floor lab/mill-1/telemetry#power",
    ]
    assert bound.json()["changes"][0]["properties"] == {"kind": "number", "unit": "kW"}
    stream = (await operator.get("/v1/streams/mill-1.drive_power")).json()
    assert (stream["unit"], stream["kind"]) == ("kW", "number")
    left = (await operator.get("/v1/discoveries")).json()["items"]
    assert "lab/mill-1/telemetry#power" not in {item["address"] for item in left}
    assert changed((await operator.post("/v1/discoveries/bind", json=one)).json()) == []
    (source,) = (await operator.get("/v1/sources")).json()["items"]
    assert (source["bindings"], source["discoveries"]) == (1, 4)


async def test_a_pattern_binds_the_assets_that_are_there_and_names_what_it_leaves_out(arriving: Floor) -> None:
    operator = arriving["lab"]
    asked = {"source": "shop-floor", "pattern": "lab/{asset}/telemetry#{stream}"}
    dry = (await operator.post("/v1/discoveries/bind", json={**asked, "dry_run": True})).json()
    done = (await operator.post("/v1/discoveries/bind", json=asked)).json()
    assert dry["changes"] == done["changes"]
    assert changed(done) == [
        "+ stream mill-1.door",
        "+ stream mill-1.power",
        "+ binding shop-floor lab/mill-1/telemetry#door",
        "+ binding shop-floor lab/mill-1/telemetry#power",
        "+ binding shop-floor lab/mill-1/telemetry#state",
        "+ binding shop-floor lab/robot-1/telemetry#joint_1",
    ], "streams that are there, and fed by nothing, are taken"
    assert done["left_out"] == ["lab/press-9/telemetry#force"]


async def test_a_new_stream_of_a_machine_on_loan_belongs_to_whoever_has_it(arriving: Floor) -> None:
    await hand_over(arriving, "mill-1", "sme-a", NINE, TEN)
    asked = {"source": "shop-floor", "asset": "mill-1"}
    assert (await arriving["lab"].post("/v1/discoveries/bind", json=asked)).status_code == 201
    tenures = (await arriving["sme-a"].get("/v1/tenures", params={"asset": "mill-1"})).json()["items"]
    assert {one["stream"] for one in tenures if one["owner"] == "sme-a"} >= {"power", "door"}


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"address": "lab/mill-1/telemetry#state", "asset": "mill-1", "stream": "spindle_speed"}, 409, "text arrives"),
        ({"address": "lab/nothing", "asset": "mill-1"}, 404, "GET /v1/discoveries"),
        ({"asset": "mill-9"}, 404, "mill-9"),
        ({"asset": "mill-1", "address": "a", "pattern": "b"}, 422, "not both"),
        ({"pattern": "lab/#"}, 422, "Name the asset"),
        ({"asset": "mill-1", "colour": "red"}, 422, "no such field"),
        ({"asset": "mill-1", "source": "roof"}, 404, "GET /v1/sources"),
    ],
    ids=["kind", "address", "asset", "both", "no asset", "field", "source"],
)
async def test_what_cannot_be_bound_says_why_and_changes_nothing(
    arriving: Floor, asked: dict[str, Any], status: int, said: str
) -> None:
    answer = await arriving["lab"].post("/v1/discoveries/bind", json={"source": "shop-floor", **asked})
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
    (source,) = (await arriving["lab"].get("/v1/sources")).json()["items"]
    assert (source["bindings"], source["discoveries"]) == (0, 5)


async def test_two_who_bind_at_once_bind_each_address_once(arriving: Floor) -> None:
    asked = {"source": "shop-floor", "pattern": "lab/{asset}/telemetry#{stream}"}
    answers = await asyncio.gather(*(arriving["lab"].post("/v1/discoveries/bind", json=asked) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
    assert sorted(len(answer.json()["changes"]) for answer in answers) == [0, 0, 6]


async def test_nobody_but_the_operator_sees_or_changes_sources(arriving: Floor) -> None:
    sme = arriving["sme-a"]
    for answer in (
        await sme.get("/v1/sources"),
        await sme.get("/v1/sources/shop-floor"),
        await sme.post("/v1/sources", json=BROKER),
        await sme.post("/v1/discoveries/bind", json={"source": "shop-floor", "asset": "mill-1"}),
    ):
        assert answer.status_code == 403, answer.text
