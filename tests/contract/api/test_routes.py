"""Every route that there is asks who asks, and every read takes a right: found by looking, not from a list."""

import inspect
import re
from collections.abc import Iterator, MutableMapping
from types import ModuleType
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.routing import iter_route_contexts
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.routing import WebSocketRoute

from api.app import create_app
from api.routes import live
from fieldlab.ownership.scope import ReadScope
from fieldlab.settings import ApiSettings
from fieldlab.storage import catalogue, exports, gaps, ingest, read, search, tenures
from fieldlab.storage.pool import Pool

OPEN = {"/healthz", "/readyz", "/metrics", "/docs", "/docs/{name}", "/v1/openapi.json", "/problems/{slug}"}
"""What anybody may read: nothing of the lab is in it."""


def app() -> FastAPI:
    """An application that has not been started: it has no database."""
    return create_app(ApiSettings.load(api_database_url="postgresql://fieldlab_api@127.0.0.1:1/nothing"))


def routes(of: FastAPI) -> Iterator[tuple[str, str]]:
    for route in iter_route_contexts(of.routes):
        for method in sorted(route.methods or {"GET"}):
            yield method, route.path or ""


def test_there_are_routes_to_look_at() -> None:
    found = set(routes(app()))
    assert len(found - {(method, path) for method, path in found if path in OPEN}) >= 15
    assert {("GET", "/v1/measurements"), ("POST", "/v1/assets/{slug}/hand-overs")} <= found
    assert {path for _, path in found} >= OPEN


@pytest.mark.parametrize(("method", "path"), sorted({(m, p) for m, p in routes(app()) if p not in OPEN}))
async def test_a_route_without_a_key_is_a_401(method: str, path: str) -> None:
    transport = httpx.ASGITransport(app())
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as stranger:
        answer = await stranger.request(method, re.sub(r"\{\w+\}", "x", path), json={"nothing": 1})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="fieldlab"'
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_route_that_forgets_to_ask_would_be_found() -> None:
    inner, outer, careless = APIRouter(), APIRouter(prefix="/v1"), app()
    inner.add_api_route("/forgotten", lambda: "everything", response_model=None)
    outer.include_router(inner)
    careless.include_router(outer)
    assert ("GET", "/v1/forgotten") in set(routes(careless))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(careless), base_url="http://lab") as stranger:
        assert (await stranger.get("/v1/forgotten")).status_code == 200


def sockets(of: FastAPI) -> set[str]:
    """Every route that would take a WebSocket by itself, past what guards requests."""
    return {
        route.path or "" for route in iter_route_contexts(of.routes) if isinstance(route.original_route, WebSocketRoute)
    }


async def handshake(of: FastAPI, path: str) -> list[dict[str, Any]]:
    """Come to a path with a WebSocket and without a key."""
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(dict(message))

    scope: dict[str, Any] = {"type": "websocket", "path": path, "raw_path": path.encode(), "root_path": ""}
    scope |= {"scheme": "ws", "query_string": b"", "headers": [], "extensions": {"websocket.http.response": {}}}
    await of(scope, receive, send)
    return told


@pytest.mark.parametrize("path", sorted({path for _, path in routes(app())}))
async def test_a_websocket_opens_nothing_without_a_key_wherever_it_comes(path: str) -> None:
    head, *_ = await handshake(app(), re.sub(r"\{\w+\}", "x", path))
    assert (head["type"], head["status"]) == ("websocket.http.response.start", 401 if path == live.SOCKET else 404)


async def test_no_route_takes_a_websocket_past_the_guards_and_one_that_would_is_found_and_not_reached() -> None:
    assert not sockets(app())
    careless = app()

    async def forgotten(socket: WebSocket) -> None:
        await socket.accept()

    inner = APIRouter()
    inner.add_api_websocket_route("/forgotten", forgotten)
    careless.include_router(inner, prefix="/v1")
    assert sockets(careless) == {"/v1/forgotten"}
    assert (await handshake(careless, "/v1/forgotten"))[0]["status"] == 404


@pytest.mark.parametrize("path", sorted(OPEN - {"/readyz"}))
async def test_what_is_open_answers_without_a_key_and_without_a_database(path: str) -> None:
    transport = httpx.ASGITransport(app())
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as stranger:
        answer = await stranger.get(path.replace("{name}", "swagger-ui.css").replace("{slug}", "not-found"))
    assert answer.status_code == 200


async def test_the_documentation_page_loads_nothing_from_another_host() -> None:
    transport = httpx.ASGITransport(app())
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as stranger:
        page = await stranger.get("/docs")
        assert "//" not in re.sub(r"<!--.*?-->|//# .*", "", page.text)
        loaded = re.findall(r"""(?:src|href)="([^"]+)"|url: '([^']+)'""", page.text)
        assert len(loaded) == 4
        for source, document in loaded:
            assert (await stranger.get(source or document)).status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy


WAYS = {AsyncEngine, Pool}
"""What a function that reaches the database takes."""


def takers(module: ModuleType) -> Iterator[tuple[str, inspect.Signature]]:
    for name, function in inspect.getmembers(module, inspect.isfunction):
        signature = inspect.signature(function, eval_str=True)
        if not name.startswith("_") and WAYS & {one.annotation for one in signature.parameters.values()}:
            yield name, signature


@pytest.mark.parametrize(
    "module", [read, catalogue, tenures, ingest, search, exports, gaps], ids=lambda module: module.__name__
)
def test_every_read_and_change_takes_a_right_first_and_never_by_default(module: ModuleType) -> None:
    found = [*takers(module)]
    assert found
    for name, signature in found:
        first = next(iter(signature.parameters.values()))
        assert (first.name, first.annotation, first.default) == ("scope", ReadScope, inspect.Parameter.empty), name
