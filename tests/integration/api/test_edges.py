"""What holds on every route: how often one may ask, from where, and what a request that is sent twice does."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import psycopg
import pytest

from api.app import create_app
from fieldlab.settings import ApiSettings
from tests.integration.api.lab import CURRENT, EIGHT, NINE, SPEED, TEN, Floor

ORIGIN = "https://console.example.org"
OFFER = {"grantee": "researcher", "enforced": {"streams": [CURRENT]}}


@pytest.fixture
async def strict(lab: Floor) -> AsyncIterator[Floor]:
    """The same lab behind a service that lets one ask three times a minute, and a console of another origin."""
    settings = ApiSettings.load(
        api_database_url=lab.database.api, api_connections=2, api_requests_per_minute=3, api_cors_origins=ORIGIN
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield Floor(app=app, database=lab.database, tokens=lab.tokens)


async def test_whoever_asks_too_often_is_told_when_to_come_again(strict: Floor) -> None:
    async with strict.client(strict.tokens["sme-a"]) as a, strict.client(strict.issue("sme-a")) as another:
        answers = [await client.get("/v1/me") for client in (a, another, a, a)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"participant";q=3;w=60'}
        assert answers[-1].json()["type"] == "/problems/too-many-requests"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    async with strict.client(strict.tokens["sme-b"]) as b:
        assert (await b.get("/v1/me")).status_code == 200
        assert (await b.get("/v1/streams/hidden.stream")).headers["ratelimit"].split(";")[1] == "r=1"
    async with strict.client("flk_wrong") as stranger:
        refused = await stranger.get("/v1/me")
    assert (refused.status_code, "ratelimit" in refused.headers) == (401, False)


async def test_a_page_of_an_allowed_origin_may_ask_and_no_other(strict: Floor) -> None:
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    async with strict.client(None) as browser:
        allowed = await browser.options("/v1/streams", headers={"Origin": ORIGIN, **asked})
        other = await browser.options("/v1/streams", headers={"Origin": "https://elsewhere.example.org", **asked})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-origin" not in other.headers
    async with strict.client(strict.tokens["lab"]) as page:
        answer = await page.get("/v1/me", headers={"Origin": ORIGIN})
        refused = await page.get("/v1/streams/none.there", headers={"Origin": ORIGIN})
    for one in (answer, refused):
        assert one.headers["access-control-allow-origin"] == ORIGIN
        assert "x-request-id" in one.headers["access-control-expose-headers"].lower()
        assert "access-control-allow-credentials" not in one.headers


async def test_without_configuration_no_origin_is_allowed(lab: Floor) -> None:
    answer = await lab["lab"].get("/v1/me", headers={"Origin": ORIGIN})
    assert "access-control-allow-origin" not in answer.headers


async def test_what_is_sent_again_is_answered_again_and_done_once(lab: Floor) -> None:
    key = {"Idempotency-Key": "3f1b5c1e-one"}
    first = await lab["sme-a"].post("/v1/agreements", json=OFFER, headers=key)
    again = await lab["sme-a"].post("/v1/agreements", json=OFFER, headers=key)
    assert first.status_code == again.status_code == 201, (first.text, again.text)
    assert first.content == again.content
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert first.headers["x-request-id"] != again.headers["x-request-id"]
    other = await lab["sme-a"].post("/v1/agreements", json=OFFER, headers={"Idempotency-Key": "two"})
    assert other.json()["id"] != first.json()["id"]
    assert len((await lab["sme-a"].get("/v1/agreements")).json()["items"]) == 2


async def test_a_key_is_good_for_one_request_of_one_participant(lab: Floor) -> None:
    key = {"Idempotency-Key": "one"}
    made = await lab["sme-a"].post("/v1/agreements", json=OFFER, headers=key)
    wider = {**OFFER, "enforced": {"streams": [CURRENT, SPEED]}}
    for path, body in (("/v1/agreements", wider), (f"/v1/agreements/{made.json()['id']}/withdraw", OFFER)):
        refused = await lab["sme-a"].post(path, json=body, headers=key)
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/invalid-input")
    theirs = await lab["sme-b"].post("/v1/agreements", json=OFFER, headers=key)
    assert theirs.status_code == 201
    assert theirs.json()["owner"] == "sme-b"
    for wrong in ("", "x" * 256, "a b"):
        refused = await lab["sme-a"].post("/v1/agreements", json=OFFER, headers={"Idempotency-Key": wrong})
        assert refused.status_code == 422


async def test_a_request_that_was_refused_may_be_sent_again(lab: Floor) -> None:
    key = {"Idempotency-Key": "one"}
    booking = {"to": "sme-a", "from": str(EIGHT), "until": str(NINE)}
    assert (await lab["lab"].post("/v1/assets/mill-1/hand-overs", json=booking, headers=key)).status_code == 409
    later = {**booking, "from": str(TEN), "until": "2026-11-21T11:00:00Z"}
    assert (await lab["lab"].post("/v1/assets/mill-1/hand-overs", json=later, headers=key)).status_code == 201


async def test_of_the_same_request_twice_at_once_one_is_done(lab: Floor) -> None:
    key = {"Idempotency-Key": "one"}

    async def post() -> httpx.Response:
        return await lab["sme-a"].post("/v1/agreements", json=OFFER, headers=key)

    answers = await asyncio.gather(*(post() for _ in range(4)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 201
    assert set(statuses) <= {201, 409}
    assert len((await lab["sme-a"].get("/v1/agreements")).json()["items"]) == 1


async def test_what_was_begun_and_never_answered_may_be_done_after_a_minute(lab: Floor) -> None:
    key = {"Idempotency-Key": "one"}
    await lab["sme-a"].post("/v1/agreements", json=OFFER, headers=key)
    lab.execute("UPDATE fieldlab.request SET status = NULL, body = NULL")
    assert (await lab["sme-a"].post("/v1/agreements", json=OFFER, headers=key)).status_code == 409
    lab.execute("UPDATE fieldlab.request SET at = at - interval '2 minutes'")
    assert (await lab["sme-a"].post("/v1/agreements", json=OFFER, headers=key)).status_code == 201
    lab.execute("UPDATE fieldlab.request SET at = at - interval '2 days'")
    assert (await lab["sme-a"].post("/v1/agreements", json=OFFER, headers=key)).status_code == 201
    with psycopg.connect(lab.database.admin) as admin:
        assert admin.execute("SELECT count(*) FROM fieldlab.request").fetchone() == (1,)
