"""Keys of one's own participant: shown once, within the key that makes them, void at once and with it."""

import asyncio
from uuid import uuid4

import httpx
import psycopg
import pytest

from fieldlab.assets.participant import Permission
from fieldlab.ownership.scope import Credential
from fieldlab.readings.instant import MINUTE, Instant
from fieldlab.storage import keys as stored
from fieldlab.storage.database import open_engine
from tests.integration.api.lab import CURRENT, FAR, Floor
from tests.integration.api.listening import served

READ = ["data:read"]


async def made(client: httpx.AsyncClient, **asked: object) -> dict[str, str]:
    answer = await client.post("/v1/keys", json={"scopes": READ, **asked})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/keys/{answer.json()['id']}"
    return dict(answer.json())


async def own_id(client: httpx.AsyncClient) -> str:
    return str((await client.get("/v1/me")).json()["key"])


async def test_a_key_is_made_within_ones_own_and_its_token_is_shown_once(quiet_lab: Floor) -> None:
    mine = quiet_lab["sme-a"]
    key = await made(mine, principal="notebook")
    async with quiet_lab.client(key["token"]) as notebook:
        me = (await notebook.get("/v1/me")).json()
    assert (me["participant"], me["principal"], me["scopes"], me["key"]) == ("sme-a", "notebook", READ, key["id"])
    assert me["expires_at"] == key["expires_at"] == str(FAR)
    listed = await mine.get("/v1/keys")
    assert key["token"] not in listed.text
    newest, first = listed.json()["items"]
    assert newest == {name: value for name, value in key.items() if name != "token"} | {"used_at": newest["used_at"]}
    assert (newest["issued_by"], first["issued_by"]) == (first["id"], None) == (await own_id(mine), None)
    with psycopg.connect(quiet_lab.database.admin) as admin:
        kept = admin.execute("SELECT string_agg(c::text, ' ') FROM fieldlab.credential AS c").fetchone()
    assert kept is not None
    assert key["token"] not in kept[0]
    assert Credential.of(key["token"]).digest.hex() not in kept[0]


