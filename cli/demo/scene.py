"""What the demo is about: its lab, who is who, the hand-over of the mill within the last ten minutes, an agreement."""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.apply import read_lab
from cli.demo.parts import Database, Ports
from fieldlab.assets.lab import Lab
from fieldlab.assets.participant import Permission
from fieldlab.errors import TenureConflict, Unauthenticated
from fieldlab.ownership.agreement import Action, State
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.ownership.tenure import Tenure
from fieldlab.ownership.terms import Declared, Enforced, Terms
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.storage import agreements, catalogue, hand_overs, keys, tenures
from fieldlab.storage.database import open_async_engine, open_engine
from fieldlab.storage.declare import declare
from fieldlab.storage.extent import newest

SOURCES: Final = ("shop-floor", "robot-cell")
MILL: Final = "mill-1"
ROBOT: Final = "robot-1"
FILLED: Final = 10 * MINUTE
_MANY: Final = 10_000
_BOOKED: Final = 24 * 60 * MINUTE
_KEPT: Final = timedelta(days=365)

_READ: Final = frozenset({Permission.DATA_READ, Permission.DATA_LIVE, Permission.AGREEMENTS_WRITE})
WHO: Final = {
    "operator": ("lab", _READ | {Permission.LAB_ADMIN}, "runs the lab: books machines, sees no tenant's values"),
    "sme-a": ("sme-a", _READ, "had the mill until the hand-over"),
    "sme-b": ("sme-b", _READ, "has the mill since the hand-over"),
    "researcher": (
        "researcher",
        _READ | {Permission.TENURES_WRITE},
        "owns the robot; sees sme-a's part of the mill by the minute, by agreement",
    ),
}
"""For each name: the participant, what its token allows, and a line for people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """The prepared lab: a token for each of `WHO`, where the filling starts, and when sme-a last had the mill."""

    tokens: dict[str, str]
    since: Instant
    with_sme_a: Interval


def lab(ports: Ports) -> Lab:
    """Give the declaration of the demo's lab, on the given ports."""
    declared = read_lab(Path(__file__).with_name("lab.yaml"))
    urls = dict(zip(SOURCES, (f"mqtt://127.0.0.1:{ports.mqtt}", f"opc.tcp://127.0.0.1:{ports.opcua}"), strict=True))
    sources = {slug: source.model_copy(update={"url": urls[slug]}) for slug, source in declared.sources.items()}
    return declared.model_copy(update={"sources": sources})


async def prepare(database: Database, ports: Ports, directory: Path, now: Instant) -> Scene:
    """Declare the lab, see to the tokens, and book the mill: first for sme-a, then for sme-b, on whole minutes.

    Shortly after an earlier demo too little time is left to fill in for that; its hand-over is shown then.
    """
    engine = open_engine(database.admin_url, name="fieldlab demo")
    try:
        with engine.begin() as connection:
            declare(connection, lab(ports))
            last = newest(connection, MILL)
        api = open_async_engine(database.url("fieldlab_api"), name="fieldlab demo", connections=1)
        try:
            tokens = _tokens(directory / "tokens.json")
            for name, token in tokens.items():
                try:
                    known = (await keys.authenticate(api, token)).permissions
                except Unauthenticated:
                    known = frozenset()
                if not known >= WHO[name][1]:
                    with engine.begin() as connection:
                        tokens[name] = _issue(connection, name)
            _keep(directory / "tokens.json", tokens)
            start = _minute_before(Instant(now - FILLED))
            since = start if last is None else max(start, Instant(last + SECOND - last % SECOND))
            operator = await keys.authenticate(api, tokens["operator"])
            first = Instant(since + -since % MINUTE)
            middle = Instant(first + (now - first) // 2 // MINUTE * MINUTE)
            if first < middle < now:
                await _book(operator, api, first, middle)
            await _permit(api, tokens)
            return Scene(tokens=tokens, since=since, with_sme_a=await _last_of_sme_a(operator, api, now))
        finally:
            await api.dispose()
    finally:
        engine.dispose()


async def _book(operator: ReadScope, api: AsyncEngine, first: Instant, middle: Instant) -> None:
    with suppress(TenureConflict):
        await hand_overs.return_early(operator, api, MILL, first)
    for owner, start, until in (("sme-a", first, middle), ("sme-b", middle, Instant(middle + _BOOKED))):
        booking = Tenure(
            owner=owner, trial=f"first-cut-{owner}", booked=True, interval=Interval(start=start, until=until)
        )
        await hand_overs.hand_over(operator, api, MILL, booking)


async def _last_of_sme_a(operator: ReadScope, api: AsyncEngine, now: Instant) -> Interval:
    listed = await tenures.listed(operator, api, asset=MILL, limit=_MANY)
    own = [entry.tenure.interval for entry in listed if entry.tenure.owner == "sme-a" and entry.tenure.booked]
    return max(interval for interval in own if interval.until <= now)


async def _permit(api: AsyncEngine, tokens: dict[str, str]) -> None:
    """Let sme-a offer the researcher its part of the mill, in buckets of a minute, and the researcher approve."""
    owner, grantee = await keys.authenticate(api, tokens["sme-a"]), await keys.authenticate(api, tokens["researcher"])
    if await agreements.listed(owner, api, state=State.ACTIVE, limit=1):
        return
    streams = await catalogue.streams(owner, api, asset=MILL, limit=1000)
    terms = Terms(
        owner=owner.participant,
        grantee=grantee.participant,
        enforced=Enforced(streams=tuple(stream.reference for stream in streams), resolution_floor=MINUTE),
        declared=Declared(licence="CC-BY-NC-4.0", attribution=owner.participant),
    )
    offered = await agreements.propose(owner, api, terms, answer_within=_BOOKED)
    await agreements.step(grantee, api, offered.id, Action.APPROVE)


def _issue(connection: Connection, name: str) -> str:
    participant, permissions, _ = WHO[name]
    expires_at = Instant.of(datetime.now(UTC) + _KEPT)
    return keys.issue(
        connection, participant=participant, principal=f"demo-{name}", permissions=permissions, expires_at=expires_at
    ).token


def _tokens(path: Path) -> dict[str, str]:
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: kept.get(name, "") for name in WHO}


def _keep(path: Path, tokens: dict[str, str]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(tokens), encoding="utf-8")


def _minute_before(moment: Instant) -> Instant:
    return Instant(moment - moment % MINUTE)
