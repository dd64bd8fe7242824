"""The OpenAPI document is enough to live on: each operation is described, and each example in it runs."""

import re
from typing import Any

import pytest

from api.examples import AGREEMENT, EXPORT, KEY
from tests.contract.api.test_routes import app
from tests.integration.api.lab import EIGHT, NINE, Floor, busy_morning, floor, hand_over
from tests.integration.api.test_exports import ended
from tests.servers.database import Database

OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    (method, path, operation) for path, item in app().openapi()["paths"].items() for method, operation in item.items()
]


def test_the_document_is_openapi_3_1_and_names_its_key() -> None:
    document = app().openapi()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references <= set(document["components"]["schemas"])
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=lambda part: str(part)[:40])
def test_each_operation_is_described_for_a_stranger(method: str, path: str, operation: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z_]+", operation["operationId"])
    assert operation["summary"]
    assert operation["description"]
    for parameter in operation.get("parameters", ()):
        assert parameter.get("description") or parameter["in"] == "path"
    succeeded = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    assert succeeded
    assert all("schema" in content for content in succeeded[0]["content"].values())
    first = "text/plain" if path == "/metrics" else "application/json"
    assert succeeded[0]["content"].keys() & {first, "text/event-stream"}
    for status, answer in operation["responses"].items():
        if not status.startswith("2"):
            assert [*answer["content"]] == ["application/problem+json"]
    assert ("security" in operation) == path.startswith("/v1/"), (method, path)
    if path.startswith("/v1/"):
        assert {"401", "403", "404", "422"} <= set(operation["responses"])


async def test_every_example_in_the_document_runs(database: Database) -> None:
    async with floor(database) as lab:
        await as_in_the_examples(lab)
        tried = 0
        for method, path, operation in OPERATIONS:
            for request in requests(method, path, operation):
                if "text/event-stream" in operation["responses"].get("200", {}).get("content", {}):
                    request["method"] = "HEAD"
                await name_what_there_is(lab, request, operation["operationId"])
                answer = await lab["lab"].request(**request)
                assert answer.status_code in {200, 201, 202}, (request, answer.text)
                tried += 1
        assert tried >= 25


async def test_answers_with_measurements_look_as_the_document_says(database: Database) -> None:
    from api.examples import ANSWER
    from api.models.answer import Decision, Measurements

    async with floor(database) as lab:
        await busy_morning(lab)
        await each_carries_segments_with_owners(lab)
        body = (await lab["sme-a"].get("/v1/measurements", params={"asset": "mill-1", "limit": 5})).json()
        assert set(body) == set(ANSWER) == set(Measurements.model_fields)
        assert set(body["segments"][0]) == set(ANSWER["segments"][0])  # type: ignore[index]
        Measurements.model_validate(body, extra="forbid")
        Measurements.model_validate(ANSWER, extra="forbid")
        (shown,) = (one for _, _, one in OPERATIONS if one["operationId"] == "measurements")
        assert shown["responses"]["200"]["content"]["application/json"]["example"] == ANSWER
        alone = (await lab["sme-a"].get("/v1/segments", params={"asset": "mill-1", "limit": 5})).json()
        Decision.model_validate(alone, extra="forbid")


async def as_in_the_examples(lab: Floor) -> None:
    """Have in the lab what the examples take for granted."""
    await busy_morning(lab)
    lab.execute(
        "INSERT INTO fieldlab.discovery (source_id, address, kind, value, samples, first_seen, last_seen)"
        " SELECT id, 'lab/mill-1/telemetry#power', 'number', 3.5, 1, now(), now() FROM fieldlab.source"
    )
    await hand_over(lab, "robot-1", "lab", EIGHT, NINE, "first-cut-sme-a")


