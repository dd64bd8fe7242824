"""Every POST that there is, sent again with its key, is answered as before and done once; found by looking.

What is sent are the examples of the OpenAPI document, so that a new route cannot be left out.
"""

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from api.guarded import READING
from api.once import HEADER
from tests.contract.api.test_openapi import OPERATIONS, as_in_the_examples, name_what_there_is, requests
from tests.contract.api.test_routes import OPEN, app, routes
from tests.integration.api.lab import Floor, floor
from tests.servers.database import Database

POSTS = [(path, operation) for method, path, operation in OPERATIONS if method == "post"]
CHANGING = [(path, operation) for path, operation in POSTS if path not in READING]

GOES_ON = frozenset(
    {"request", "credential", "export", "export_part"}
    | {"access", "access_end", "ledger_waiting", "ledger_leaf", "ledger_node", "ledger_checkpoint"}
)
"""Tables in which something is written by itself: by the keys, the clerk of the ledger and the maker of packages."""

SHOWN_ONCE = {"issue_key": (409, "/problems/conflict")}
"""Operations whose answer has a secret that is kept nowhere: what they are answered with when sent again."""


def state(lab: Floor) -> dict[str, object]:
    """All that stands in the database, table by table; of keys and exports which ones there are."""
    with psycopg.connect(lab.database.admin) as admin:
        named = admin.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'fieldlab'::regnamespace AND relkind = 'r' ORDER BY 1"
        ).fetchall()
        found: dict[str, object] = {
            name: admin.execute(
                f"SELECT count(*), md5(string_agg(t::text, ';' ORDER BY t::text)) FROM fieldlab.{name} AS t".encode()
            ).fetchone()
            for (name,) in named
            if name not in GOES_ON
        }
        for name in ("credential", "export"):
            found[name] = admin.execute(f"SELECT id FROM fieldlab.{name} ORDER BY id".encode()).fetchall()
    return found


def test_every_route_that_takes_a_post_stands_in_the_document() -> None:
    document = app().openapi()["paths"]
    taken = {path for method, path in routes(app()) if method == "POST"}
    assert taken == {path for path, _ in POSTS}
    assert {path for path in document if "post" in document[path]} == taken
    assert len(CHANGING) >= 20
    assert not taken & OPEN


@pytest.mark.parametrize(("path", "operation"), POSTS, ids=lambda part: str(part)[:40])
def test_a_post_takes_a_key_or_says_why_not(path: str, operation: dict[str, Any]) -> None:
    takes = HEADER in {one["name"] for one in operation.get("parameters", ())}
    assert takes == (path not in READING)
    if not takes:
        assert f"takes no `{HEADER}`" in operation["description"]


async def test_each_of_them_is_done_once_however_often_it_is_sent(database: Database) -> None:
    async with floor(database) as lab:
        await as_in_the_examples(lab)
        nothing = state(lab)
        assert {"tenure", "agreement", "erasure", "binding", "measurement"} <= set(nothing)
        for path, operation in CHANGING:
            sent = [one for one in requests("POST", path, operation) if one["method"] == "POST"]
            assert sent[0]["json"] is not None or "requestBody" not in operation, f"{path} has no example to send"
            for request in sent:
                await name_what_there_is(lab, request, operation["operationId"])
                before = state(lab)
                await is_done_once(lab, operation["operationId"], request)
                tries = "dry_run" in (request["json"] or ())
                assert (state(lab) == before) == tries, f"{request} should change something, unless it only tries"


async def is_done_once(lab: Floor, operation: str, request: dict[str, Any]) -> None:
    """Send a request three times with one key, and once with a body that it did not come with."""
    headers = {HEADER: str(uuid4())}
    first = await lab["lab"].request(**request, headers=headers)
    assert first.status_code in {200, 201, 202}, (request, first.text)
    assert "idempotency-replayed" not in first.headers
    done = state(lab)
    for _ in range(2):
        again = await lab["lab"].request(**request, headers=headers)
        assert again.headers.get("idempotency-replayed") == "true", (request, again.text)
        if operation in SHOWN_ONCE:
            assert (again.status_code, again.json()["type"]) == SHOWN_ONCE[operation]
            assert first.json()["id"] in again.json()["detail"]
            assert first.json()["token"] not in again.text
        else:
            assert (again.status_code, again.content) == (first.status_code, first.content), request
            for name in ("content-type", "location"):
                assert again.headers.get(name) == first.headers.get(name), request
    other = await lab["lab"].request(**{**request, "json": {**(request["json"] or {}), "other": 1}}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/invalid-input"), request
    assert state(lab) == done, f"{request} was done again"
