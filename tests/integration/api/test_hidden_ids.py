"""No id of any kind tells whether somebody else has it: what is hidden answers byte for byte as what does not exist."""

from uuid import uuid4

import httpx
import pytest

from fieldlab.assets.participant import Permission
from tests.integration.api.lab import CURRENT, DATA, EIGHT, JOINT, NINE, TEN, Floor, hand_over

KINDS: dict[str, list[tuple[str, str]]] = {
    "asset": [
        ("GET", "/v1/assets/{}"),
        ("GET", "/v1/measurements?asset={}"),
        ("GET", "/v1/tenures?asset={}"),
        ("GET", "/v1/assets/{}/history"),
        ("POST", "/v1/assets/{}/returns"),
    ],
    "stream": [("GET", "/v1/streams/{}"), ("GET", "/v1/latest?stream={}"), ("GET", "/v1/gaps?stream={}")],
    "stream's id": [("GET", "/v1/streams/{}"), ("GET", "/v1/segments?stream={}"), ("GET", "/v1/live?stream={}")],
    "trial": [
        ("GET", "/v1/trials/{}"),
        ("GET", "/v1/trials/{}/package"),
        ("GET", "/v1/measurements?trial={}"),
        ("POST", "/v1/trials/{}/returns"),
    ],
    "agreement": [
        ("GET", "/v1/agreements/{}"),
        ("GET", "/v1/agreements/{}/odrl"),
        ("GET", "/v1/agreements/{}/events"),
        ("GET", "/v1/agreements/{}/receipt"),
        ("GET", "/v1/agreements/{}/preview?stream=" + CURRENT),
        ("POST", "/v1/agreements/{}/approve"),
        ("POST", "/v1/agreements/{}/terminate"),
        ("GET", "/v1/measurements?stream=" + CURRENT + "&basis={}"),
    ],
    "export": [("GET", "/v1/exports/{}"), ("GET", "/v1/exports/{}/package"), ("DELETE", "/v1/exports/{}")],
    "key": [("DELETE", "/v1/keys/{}")],
    "broken glass": [("GET", "/v1/measurements?stream=" + CURRENT + "&basis={}")],
}
"""For each kind of id the requests that take one."""


@pytest.fixture
async def theirs(lab: Floor) -> dict[str, tuple[str, str]]:
    """An id of each kind that is another's, and one like it that nobody has."""
    b = lab["sme-b"]
    await hand_over(lab, "robot-1", "sme-b", EIGHT, NINE, "secret-trial")
    offered = await b.post("/v1/agreements", json={"grantee": "researcher", "enforced": {"streams": [CURRENT]}})
    exported = await b.post("/v1/exports", json={"everything": True})
    key = await b.post("/v1/keys", json={"scopes": ["data:read"]})
    glass = {"streams": [JOINT], "reason": "the robot does not stop", "lasting": "30m"}
    broken = await lab["lab"].post("/v1/break-glass", json=glass)
    stream = (await lab["researcher"].get(f"/v1/streams/{JOINT}")).json()["id"]
    ids = {
        "stream's id": stream,
        "agreement": offered.json()["id"],
        "export": exported.json()["id"],
        "key": key.json()["id"],
        "broken glass": broken.json()["id"],
    }
    return {kind: (id_, str(uuid4())) for kind, id_ in ids.items()} | {
        "asset": ("robot-1", "robot-9"),
        "stream": (JOINT, "robot-9.joint_1"),
        "trial": ("secret-trial", "hidden-trial"),
    }


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_another_s_answers_as_what_nobody_has(
    lab: Floor, theirs: dict[str, tuple[str, str]], kind: str
) -> None:
    there, absent = theirs[kind]
    token = lab.issue("sme-a", DATA | {Permission.TENURES_WRITE})
    async with lab.client(token) as stranger:
        for method, path in KINDS[kind]:
            hidden, missing = [await asked(stranger, method, path.format(id_)) for id_ in (there, absent)]
            assert hidden.status_code == missing.status_code, path
            told, nothing = [answer.text.replace(id_, "…") for answer, id_ in ((hidden, there), (missing, absent))]
            assert without_times(told) == without_times(nothing), path
            assert hidden.status_code == 404 or "=" in path or path.endswith("/history")


async def asked(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    body = {"at": str(TEN)} if path.endswith("/returns") else None
    return await client.request(method, path, json=body, headers={"X-Request-Id": "same"})


def without_times(text: str) -> str:
    """Leave out the clock and the checkpoint of an answer, which grow whoever asks."""
    kept = [part for part in text.split(",") if not any(word in part for word in ("decided_at", "checkpoint", "root"))]
    return ",".join(kept)
