"""What the documents show runs: each line of curl and each block of Python, in order, on a lab with data."""

import asyncio
import shlex
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.examples import EXPORT
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from tests.architecture.checkout import ROOT
from tests.docs.blocks import SHELL, Block, blocks
from tests.integration.api.lab import CURRENT, EIGHT, NINE, STATE, Floor, Row, busy_morning, floor, hand_over
from tests.integration.api.listening import Served, served
from tests.integration.api.test_exports import ended
from tests.servers.database import Database
from tests.servers.engine import EngineName

HERE = ("$API", "http://127.0.0.1:8000")
"""How the documents write where the query service is."""

PAGES = {path: [block for block in blocks() if block.document == path] for path in {one.document for one in blocks()}}
ELSEWHERE = ROOT / "client" / "README.md"
"""Its cells run in a test of the client."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a line of curl sends, and where it puts the answer."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None
    into: str | None


def request(words: list[str], url: str, token: str) -> Request | None:
    """Read a line of curl; None for one that goes to another service than the query service."""
    asked: dict[str, Any] = {"headers": {}, "body": None, "into": None, "url": None}
    left = iter(words[1:])
    for word in left:
        match word:
            case "-s" | "-N":
                continue
            case "-H":
                name, _, value = next(left).partition(": ")
                asked["headers"][name] = value.replace("$TOKEN", token)
            case "-d":
                asked["body"] = next(left)
            case "-o":
                asked["into"] = next(left)
            case "-m" | "-C":
                next(left)
            case "||":
                break
            case _:
                assert asked["url"] is None, f"{word!r} is understood by nobody here"
                asked["url"] = word
    here = next((start for start in HERE if asked["url"].startswith(start)), None)
    if here is None:
        return None
    asked["url"] = asked["url"].replace(here, url)
    return Request(method="GET" if asked["body"] is None else "POST", **asked)


def shown(block: Block) -> Iterator[list[str]]:
    """The lines of curl in a block."""
    if block.language == SHELL:
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["curl"]:
                yield words


@pytest.fixture
async def answering(database: Database, tmp_path: Path) -> AsyncIterator[Served]:
    """A lab that has measured until now, with the streams, the trial and the discovery that the documents name."""
    async with floor(database, api_exports_directory=tmp_path / "exports") as lab:
        await busy_morning(lab)
        lab.execute(
            "INSERT INTO fieldlab.stream (asset_id, name, kind, unit)"
            " SELECT id, 'power', 'number', 'kW' FROM fieldlab.asset WHERE slug = 'mill-1'"
        )
        lab.execute(
            "INSERT INTO fieldlab.discovery (source_id, address, kind, value, samples, first_seen, last_seen)"
            " SELECT id, 'lab/meter-7/telemetry#power', 'number', 1520.5, 1, now(), now() FROM fieldlab.source"
        )
        await hand_over(lab, "robot-1", "lab", EIGHT, NINE, "first-cut-sme-a")
        lab.store("robot-1.joint_1", [Row(time=EIGHT, value=0.5)])
        now = Instant.now()
        recent = range(int(now) - 10 * MINUTE, int(now), 10 * SECOND)
        for reference in (CURRENT, "mill-1.power"):
            lab.store(reference, (Row(time=Instant(time), value=number / 7) for number, time in enumerate(recent)))
        lab.store(STATE, (Row(time=Instant(time), text="EXECUTE") for time in recent))
        async with served(lab) as running:
            yield running


async def send(client: httpx.AsyncClient, asked: Request) -> None:
    """Send what a line of curl sends; of a live answer the first event is enough."""
    given = {"headers": asked.headers, "content": asked.body}
    async with client.stream(asked.method, asked.url, **given) as answer:  # type: ignore[arg-type]
        if answer.headers["content-type"].startswith("text/event-stream"):
            assert "event: segments" in [line async for line in first_event(answer)]
            return
        content = await answer.aread()
    assert answer.is_success, (asked, content)
    assert content
    if asked.into is not None:
        await asyncio.to_thread(Path(asked.into).write_bytes, content)


async def first_event(answer: httpx.Response) -> AsyncIterator[str]:
    """The lines up to the first event."""
    async for line in answer.aiter_lines():
        yield line
        if line.startswith("event: "):
            return


async def whole_export(lab: Floor) -> str:
    """Have an export made of the machine that the documents show."""
    made = await ended(lab, "lab", asset="mill-1")
    assert made["state"] == "ready", made
    return str(made["id"])


@pytest.mark.parametrize("engine_server", [EngineName.PLAIN], indirect=True, ids=str)
async def test_every_request_and_every_block_of_python_runs(
    answering: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, export = answering.lab.tokens["lab"], await whole_export(answering.lab)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API", answering.url)
    monkeypatch.setenv("TOKEN", token)
    sent = ran = 0
    for page in sorted(PAGES):
        for block in PAGES[page] if page != ELSEWHERE else ():
            for words in shown(block):
                asked = request([word.replace(EXPORT, export) for word in words], answering.url, token)
                if asked is not None:
                    await send(answering.client, asked)
                    sent += 1
            if block.language == "python":
                await asyncio.to_thread(exec, compile(block.text, str(block), "exec"), {})
                ran += 1
    assert sent >= 25
    assert ran >= 5