async def name_what_there_is(lab: Floor, request: dict[str, Any], operation: str) -> None:
    """Put an agreement, an export or a key that there is in the place of the one in an example."""
    if AGREEMENT in request["url"]:
        id_ = await agreement_for(lab, operation)
        request["url"] = request["url"].replace(AGREEMENT, id_)
    if EXPORT in request["url"]:
        request["url"] = request["url"].replace(EXPORT, await ready_export(lab))
    if KEY in request["url"]:
        spare = await lab["lab"].post("/v1/keys", json={"scopes": ["data:read"]})
        request["url"] = request["url"].replace(KEY, spare.json()["id"])


async def ready_export(lab: Floor) -> str:
    """Have an export of the lab made."""
    shown = await ended(lab, "lab", asset="mill-1")
    assert shown["state"] == "ready", shown
    return str(shown["id"])


STEPS_BEFORE = {
    "withdraw_agreement": ("lab", ()),
    "suspend_agreement": ("researcher", ("approve",)),
    "resume_agreement": ("researcher", ("approve", "suspend")),
    "terminate_agreement": ("researcher", ("approve",)),
}
"""Who proposes, and what the lab then does, so that the lab can take the step."""


async def agreement_for(lab: Floor, operation: str) -> str:
    """Make an agreement of the lab with the researcher in the state that an operation's example needs."""
    proposer, steps = STEPS_BEFORE.get(operation, ("researcher", ()))
    body = {"owner": "lab", "grantee": "researcher", "enforced": {"streams": ["mill-1.spindle_current"]}}
    made = await lab[proposer].post("/v1/agreements", json=body)
    assert made.status_code == 201, made.text
    id_ = str(made.json()["id"])
    for step in steps:
        assert (await lab["lab"].post(f"/v1/agreements/{id_}/{step}")).status_code == 200
    return id_


async def each_carries_segments_with_owners(lab: Floor) -> None:
    """Whatever route answers with measurements names their owners."""
    carrying = [
        path
        for method, path, operation in OPERATIONS
        if method == "get" and "Measurements" in str(operation["responses"]["200"])
    ]
    assert set(carrying) == {"/v1/measurements", "/v1/latest", "/v1/agreements/{id}/preview"}
    proposed = await lab["sme-a"].post(
        "/v1/agreements", json={"grantee": "researcher", "enforced": {"streams": ["mill-1.spindle_current"]}}
    )
    shown = (
        await lab["sme-a"].get(
            f"/v1/agreements/{proposed.json()['id']}/preview", params={"stream": "mill-1.spindle_current"}
        )
    ).json()
    assert {segment["owner"] for segment in shown["segments"]} == {"sme-a"}
    assert {segment["basis"]["kind"] for segment in shown["segments"]} == {"preview"}
    assert shown["rows"]
    for path in set(carrying) - {"/v1/agreements/{id}/preview"}:
        body = (await lab["sme-a"].get(path, params={"asset": "mill-1"})).json()
        assert body["rows"]
        numbers = {segment["segment"]: segment for segment in body["segments"]}
        assert all(numbers[row[-1]]["owner"] == "sme-a" for row in body["rows"])
        assert all(segment["basis"] == {"kind": "own"} for segment in body["segments"])
        written = (await lab["sme-a"].get(path, params={"asset": "mill-1", "format": "csv"})).text
        assert written.splitlines()[0].endswith("owner,segment")
        assert written.splitlines()[1].split(",")[-2] == "sme-a"


def requests(method: str, path: str, operation: dict[str, Any]) -> list[dict[str, Any]]:
    """Make every request that an operation's examples describe."""
    parameters = operation.get("parameters", ())
    shown = {(one["in"], one["name"]): one["example"] for one in parameters if "example" in one}
    in_path = {name: value for (where, name), value in shown.items() if where == "path"}
    query = {name: value for (where, name), value in shown.items() if where == "query"}
    url = path.format(**in_path)
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    bodies = [example["value"] for example in content.get("examples", {}).values()]
    made = [{"method": method, "url": url, "params": query, "json": body} for body in bodies or [None]]
    made += [{"method": "GET", "url": line} for line in re.findall(r"`GET (/[^`]+)`", operation["description"])]
    return made
