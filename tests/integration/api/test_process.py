"""The process: real HTTP on a real port, a clear word when it cannot start, and a clean end."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from api.app import create_app
from api.process import run
from fieldlab.errors import ExcessRights, InvalidSettings, Unavailable
from fieldlab.settings import ApiSettings
from tests.integration.api.lab import CURRENT, NINE, Floor
from tests.servers.database import Database

SERVE = """
import logging, sys
from api.process import run
from fieldlab.settings import ApiSettings
logging.basicConfig(level=logging.INFO)
run(ApiSettings.load(api_port=0), tell=lambda address: print(address, flush=True))
print("ended")
"""


@contextmanager
def serving(url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    environment = {**os.environ, "FIELDLAB_API_DATABASE_URL": url}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVE],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_answers_over_http_and_ends_cleanly_when_told(lab: Floor, number: signal.Signals) -> None:
    headers = {"Authorization": f"Bearer {lab.tokens['sme-a']}"}
    with serving(lab.database.api) as (process, address):
        async with httpx.AsyncClient(base_url=address, headers=headers, trust_env=False) as client:
            body = (await client.get("/v1/measurements", params={"stream": CURRENT})).json()
            assert {segment["owner"] for segment in body["segments"]} == {"sme-a"}
            assert all(row[0] < str(NINE) for row in body["rows"])
            assert len(body["rows"]) == 361
            written = await client.get("/v1/measurements", params={"stream": CURRENT, "format": "csv"})
            assert len(written.text.splitlines()) == 362
            head = await client.head("/v1/measurements", params={"stream": CURRENT, "format": "csv"})
            assert (head.status_code, head.content) == (200, b"")
            assert (await client.get("/readyz")).json() == {"status": "ready"}
            assert "server" not in head.headers
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.strip() == "ended"
    assert "GET /v1/measurements 200" in err
    for secret in (lab.tokens["sme-a"], CURRENT, "Traceback"):
        assert secret not in err


async def test_whoever_follows_data_is_told_that_the_service_stops(lab: Floor) -> None:
    headers = {"Authorization": f"Bearer {lab.tokens['sme-a']}"}
    with serving(lab.database.api) as (process, address):
        async with (
            httpx.AsyncClient(base_url=address, headers=headers, trust_env=False, timeout=60) as client,
            client.stream("GET", "/v1/live", params={"stream": CURRENT}) as answer,
        ):
            lines = answer.aiter_lines()
            while await anext(lines) != "event: segments":
                pass
            process.send_signal(signal.SIGTERM)
            rest = [line async for line in lines]
        out, err = process.communicate(timeout=60)
    assert "event: end" in rest
    assert any("service.stopping" in line for line in rest)
    assert (process.returncode, out.strip()) == (0, "ended"), err


def settings(url: str, *, port: int = 0, host: str = "127.0.0.1") -> ApiSettings:
    return ApiSettings.load(api_database_url=url, api_port=port, api_host=host)


def test_a_port_in_use_is_named_with_the_option_that_changes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidSettings, match=rf"{port} .* is in use; .* --port or FIELDLAB_API_PORT"):
            run(settings("postgresql://nobody@127.0.0.1:1/nothing", port=port))


def test_an_address_of_another_machine_is_named_with_its_option() -> None:
    with pytest.raises(InvalidSettings, match="--host"):
        run(settings("postgresql://nobody@127.0.0.1:1/nothing", host="192.0.2.1"))


def test_a_database_that_cannot_be_reached_is_said_at_the_start() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        run(settings("postgresql://nobody:hush@127.0.0.1:1/nothing"))


def test_it_refuses_to_start_as_the_administrator(database: Database) -> None:
    with pytest.raises(ExcessRights, match="fieldlab_api"):
        run(settings(database.admin))


def test_it_refuses_to_start_with_a_right_on_a_base_table(database: Database) -> None:
    with psycopg.connect(database.admin) as connection:
        connection.execute("GRANT SELECT ON fieldlab.measurement TO fieldlab_api")
    with pytest.raises(ExcessRights, match="measurement"):
        run(settings(database.api))


def test_a_database_without_a_lab_is_said_at_the_start(blank_database: Database) -> None:
    with pytest.raises(Unavailable, match="fieldlab migrate"):
        run(settings(blank_database.admin))


async def test_it_says_that_it_is_not_ready_while_the_database_is_away(lab: Floor) -> None:
    name = lab.database.name
    with psycopg.connect(lab.database.admin, autocommit=True) as connection:
        connection.execute(SQL("ALTER DATABASE {} CONNECTION LIMIT 0").format(Identifier(name)))
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND usename = %s",
            [name, "fieldlab_api"],
        )
        answers = [await lab["sme-a"].get(path) for path in ("/readyz", "/v1/me", "/v1/streams")]
        assert [answer.status_code for answer in answers] == [503, 503, 503]
        assert answers[1].headers["retry-after"] == "1"
        assert "fieldlab_test" not in answers[1].text
        assert (await lab["sme-a"].get("/healthz")).json() == {"status": "alive"}
        connection.execute(SQL("ALTER DATABASE {} CONNECTION LIMIT -1").format(Identifier(name)))
    assert (await lab["sme-a"].get("/readyz")).json() == {"status": "ready"}
    assert (await lab["sme-a"].get("/v1/me")).status_code == 200


def test_building_the_application_opens_nothing() -> None:
    assert not hasattr(create_app(settings("postgresql://nobody@127.0.0.1:1/nothing")).state, "desk")


async def test_whoever_follows_over_websocket_is_told_too_and_the_log_has_no_question_in_it(lab: Floor) -> None:
    headers = {"Authorization": f"Bearer {lab.tokens['sme-a']}"}
    with serving(lab.database.api) as (process, address):
        url = f"{address.replace('http', 'ws', 1)}/v1/live/ws?stream={CURRENT}"
        async with connect(url, additional_headers=headers, proxy=None, open_timeout=60) as follower:
            assert follower.response is not None
            assert "sec-websocket-extensions" not in follower.response.headers
            assert json.loads(await follower.recv())["event"] == "segments"
            process.send_signal(signal.SIGTERM)
            events = [json.loads(message) async for message in follower_messages(follower)]
        out, err = process.communicate(timeout=60)
    assert events[-1]["data"]["reason"] == "service.stopping"
    assert follower.close_code == 1012
    assert (process.returncode, out.strip()) == (0, "ended"), err
    assert "GET /v1/live/ws 101" in err
    for secret in (lab.tokens["sme-a"], CURRENT, "Traceback"):
        assert secret not in err


async def follower_messages(follower: ClientConnection) -> AsyncIterator[str | bytes]:
    """Give what comes until the other side closes, with whatever code."""
    with suppress(ConnectionClosed):
        while True:
            yield await follower.recv()