async def test_the_list_has_ones_own_keys_only_newest_first_page_by_page(quiet_lab: Floor) -> None:
    mine = quiet_lab["sme-a"]
    names = [(await made(mine, principal=name))["id"] for name in ("one", "two", "three")]
    await made(quiet_lab["sme-b"])
    found, cursor = [], None
    while True:
        page = (await mine.get("/v1/keys", params={"limit": 1, "cursor": cursor or []})).json()
        found += [key["id"] for key in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert found == [*reversed(names), await own_id(mine)]


async def test_a_key_never_allows_more_nor_lives_longer_than_the_one_that_makes_it(quiet_lab: Floor) -> None:
    until = Instant(Instant.now() + 60 * MINUTE)
    weak = quiet_lab.issue("sme-a", frozenset({Permission.DATA_READ}), until=until)
    async with quiet_lab.client(weak) as mine:
        for scopes in (["data:live"], ["data:read", "lab:admin"]):
            refused = await mine.post("/v1/keys", json={"scopes": scopes})
            assert refused.status_code == 403, refused.text
            assert scopes[-1] in refused.json()["detail"]
        for late in (Instant(until + 1), Instant(Instant.now() - MINUTE), FAR):
            refused = await mine.post("/v1/keys", json={"scopes": READ, "expires_at": str(late)})
            assert refused.status_code == 422, refused.text
            assert str(until) in refused.json()["detail"]
        for scopes in ([], ["all"]):
            assert (await mine.post("/v1/keys", json={"scopes": scopes})).status_code == 422
        assert (await made(mine))["expires_at"] == str(until)
        sooner = str(Instant(until - 30 * MINUTE))
        assert (await made(mine, expires_at=sooner))["expires_at"] == sooner
        assert len((await mine.get("/v1/keys")).json()["items"]) == 4


async def test_a_revoked_key_is_void_at_once_with_all_that_were_made_with_it(quiet_lab: Floor) -> None:
    mine = quiet_lab["sme-a"]
    first = await made(mine)
    async with quiet_lab.client(first["token"]) as client:
        second = await made(client)
    async with quiet_lab.client(second["token"]) as client:
        third = await made(client)
        assert (await client.get("/v1/me")).status_code == 200
    answer = await mine.delete(f"/v1/keys/{first['id']}")
    assert answer.status_code == 200, answer.text
    since = answer.json()["revoked_at"]
    assert since is not None
    for key in (first, second, third):
        async with quiet_lab.client(key["token"]) as client:
            assert (await client.get("/v1/measurements", params={"stream": CURRENT})).status_code == 401
    listed = {key["id"]: key["revoked_at"] for key in (await mine.get("/v1/keys")).json()["items"]}
    assert listed == {first["id"]: since, second["id"]: since, third["id"]: since, await own_id(mine): None}
    again = await mine.delete(f"/v1/keys/{first['id']}")
    assert (again.status_code, again.json()["revoked_at"]) == (200, since)


async def test_what_the_operator_revokes_takes_along_what_was_made_with_it(quiet_lab: Floor) -> None:
    mine = quiet_lab["sme-a"]
    key = await made(mine)
    engine = open_engine(quiet_lab.database.admin, name="tests")
    with engine.begin() as connection:
        (root,) = (one.id for one in stored.listed(connection, participant="sme-a") if one.issued_by is None)
        stored.revoke(connection, root)
    engine.dispose()
    async with quiet_lab.client(key["token"]) as client:
        assert (await client.get("/v1/me")).status_code == 401


async def test_a_key_revokes_itself(quiet_lab: Floor) -> None:
    mine = quiet_lab["sme-a"]
    assert (await mine.delete(f"/v1/keys/{await own_id(mine)}")).status_code == 200
    assert (await mine.get("/v1/me")).status_code == 401


async def test_a_key_that_allows_more_is_not_a_weaker_one_s_to_revoke(quiet_lab: Floor) -> None:
    mine = quiet_lab["sme-a"]
    weak = await made(mine)
    async with quiet_lab.client(weak["token"]) as client:
        refused = await client.delete(f"/v1/keys/{await own_id(mine)}")
    assert refused.status_code == 403, refused.text
    assert (await mine.get("/v1/me")).status_code == 200


async def test_another_s_key_looks_like_one_that_is_not_there(quiet_lab: Floor) -> None:
    theirs, nobodys = (await made(quiet_lab["sme-b"]))["id"], str(uuid4())
    for asking in ("sme-a", "lab"):
        bodies = []
        for id_ in (theirs, nobodys):
            answer = await quiet_lab[asking].delete(f"/v1/keys/{id_}", headers={"X-Request-Id": "same"})
            assert answer.status_code == 404
            bodies.append(answer.text.replace(id_, "ID"))
        assert bodies[0] == bodies[1]
    assert (await quiet_lab["sme-b"].get("/v1/keys")).json()["items"][0]["revoked_at"] is None


async def test_the_same_request_makes_one_key_and_its_token_is_kept_nowhere(quiet_lab: Floor) -> None:
    mine, once = quiet_lab["sme-a"], {"Idempotency-Key": "one"}
    first = await mine.post("/v1/keys", json={"scopes": READ}, headers=once)
    assert first.status_code == 201
    again = await mine.post("/v1/keys", json={"scopes": READ}, headers=once)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (409, "true")
    assert first.json()["id"] in again.json()["detail"]
    assert first.json()["token"] not in again.text
    assert len((await mine.get("/v1/keys")).json()["items"]) == 2
    with psycopg.connect(quiet_lab.database.admin) as admin:
        bodies = admin.execute("SELECT convert_from(body, 'UTF8') FROM fieldlab.request").fetchall()
    assert len(bodies) == 1
    assert first.json()["token"] not in bodies[0][0]


async def test_a_participant_has_a_thousand_valid_keys_at_most(quiet_lab: Floor) -> None:
    mine = quiet_lab["sme-a"]
    quiet_lab.execute(
        "INSERT INTO fieldlab.credential (participant_id, principal, digest, permissions, expires_at)"
        " SELECT p.id, 'many', sha256(n::text::bytea), '{data:read}', now() + interval '1 h'"
        " FROM fieldlab.participant AS p, generate_series(1, 999) AS n WHERE p.slug = 'sme-a'"
    )
    refused = await mine.post("/v1/keys", json={"scopes": READ})
    assert refused.status_code == 409, refused.text
    await made(quiet_lab["sme-b"])


async def test_a_live_answer_ends_when_its_key_is_revoked(quiet_lab: Floor) -> None:
    key = await made(quiet_lab["lab"], scopes=["data:read", "data:live"])
    async with served(quiet_lab) as answering, answering.listen(key["token"], CURRENT) as listener:
        assert (await quiet_lab["lab"].delete(f"/v1/keys/{key['id']}")).status_code == 200
        end = await asyncio.wait_for(listener.until("end"), 120)
    assert end["data"]["reason"] == "credential.void"


@pytest.mark.parametrize(
    ("may", "until"),
    [
        (["data:read", "lab:admin"], "2049-01-01Z"),
        ([], "2049-01-01Z"),
        (["data:read"], "2051-01-01Z"),
        (["data:read"], "2001-01-01Z"),
    ],
)
async def test_the_database_itself_holds_a_key_within_the_one_that_makes_it(
    quiet_lab: Floor, may: list[str], until: str
) -> None:
    mine = Credential.of(quiet_lab.tokens["sme-a"]).digest
    with psycopg.connect(quiet_lab.database.api) as attacker:
        attacker.execute("SELECT * FROM visible.bind(%s)", [mine])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            attacker.execute(
                "SELECT visible.issue_key(%s, '\\x00', 'attacker', %s, %s::timestamptz)", [mine, may, until]
            )


async def test_who_does_not_present_the_bound_key_neither_makes_nor_revokes_one(quiet_lab: Floor) -> None:
    """As the ticket of an export, which binds a transaction to a key without being it."""
    mine, other = (Credential.of(quiet_lab.tokens[slug]).digest for slug in ("sme-a", "lab"))
    key = await own_id(quiet_lab["sme-a"])
    for bound, presented in ((mine, other), (mine, b"ticket"), (None, mine)):
        with psycopg.connect(quiet_lab.database.api) as attacker:
            attacker.execute("SELECT * FROM visible.bind(%s)", [bound or b""])
            for statement in (
                "SELECT visible.issue_key(%(by)s, '\\x00', 'attacker', '{data:read}', '2049-01-01Z')",
                "SELECT visible.revoke_key(%(by)s, %(key)s)",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege), attacker.transaction():
                    attacker.execute(statement, {"by": presented, "key": key})
