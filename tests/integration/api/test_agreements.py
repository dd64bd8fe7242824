"""An agreement over HTTP: proposed, approved, read under, previewed, told elsewhere, and ended."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
import rfc8785

from fieldlab.readings.instant import MINUTE, Instant
from tests.integration.api.lab import CURRENT, EIGHT, JOINT, NINE, Floor, busy_morning, floor
from tests.servers.database import Database

FLOOR: dict[str, Any] = {"resolution_floor": "60s"}


@pytest.fixture
async def lab(database: Database) -> AsyncIterator[Floor]:
    async with floor(database) as opened:
        await busy_morning(opened)
        yield opened


async def offer(lab: Floor, *, owner: str = "sme-a", declared: dict[str, Any] | None = None, **enforced: object) -> str:
    body = {"grantee": "researcher", "enforced": {"streams": [CURRENT], **enforced}, "declared": declared or {}}
    answer = await lab[owner].post("/v1/agreements", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "offered"
    return str(answer.json()["id"])


async def step(lab: Floor, who: str, id_: str, action: str) -> int:
    return (await lab[who].post(f"/v1/agreements/{id_}/{action}", json={"reason": "because"})).status_code


async def agree(lab: Floor, *, declared: dict[str, Any] | None = None, **enforced: object) -> str:
    id_ = await offer(lab, owner="sme-a", declared=declared, **enforced)
    assert await step(lab, "researcher", id_, "approve") == 200
    return id_


async def read(lab: Floor, who: str = "researcher", **asked: str) -> dict[str, Any]:
    answer = await lab[who].get("/v1/measurements", params={"stream": CURRENT} | asked)
    return {"status": answer.status_code, **answer.json()}


async def test_a_request_is_approved_read_under_and_ended(lab: Floor) -> None:
    body = {"owner": "sme-a", "enforced": {"streams": [CURRENT]}}
    id_ = (await lab["researcher"].post("/v1/agreements", json=body)).json()["id"]
    assert (await read(lab))["status"] == 404
    assert await step(lab, "researcher", id_, "approve") == 403
    assert await step(lab, "sme-a", id_, "approve") == 200
    seen = await read(lab)
    own = await read(lab, "sme-a")
    assert [row[0] for row in seen["rows"]] == [row[0] for row in own["rows"]] != []
    assert await step(lab, "sme-a", id_, "terminate") == 200
    assert (await read(lab))["status"] == 404
    assert await step(lab, "sme-a", id_, "resume") == 409
    events = (await lab["researcher"].get(f"/v1/agreements/{id_}/events")).json()["items"]
    assert [event["kind"] for event in events] == ["request", "approve", "terminate"]
    assert events[-1]["reason"] == "because"


async def test_an_agreement_shows_what_was_signed(lab: Floor) -> None:
    id_ = await agree(lab, **FLOOR, declared={"licence": "cc-by-4.0", "purposes": ["research"]})
    shown = (await lab["sme-a"].get(f"/v1/agreements/{id_}")).json()
    signed = {name: shown[name] for name in ("owner", "grantee", "enforced", "declared")}
    assert rfc8785.dumps(signed).decode() == shown["text"]
    assert shown["enforced"]["resolution_floor"] == "1m"
    assert shown["enforced"]["minimum_samples"] == 5
    assert shown["declared"]["licence"] == "CC-BY-4.0"
    listed = (await lab["researcher"].get("/v1/agreements", params={"state": "active"})).json()["items"]
    assert listed == [shown]


async def test_pages_of_agreements_give_each_once(lab: Floor) -> None:
    made = [await offer(lab) for _ in range(5)]
    seen: list[str] = []
    asked: dict[str, Any] = {"limit": 2}
    while True:
        page = (await lab["sme-a"].get("/v1/agreements", params=asked)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        asked["cursor"] = page["next"]
    assert seen == made[::-1]


async def test_a_floored_answer_says_its_shape_licence_and_basis_in_json_and_csv(lab: Floor) -> None:
    id_ = await agree(lab, **FLOOR, declared={"licence": "CC-BY-4.0"})
    asked: dict[str, Any] = {"stream": CURRENT, "step": "5m", "aggregate": "mean,count,max"}
    answer = (await lab["researcher"].get("/v1/measurements", params=asked)).json()
    (segment,) = answer["segments"]
    assert segment["owner"] == "sme-a"
    assert segment["basis"]["kind"] == "agreement"
    assert segment["basis"]["agreement"] == id_
    assert segment["basis"]["hash"] == (await lab["sme-a"].get(f"/v1/agreements/{id_}")).json()["hash"]
    assert segment["licence"] == "CC-BY-4.0"
    assert segment["shape"] == {"resolution_floor": "1m", "minimum_samples": 5, "aggregates": ["count", "mean"]}
    assert answer["columns"][2:5] == ["mean", "count", "max"]
    assert [row[3:6] for row in answer["rows"]] == [[30, None, False]] * 11 + [[31, None, False]]
    written = await lab["researcher"].get("/v1/measurements", params={**asked, "format": "text/csv;header=comment"})
    above = [json.loads(line[2:]) for line in written.text.splitlines() if line.startswith("# ")]
    assert above[1] == segment
    beside = await lab["researcher"].get("/v1/segments", params=asked)
    assert beside.json()["segments"] == [segment]


@pytest.mark.parametrize("asked", [{}, {"step": "90s"}, {"step": "60s", "status": "good"}])
async def test_a_question_below_the_floor_is_told_what_to_ask(lab: Floor, asked: dict[str, str]) -> None:
    await agree(lab, **FLOOR)
    answer = await read(lab, **asked)
    assert (answer["status"], answer["type"]) == (422, "/problems/invalid-input")
    assert "resolution floor of 1m" in answer["detail"]
    assert (await lab["researcher"].get("/v1/segments", params={"stream": CURRENT, **asked})).status_code == 200


class TestAPurpose:
    async def test_outside_is_refused_and_recorded_for_the_owner(self, lab: Floor) -> None:
        id_ = await agree(lab, declared={"purposes": ["research"]})
        for refused in (await read(lab, purpose="marketing"), await read(lab)):
            assert (refused["status"], refused["type"]) == (403, "/problems/outside-agreement")
            assert id_ in refused["detail"]
        events = (await lab["sme-a"].get(f"/v1/agreements/{id_}/events")).json()["items"]
        assert [(one["kind"], one["reason"]) for one in events[2:]] == [("refuse_purpose", "marketing")]

    async def test_inside_opens_by_parameter_or_header(self, lab: Floor) -> None:
        await agree(lab, declared={"purposes": ["research"]})
        assert (await read(lab, purpose="research"))["rows"]
        said = {"Data-Purpose": "research"}
        answer = await lab["researcher"].get("/v1/measurements", params={"stream": CURRENT}, headers=said)
        assert answer.json()["rows"]
        newest = await lab["researcher"].get("/v1/latest", params={"stream": CURRENT}, headers=said)
        assert newest.json()["rows"]
        answer = await lab["researcher"].get(
            "/v1/measurements", params={"stream": CURRENT, "purpose": "teaching"}, headers=said
        )
        assert answer.status_code == 422


async def test_the_caller_names_the_agreement(lab: Floor) -> None:
    first, second = await agree(lab), await agree(lab, embargo="1h")
    for id_ in (first, second):
        (segment,) = (await read(lab, basis=id_))["segments"]
        assert segment["basis"]["agreement"] == id_
    assert (await read(lab, basis=second))["segments"][0]["shape"] == {"embargo": "1h"}
    assert (await read(lab, basis=str(uuid4())))["segments"] == []


async def test_a_format_that_is_not_allowed_is_refused(lab: Floor) -> None:
    await agree(lab, formats=["json"])
    assert (await read(lab))["rows"]
    answer = await lab["researcher"].get("/v1/measurements", params={"stream": CURRENT, "format": "csv"})
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/outside-agreement")


async def test_the_owner_previews_what_the_grantee_then_gets(lab: Floor) -> None:
    span = {"from": str(EIGHT), "until": str(Instant(EIGHT + 30 * MINUTE))}
    id_ = await offer(lab, **FLOOR, data=span, declared={"purposes": ["research"]})
    asked: dict[str, Any] = {"stream": CURRENT, "step": "2m", "aggregate": "mean,count", "limit": 4}
    here = f"/v1/agreements/{id_}/preview"
    shown: list[Any] = []
    page = (await lab["sme-a"].get(here, params=asked)).json()
    shown += page["rows"]
    while page["next"]:
        page = (await lab["sme-a"].get(here, params={**asked, "cursor": page["next"]})).json()
        shown += page["rows"]
    assert (await lab["researcher"].get(here, params=asked)).status_code == 403
    assert (await lab["sme-b"].get(here, params=asked)).status_code == 404
    assert await step(lab, "researcher", id_, "approve") == 200
    got = await read(lab, step="2m", aggregate="mean,count", purpose="research")
    assert got["rows"] == shown
    assert len(shown) == 15


@pytest.mark.parametrize("who", ["lab", "sme-b"])
async def test_for_anybody_else_an_agreement_is_as_one_that_is_not_there(lab: Floor, who: str) -> None:
    id_ = await agree(lab)
    answers: dict[str, set[tuple[int, str]]] = {}
    for one in (id_, str(uuid4())):
        for path in ("", "/events", "/odrl", f"/preview?stream={CURRENT}"):
            answer = await lab[who].get(f"/v1/agreements/{one}{path}")
            body = {**answer.json(), "request_id": ""}
            answers.setdefault(path, set()).add((answer.status_code, str(body).replace(one, "…")))
        for action in ("approve", "suspend", "terminate"):
            answer = await lab[who].post(f"/v1/agreements/{one}/{action}")
            body = {**answer.json(), "request_id": ""}
            answers.setdefault(action, set()).add((answer.status_code, str(body).replace(one, "…")))
    assert all(len(same) == 1 for same in answers.values())
    assert {status for same in answers.values() for status, _ in same} == {404}
    assert (await lab[who].get("/v1/agreements")).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("enforced", "told"),
    [
        ({"streams": [CURRENT], "colour": "red"}, "no such field"),
        ({"streams": [CURRENT], "data": {"before": "2026-11-21T08:00:00Z"}}, "no such field"),
        ({"streams": [CURRENT], "embargo": {"operator": "gteq"}}, "embargo"),
        ({"streams": [CURRENT], "minimum_samples": 9}, "need a resolution_floor"),
        ({"streams": [CURRENT], "resolution_floor": "a while"}, "not a duration"),
        ({"streams": []}, "1 to 1000 streams"),
    ],
)
async def test_terms_that_cannot_be_kept_are_refused(lab: Floor, enforced: dict[str, Any], told: str) -> None:
    answer = await lab["sme-a"].post("/v1/agreements", json={"grantee": "researcher", "enforced": enforced})
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


async def test_a_key_that_stands_twice_is_refused(lab: Floor) -> None:
    body = '{"grantee":"researcher","enforced":{"streams":["mill-1.spindle_current"],"live":false,"live":true}}'
    answer = await lab["sme-a"].post("/v1/agreements", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"parameter": "live", "detail": "This key stands there twice."}]


async def test_what_is_not_one_s_own_is_not_offered(lab: Floor) -> None:
    body = {"grantee": "researcher", "enforced": {"streams": [JOINT]}}
    answer = await lab["sme-a"].post("/v1/agreements", json=body)
    assert answer.status_code == 404
    body = {"owner": "sme-b", "grantee": "researcher", "enforced": {"streams": [CURRENT]}}
    assert (await lab["sme-a"].post("/v1/agreements", json=body)).status_code == 403


async def test_without_the_scope_nothing_is_written(lab: Floor) -> None:
    from fieldlab.assets.participant import Permission

    async with lab.client(lab.issue("sme-a", frozenset({Permission.DATA_READ}))) as reader:
        body = {"grantee": "researcher", "enforced": {"streams": [CURRENT]}}
        assert (await reader.post("/v1/agreements", json=body)).status_code == 403
        assert (await reader.get("/v1/agreements")).status_code == 200


async def test_it_reads_as_an_odrl_policy_that_fetches_nothing(lab: Floor) -> None:
    span = {"from": str(EIGHT), "until": str(NINE)}
    declared = {
        "purposes": ["research"],
        "licence": "CC-BY-4.0",
        "attribution": "First company",
        "delete_by": "2031-01-01",
    }
    id_ = await agree(lab, **FLOOR, data=span, embargo="1h", trial="tool-wear", declared=declared)
    for path, headers in (
        (f"/v1/agreements/{id_}/odrl", {}),
        (f"/v1/agreements/{id_}", {"Accept": "application/ld+json"}),
    ):
        answer = await lab["researcher"].get(path, headers=headers)
        assert answer.headers["content-type"] == "application/ld+json"
        policy = answer.json()
        assert policy["@type"] == "odrl:Agreement"
        assert policy["@id"] == f"urn:uuid:{id_}"
        assert isinstance(policy["@context"], dict)
        assert all(isinstance(iri, str) for iri in policy["@context"].values())
        (permission,) = policy["odrl:permission"]
        said = {
            (one["odrl:leftOperand"]["@id"], one["odrl:operator"]["@id"]): one["odrl:rightOperand"]
            for one in permission["odrl:constraint"]
        }
        assert said[("fieldlab:timeOfMeasurement", "odrl:gteq")]["@value"] == str(EIGHT)
        assert said[("fieldlab:timeOfMeasurement", "odrl:lt")]["@value"] == str(NINE)
        assert said[("fieldlab:resolution", "odrl:gteq")] == {"@value": "PT60S", "@type": "xsd:duration"}
        assert said[("fieldlab:age", "odrl:gteq")]["@value"] == "PT3600S"
        assert said[("fieldlab:samples", "odrl:gteq")] == 5
        assert said[("odrl:purpose", "odrl:isAnyOf")] == ["research"]
        prefixes = {name.partition(":")[0] for name in names(policy) if ":" in name}
        assert prefixes <= set(policy["@context"])


def names(node: object) -> set[str]:
    """All keys, and the ids and types that are written with a prefix."""
    if isinstance(node, list):
        return {name for one in node for name in names(one)}
    if not isinstance(node, dict):
        return set()
    found = {key for key in node if not key.startswith("@")}
    found |= {str(node[key]) for key in ("@id", "@type") if key in node and not str(node[key]).startswith("urn:")}
    return found | {name for key, value in node.items() if key != "@context" for name in names(value)}
