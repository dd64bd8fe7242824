"""Nothing in a payload says whose it is: a name of an owner is a value at an address like any other."""

import json

import pytest

from connectors.mqtt.decode import decode
from connectors.mqtt.payload import JsonPayload
from fieldlab.assets.asset import Kind
from fieldlab.assets.source import Binding
from gateway.bind import Discipline, bind
from gateway.block import Block
from tests.unit.gateway.given import NOW

BINDINGS = {"lab/mill-1/telemetry#power": Binding(address="power", stream=1, kind=Kind.NUMBER, origin=0)}


@pytest.mark.parametrize("name", ["owner", "participant", "tenant", "trial", "agreement", "origin", "stream", "asset"])
def test_a_claim_in_a_payload_changes_nothing_of_the_row(name: str) -> None:
    def rows(payload: dict[str, object]) -> list[list[object]]:
        arrived = decode("lab/mill-1/telemetry", json.dumps(payload).encode(), NOW, JsonPayload()).samples
        found = bind(Block.of(arrived, source=7, received_at=NOW), BINDINGS, discipline=Discipline()).rows
        return [column.tolist() for column in (found.streams, found.times, found.values, found.statuses, found.origins)]

    honest = {"time": str(NOW), "power": 1.5}
    assert rows({**honest, name: "sme-b"}) == rows({name: 2, **honest}) == rows(honest)
