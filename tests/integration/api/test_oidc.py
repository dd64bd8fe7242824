"""Tokens of an OpenID Connect issuer: checked, mapped to a participant, and known to the database while they last."""

import asyncio
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from api import oidc
from api.app import create_app
from fieldlab.settings import ApiSettings
from fieldlab.storage import admission
from fieldlab.storage.database import open_engine
from tests.integration.api.lab import CURRENT, EIGHT, NINE, Floor
from tests.integration.api.test_exports import OVER, until
from tests.servers.port import listening

AUDIENCE = "fieldlab"
LONG_AGO = 1_700_000_000
FAR_AHEAD = 4_000_000_000
"""In seconds since the Unix epoch."""


@dataclass
class TestIssuer:
    """An issuer that publishes its keys on a port of its own."""

    __test__ = False
    url: str
    keys: list[RSAKey | ECKey] = field(default_factory=lambda: [RSAKey.generate_key(2048, {"kid": "first"})])
    calls: int = 0
    name: str = ""

    async def describe(self, _request: Request) -> JSONResponse:
        self.calls += 1
        return JSONResponse({"issuer": self.name or self.url, "jwks_uri": f"{self.url}/keys"})

    async def publish(self, _request: Request) -> JSONResponse:
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self.keys]})

    def token(self, *, key: RSAKey | ECKey | None = None, alg: str = "RS256", **claims: object) -> str:
        signing = key or self.keys[-1]
        said = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "alice",
            "exp": int(time.time()) + 600,
            "participant": "sme-a",
            "scope": "openid data:read",
            **claims,
        }
        kept = {name: value for name, value in said.items() if value is not None}
        return jwt.encode({"alg": alg, "kid": signing.kid}, kept, signing, algorithms=[alg])


@pytest.fixture
async def issuer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TestIssuer]:
    monkeypatch.setattr(oidc, "_AGAIN", 0.0)
    listener = listening()
    made = TestIssuer(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    routes = [Route("/.well-known/openid-configuration", made.describe), Route("/keys", made.publish)]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), lifespan="off", log_config=None))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield made
    finally:
        server.should_exit = True
        await running


def admission_key(lab: Floor) -> str:
    engine = open_engine(lab.database.admin, name="tests")
    with engine.begin() as connection:
        key = admission.make_key(connection)
    engine.dispose()
    return key


@pytest.fixture
async def trusting(lab: Floor, issuer: TestIssuer, tmp_path: Path) -> AsyncIterator[Floor]:
    """The lab, behind a service that trusts the issuer."""
    settings = ApiSettings.load(
        api_database_url=lab.database.api,
        api_connections=4,
        api_oidc_issuer=issuer.url,
        api_oidc_audience=AUDIENCE,
        api_oidc_key=admission_key(lab),
        api_exports_directory=tmp_path / "exports",
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield Floor(app=app, database=lab.database, tokens=lab.tokens)


async def asked(lab: Floor, token: str, path: str = "/v1/me") -> tuple[int, dict[str, Any]]:
    async with lab.client(token) as client:
        answer = await client.get(path)
    return answer.status_code, answer.json()


async def test_a_token_of_the_issuer_speaks_for_its_participant(trusting: Floor, issuer: TestIssuer) -> None:
    token = issuer.token()
    status, me = await asked(trusting, token)
    assert status == 200
    assert (me["participant"], me["principal"], me["scopes"]) == ("sme-a", "alice", ["data:read"])
    status, body = await asked(trusting, token, f"/v1/measurements?stream={CURRENT}")
    assert status == 200
    assert {segment["owner"] for segment in body["segments"]} == {"sme-a"}
    assert (await asked(trusting, trusting.tokens["sme-b"]))[1]["participant"] == "sme-b"
    assert issuer.calls == 1
    with psycopg.connect(trusting.database.admin) as admin:
        admin.execute("UPDATE fieldlab.credential SET revoked_at = now() WHERE admitted")
    assert (await asked(trusting, token))[0] == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://elsewhere.example.org"},
        {"exp": LONG_AGO},
        {"exp": None},
        {"sub": None},
        {"nbf": FAR_AHEAD},
        {"participant": None},
        {"participant": "nobody-known"},
        {"participant": ["sme-a"]},
    ],
    ids=str,
)
async def test_a_token_with_a_wrong_claim_is_a_401(trusting: Floor, issuer: TestIssuer, claims: dict[str, Any]) -> None:
    status, body = await asked(trusting, issuer.token(**claims))
    assert (status, body["type"]) == (401, "/problems/unauthenticated")


def by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes | None) -> str:
    """Write a token as no library would: with a public key as a shared secret, or without a signature."""
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = b"" if secret is None else hmac.digest(secret, b".".join(parts), "sha256")
    return b".".join([*parts, urlsafe_b64encode(signature).rstrip(b"=")]).decode()


async def test_no_other_algorithm_and_no_other_s_key_opens_anything(trusting: Floor, issuer: TestIssuer) -> None:
    public = issuer.keys[0].as_pem(private=False)
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "x", "exp": int(time.time()) + 600, "participant": "sme-a"}
    forged = [
        by_hand({"alg": "HS256", "kid": "first"}, claims, public),
        by_hand({"alg": "none", "kid": "first"}, claims, None),
        issuer.token(key=RSAKey.generate_key(2048, {"kid": "first"})),
        issuer.token(key=RSAKey.generate_key(2048, {"kid": "unknown"})),
        issuer.token()[:-4] + "AAAA",
        "a.b.c",
        "not-a-token",
    ]
    for token in forged:
        assert (await asked(trusting, token))[0] == 401, token


