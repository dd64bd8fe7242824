"""A WebSocket is a door like every other: the same guards before it opens, and a code that says why it closes."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import orjson
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.live.event import Reason
from api.rate import Rates
from fieldlab.assets.participant import Permission
from tests.integration.api.lab import CURRENT, JOINT, Floor
from tests.integration.api.listening import Served, SocketListener, arrive, served
from tests.integration.api.test_live import agree, at


@pytest.fixture
async def open_lab(lab: Floor) -> AsyncIterator[Served]:
    """The lab of that morning, over HTTP."""
    async with served(lab) as answering:
        yield answering


async def refused(lab: Served, path: str = "/v1/live/ws", token: str | None = None, **query: object) -> dict[str, Any]:
    """Knock where nobody opens; give the problem with which the handshake was refused."""
    with pytest.raises(InvalidStatus) as told:
        async with lab.connect(path, token, **query):
            pass
    response = told.value.response
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = orjson.loads(response.body or b"")
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["x-request-id"]
    return {**problem, "headers": response.headers}


async def closed(listener: SocketListener) -> tuple[int, str]:
    """Wait until the other side closes; give its code and reason."""
    with pytest.raises(ConnectionClosed) as told:
        await listener.socket.recv()
    assert told.value.rcvd is not None
    return told.value.rcvd.code, told.value.rcvd.reason


async def nobody_left(lab: Floor) -> None:
    async with asyncio.timeout(60):
        left = True
        while left:
            await asyncio.sleep(0.05)
            left = lab.app.state.desk.hub._readers > 0


async def test_what_may_not_be_followed_is_refused_before_the_upgrade_with_a_problem(open_lab: Served) -> None:
    lab = open_lab.lab
    own = lab.tokens["lab"]
    stranger = await refused(open_lab, stream=CURRENT)
    assert (stranger["status"], stranger["headers"]["www-authenticate"]) == (401, 'Bearer realm="fieldlab"')
    assert (await refused(open_lab, token="flk_wrong", stream=CURRENT))["status"] == 401
    unable = lab.issue("lab", frozenset({Permission.DATA_READ}))
    assert (await refused(open_lab, token=unable, stream=CURRENT))["type"] == "/problems/forbidden"
    assert (await refused(open_lab, token=lab.tokens["sme-a"], stream=JOINT))["status"] == 404
    assert (await refused(open_lab, token=own, stream=CURRENT, strem="x"))["errors"][0]["parameter"] == "strem"
    assert (await refused(open_lab, token=own))["type"] == "/problems/invalid-input"
    cursor = await refused(open_lab, token=own, stream=CURRENT, last_event_id="1")
    assert cursor["type"] == "/problems/invalid-cursor"
    await agree(lab, purposes=("research",))
    outside = await refused(open_lab, token=lab.tokens["researcher"], stream=CURRENT, purpose="marketing")
    assert outside["type"] == "/problems/outside-agreement"
    assert lab.app.state.desk.hub._readers == 0


async def test_a_handshake_counts_as_a_request(open_lab: Served) -> None:
    desk = open_lab.lab.app.state.desk
    object.__setattr__(desk, "rates", Rates(1))
    token = open_lab.lab.tokens["lab"]
    async with open_lab.connect(token=token, stream=CURRENT) as socket:
        assert socket.response is not None
        assert socket.response.headers["ratelimit"].startswith('"participant";r=0;')
        assert socket.response.headers["x-request-id"]
    too_many = await refused(open_lab, token=token, stream=CURRENT)
    assert (too_many["status"], too_many["type"]) == (429, "/problems/too-many-requests")
    assert int(too_many["headers"]["retry-after"]) >= 1


async def test_a_plain_get_is_told_to_upgrade_and_a_websocket_elsewhere_that_there_is_none(open_lab: Served) -> None:
    lab = open_lab.lab
    async with lab.client(lab.tokens["lab"]) as client:
        answer = await client.get("/v1/live/ws", params={"stream": CURRENT})
        assert (answer.status_code, answer.headers["upgrade"]) == (HTTPStatus.UPGRADE_REQUIRED, "websocket")
        assert answer.json()["type"] == "/problems/upgrade-required"
    for path in ("/v1/measurements", "/v1/live", "/nothing"):
        assert (await refused(open_lab, path, lab.tokens["lab"], stream=CURRENT))["status"] == 404


async def test_a_position_of_one_wire_is_good_on_the_other(open_lab: Served) -> None:
    lab, token = open_lab.lab, open_lab.lab.tokens["lab"]
    async with open_lab.follow(token, CURRENT) as listener:
        await arrive(lab, CURRENT, [at(1, 1.0)])
        assert [row[2] for row in await listener.rows(1)] == [1.0]
        position = listener.position
    await arrive(lab, CURRENT, [at(2, 2.0)])
    async with open_lab.listen(token, CURRENT, position=position) as plain:
        assert [row[2] for row in await plain.rows(1)] == [2.0]
        position = plain.position
    await arrive(lab, CURRENT, [at(3, 3.0)])
    async with open_lab.follow(token, CURRENT, position=position) as listener:
        assert [row[2] for row in await listener.rows(1)] == [3.0]


async def test_the_code_of_the_close_says_why(open_lab: Served) -> None:
    lab = open_lab.lab
    id_ = await agree(lab)
    async with open_lab.follow(lab.tokens["researcher"], CURRENT) as listener:
        async with lab.client(lab.tokens["sme-a"]) as owner:
            assert (await owner.post(f"/v1/agreements/{id_}/terminate")).status_code == 200
        assert (await listener.until("end"))["data"]["reason"] == "agreement.terminated"
        assert await closed(listener) == (1008, "agreement.terminated")
    async with open_lab.follow(lab.tokens["lab"], CURRENT) as listener:
        lab.app.state.desk.hub._end_all(Reason.UNAVAILABLE)
        assert (await listener.until("end"))["data"]["reason"] == "service.unavailable"
        assert await closed(listener) == (1013, "service.unavailable")
    async with open_lab.follow(lab.tokens["lab"], CURRENT) as listener:
        lab.app.state.desk.hub.stop()
        assert (await listener.until("end"))["data"]["reason"] == "service.stopping"
        assert await closed(listener) == (1012, "service.stopping")
    assert (await refused(open_lab, token=lab.tokens["lab"], stream=CURRENT))["status"] == 503


async def test_a_failure_closes_with_its_code_and_leaves_nobody_behind(
    open_lab: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("api.live.audience.Audience.head")  # an error that nobody expects
    async with open_lab.connect(token=open_lab.lab.tokens["lab"], stream=CURRENT) as socket:
        with pytest.raises(ConnectionClosed) as told:
            await socket.recv()
    assert told.value.rcvd is not None
    assert (told.value.rcvd.code, told.value.rcvd.reason) == (1011, "internal")
    await nobody_left(open_lab.lab)


async def test_what_a_client_sends_is_not_read_and_whoever_goes_is_forgotten(open_lab: Served) -> None:
    lab = open_lab.lab
    async with open_lab.follow(lab.tokens["lab"], CURRENT) as listener:
        for _ in range(50):
            await listener.socket.send("what is this?")
        await arrive(lab, CURRENT, [at(1, 1.0)])
        assert [row[2] for row in await listener.rows(1)] == [1.0]
        assert lab.app.state.desk.hub._readers == 1
    async with open_lab.follow(lab.tokens["lab"], CURRENT) as listener:
        listener.socket.transport.abort()
    await nobody_left(lab)
