"""What became of what sources handed over: each participant sees its own part, the operator all but values."""

from fieldlab.readings.instant import Instant
from tests.integration.api.lab import CURRENT, NINE, Floor


async def test_accounts_add_up_and_are_shown_to_whom_they_concern(lab: Floor) -> None:
    operator = (await lab["lab"].get("/v1/ingest/accounts")).json()["items"]
    (account,) = operator
    assert (account["source"], account["asset"], account["stream"]) == ("shop-floor", "mill-1", "spindle_current")
    assert (
        account["received"] == account["stored"] + account["duplicates"] + account["rejected"] + account["waiting"] == 5
    )
    assert (await lab["sme-a"].get("/v1/ingest/accounts")).json()["items"] == operator, "its hour was sme-a's alone"
    for stranger in ("sme-b", "researcher"):
        assert (await lab[stranger].get("/v1/ingest/accounts")).json() == {"items": [], "next": None}


async def test_what_waits_is_counted_as_received(lab: Floor) -> None:
    lab.execute("INSERT INTO fieldlab.spool (name) VALUES ('one'), ('two')")
    lab.execute(
        "INSERT INTO fieldlab.waiting (spool, source_id, samples, oldest) SELECT spool.name, s.id, 10, now()"
        " FROM fieldlab.spool AS spool, fieldlab.source AS s"
    )
    items = (await lab["lab"].get("/v1/ingest/accounts", params={"source": "shop-floor"})).json()["items"]
    (waiting,) = [item for item in items if item["waiting"]]
    assert (waiting["received"], waiting["waiting"], waiting["stream"]) == (20, 20, None)
    pages, cursor = [], None
    while True:
        page = (await lab["lab"].get("/v1/ingest/accounts", params={"limit": 1, "cursor": cursor or []})).json()
        pages += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert pages == items


async def test_a_reject_shows_its_bytes_to_whom_they_belong_and_its_reason_to_the_operator(lab: Floor) -> None:
    (mine,) = (await lab["sme-a"].get("/v1/rejects")).json()["items"]
    assert (mine["reason"], mine["asset"], mine["stream"]) == ("too_late", "mill-1", "spindle_current")
    assert '"value": 7.5' in mine["raw"]
    (seen,) = (await lab["lab"].get("/v1/rejects", params={"reason": "too_late"})).json()["items"]
    assert seen["detail"] == "It came too late."
    assert seen["raw"] is seen["raw_base64"] is None
    for stranger in ("sme-b", "researcher"):
        assert (await lab[stranger].get("/v1/rejects")).json() == {"items": [], "next": None}


async def test_a_released_reject_becomes_a_measurement_of_whoever_owned_it_once(lab: Floor) -> None:
    (kept,) = (await lab["lab"].get("/v1/rejects")).json()["items"]
    path = f"/v1/rejects/{kept['id']}/release"
    assert (await lab["sme-a"].post(path)).status_code == 403
    released = await lab["lab"].post(path)
    assert released.json() == {"stored": 1}, released.text
    around = {"stream": CURRENT, "from": str(Instant(NINE - 2)), "until": str(Instant(NINE - 1))}
    assert [row[2] for row in (await lab["sme-a"].get("/v1/measurements", params=around)).json()["rows"]] == [7.5]
    assert (await lab["lab"].post(path)).status_code == 404
    assert (await lab["lab"].get("/v1/rejects")).json()["items"][0]["released_at"] is not None


async def test_what_cannot_be_released_says_why(lab: Floor) -> None:
    assert (await lab["lab"].post("/v1/rejects/999/release")).status_code == 404
    assert (await lab["lab"].post("/v1/rejects/x/release")).status_code == 422
    (kept,) = (await lab["lab"].get("/v1/rejects")).json()["items"]
    lab.execute("DELETE FROM fieldlab.binding")
    unbound = await lab["lab"].post(f"/v1/rejects/{kept['id']}/release")
    assert unbound.status_code == 409
    assert unbound.json()["detail"] == "No stream is bound to the address of this reject; bind it first."
