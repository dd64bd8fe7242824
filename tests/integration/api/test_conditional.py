"""Asking on a condition tells nothing of what another participant was answered."""

import pytest

from tests.integration.api.lab import CURRENT, EIGHT, TEN, Floor

RANGE = {"stream": CURRENT, "from": str(EIGHT), "until": str(TEN)}


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/measurements", RANGE),
        ("/v1/segments", RANGE),
        ("/v1/latest", {"stream": CURRENT}),
        ("/v1/streams", {}),
        ("/v1/assets", {}),
        ("/v1/catalogue", {}),
        ("/v1/tenures", {}),
    ],
)
async def test_another_s_answer_is_no_condition(lab: Floor, path: str, asked: dict[str, str]) -> None:
    theirs = await lab["sme-a"].get(path, params=asked)
    assert theirs.status_code == 200
    plain = await lab["sme-b"].get(path, params=asked)
    for tag in (theirs.headers.get("etag", '"anything"'), "*"):
        answer = await lab["sme-b"].get(path, params=asked, headers={"If-None-Match": tag})
        assert answer.status_code == plain.status_code == 200
        bodies = [{**one.json(), "decided_at": None, "checkpoint": None, "request": None} for one in (answer, plain)]
        assert bodies[0] == bodies[1]
    assert theirs.headers["cache-control"] == "private, no-store"
