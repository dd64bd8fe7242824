"""Lending a machine from the command line, with one's own key: as the owner, as the tenant, and as nobody."""

import asyncio
import json

from typer.testing import CliRunner, Result

from cli.main import app
from fieldlab.assets.participant import Permission
from fieldlab.errors import FieldlabError, InvalidInput, NotFound, Unavailable
from fieldlab.readings.instant import MINUTE, Instant
from tests.integration.api.lab import DATA, Floor, floor
from tests.integration.api.listening import served
from tests.servers.database import Database

LENDING = DATA | {Permission.TENURES_WRITE}
WIDE = {"COLUMNS": "200"}


def run(url: str, token: str, *arguments: str) -> Result:
    environment = {"FIELDLAB_API": url, "FIELDLAB_TOKEN": token, **WIDE}
    return CliRunner().invoke(app, ["tenure", *arguments], env=environment)


def tomorrow(hours: int) -> str:
    return str(Instant((Instant.now() // MINUTE + 24 * 60 + hours * 60) * MINUTE))


async def test_an_owner_lends_extends_takes_back_and_corrects(database: Database) -> None:
    async with floor(database) as lab, served(lab) as answering:
        owner, tenant, nobody = (lab.issue(who, LENDING) for who in ("researcher", "sme-a", "sme-b"))

        async def tenure(token: str, *arguments: str) -> Result:
            return await asyncio.to_thread(run, answering.url, token, *arguments)

        times = ("--from", tomorrow(0), "--until", tomorrow(1))
        lent = await tenure(owner, "hand-over", "robot-1", "sme-a", *times, "--trial", "grip")
        assert lent.exit_code == 0, lent.output
        assert "grip" in lent.output
        assert lent.output.count("sme-a") == 1  # both streams went the same way
        longer = await tenure(owner, "extend", "robot-1", "--at", tomorrow(0), "--until", tomorrow(2), "--json")
        assert {(one["until"]) for one in json.loads(longer.output) if one["owner"] == "sme-a"} == {tomorrow(2)}
        mine = await tenure(tenant, "show", "robot-1", "--json")
        assert [one["trial"] for one in json.loads(mine.output)] == ["grip", "grip"]
        given = await tenure(tenant, "return", "robot-1", "--at", tomorrow(1))
        assert given.exit_code == 0, given.output
        gone = await tenure(owner, "correct", "robot-1", "--at", tomorrow(0), "--reason", "another day")
        assert gone.exit_code == 0, gone.output
        shown = await tenure(owner, "show", "robot-1", "--json")
        assert {(one["owner"], one["from"], one["until"]) for one in json.loads(shown.output)} == {
            ("researcher", "-infinity", "infinity")
        }
        await refusals(lab, answering.url, owner, nobody)


async def refusals(lab: Floor, url: str, owner: str, nobody: str) -> None:
    async def refused(token: str, *arguments: str) -> BaseException:
        done = await asyncio.to_thread(run, url, token, *arguments)
        assert done.exception is not None, done.output
        return done.exception

    times = ("--from", tomorrow(3), "--until", tomorrow(4))
    assert isinstance(await refused(nobody, "show", "robot-1"), NotFound)
    missing = [str(await refused(nobody, "hand-over", asset, "sme-b", *times)) for asset in ("robot-1", "robot-9")]
    assert missing[0].replace("robot-1", "…") == missing[1].replace("robot-9", "…")
    half = ("--at", tomorrow(3), "--to", "sme-a", "--reason", "x")
    assert isinstance(await refused(owner, "correct", "robot-1", *half), InvalidInput)
    odd = await refused(owner, "hand-over", "robot-1", "sme-a", "--from", "2031-01-01T08:00:30Z", "--stream", "power")
    assert isinstance(odd, InvalidInput)
    assert "whole minute" in str(odd)
    unscoped = await refused(lab.tokens["researcher"], "hand-over", "robot-1", "sme-a", *times)
    assert isinstance(unscoped, FieldlabError)
    assert "tenures:write" in str(unscoped)
    assert isinstance(
        await asyncio.to_thread(lambda: run("http://127.0.0.1:1", "x", "show", "m").exception), Unavailable
    )


def test_a_time_that_is_none_is_named() -> None:
    refused = run("http://127.0.0.1:1", "x", "return", "mill-1", "--at", "tomorrow")
    assert refused.exit_code == 2
    assert "+90m" in refused.output