async def test_keys_may_be_turned_over_and_other_kinds_of_them_used(trusting: Floor, issuer: TestIssuer) -> None:
    assert (await asked(trusting, issuer.token()))[0] == 200
    issuer.keys = [ECKey.generate_key("P-256", {"kid": "second"})]
    assert (await asked(trusting, issuer.token(alg="ES256")))[0] == 200


async def test_an_issuer_that_calls_itself_otherwise_is_not_believed(trusting: Floor, issuer: TestIssuer) -> None:
    issuer.name = "https://elsewhere.example.org"
    assert (await asked(trusting, issuer.token()))[0] == 503


async def test_claims_are_read_as_configured(lab: Floor, issuer: TestIssuer) -> None:
    settings = ApiSettings.load(
        api_database_url=lab.database.api,
        api_connections=2,
        api_oidc_issuer=issuer.url,
        api_oidc_audience=AUDIENCE,
        api_oidc_key=admission_key(lab),
        api_oidc_participant_claim="organisation",
        api_oidc_participants={"B GmbH": "sme-b"},
        api_oidc_role_claim="groups",
        api_oidc_roles={"analysts": ["data:read"], "guests": []},
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        there = Floor(app=app, database=lab.database, tokens=lab.tokens)
        for groups, scopes in ((["analysts", "others"], ["data:read"]), ("guests", [])):
            token = issuer.token(organisation="B GmbH", groups=groups, scope="lab:admin", participant="lab")
            status, me = await asked(there, token)
            assert (status, me["participant"], me["scopes"]) == (200, "sme-b", scopes)
        assert (await asked(there, issuer.token(organisation="lab", groups=["analysts"])))[0] == 401


async def test_sql_alone_admits_nobody(trusting: Floor) -> None:
    with psycopg.connect(trusting.database.api, autocommit=True) as attacker:
        for mark in (b"", b"x" * 32, None):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                attacker.execute(
                    "SELECT visible.admit(%s, 'lab', 'me', ARRAY['lab:admin'], now() + interval '1 hour', %s)",
                    [b"digest", mark],
                )


class TestAnExport:
    """Of a token that lives for minutes: its job is bound to the participant's right, and not to the token's life."""

    async def asked(self, lab: Floor, token: str) -> str:
        lab.app.state.desk.exports.pause()
        async with lab.client(token) as client:
            made = await client.post("/v1/exports", json={"stream": [CURRENT]})
        assert made.status_code == 202, made.text
        lab.execute(
            "UPDATE fieldlab.credential SET expires_at = now() - interval '1 s' WHERE admitted AND issued_by IS NULL"
        )
        assert (await asked(lab, token))[0] == 401
        return str(made.json()["id"])

    async def over(self, lab: Floor, id_: str) -> dict[str, Any]:
        lab.app.state.desk.exports.resume()
        return await until(lab, "sme-a", id_, lambda shown: shown["state"] in OVER)

    async def test_goes_on_when_the_token_has_ended(self, trusting: Floor, issuer: TestIssuer) -> None:
        id_ = await self.asked(trusting, issuer.token())
        shown = await self.over(trusting, id_)
        assert (shown["state"], shown["rows"]) == ("ready", 361), shown
        assert (await asked(trusting, issuer.token(jti="another"), f"/v1/exports/{id_}"))[1]["state"] == "ready"
        entries = (await asked(trusting, trusting.tokens["sme-a"], "/v1/accesses"))[1]["items"]
        assert "alice" in json.dumps([one for one in entries if '"export"' in json.dumps(one)])

    async def test_ends_when_the_token_is_revoked(self, trusting: Floor, issuer: TestIssuer) -> None:
        id_ = await self.asked(trusting, issuer.token())
        trusting.execute("UPDATE fieldlab.credential SET revoked_at = now() WHERE admitted AND issued_by IS NULL")
        shown = await self.over(trusting, id_)
        assert (shown["state"], "token" in shown["detail"]) == ("failed", True)

    async def test_ends_when_its_own_credential_is_revoked(self, trusting: Floor, issuer: TestIssuer) -> None:
        id_ = await self.asked(trusting, issuer.token())
        keys = (await trusting["sme-a"].get("/v1/keys")).json()["items"]
        (own,) = [one for one in keys if one["issued_by"] is not None]
        assert (own["principal"], own["scopes"]) == ("alice", ["data:read"])
        assert (await trusting["sme-a"].delete(f"/v1/keys/{own['id']}")).status_code == 200
        assert (await self.over(trusting, id_))["state"] == "failed"

    async def test_ends_when_the_participant_has_no_right_any_more(self, trusting: Floor, issuer: TestIssuer) -> None:
        id_ = await self.asked(trusting, issuer.token())
        correction = {"at": str(EIGHT), "to": "sme-b", "from": str(EIGHT), "until": str(NINE), "reason": "a slip"}
        answer = await trusting["lab"].post("/v1/assets/mill-1/corrections", json=correction)
        assert answer.status_code == 201, answer.text
        assert (await self.over(trusting, id_))["state"] in {"failed", "withdrawn"}

    async def test_of_long_ago_keeps_nobody_out(self, trusting: Floor, issuer: TestIssuer) -> None:
        id_ = await self.asked(trusting, issuer.token())
        await self.over(trusting, id_)
        trusting.execute("UPDATE fieldlab.credential SET expires_at = now() - interval '9 days' WHERE admitted")
        assert (await asked(trusting, issuer.token(jti="another")))[0] == 200
        assert (await trusting["sme-a"].get(f"/v1/exports/{id_}")).status_code == 200
