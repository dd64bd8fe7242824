"""The recipes of the OPC UA connector, as written, against servers that allow as little as those they are for."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from asyncua import ua

import connectors.opcua
from connectors.registry import build
from fieldlab.assets.source import Source, Wire
from fieldlab.ports import Connector
from tests.contract.connectors.certificates import certificate as certified
from tests.contract.connectors.opcua_server import NAMESPACE, Machine
from tests.contract.connectors.plant import time_of
from tests.contract.connectors.sink import Sink, running
from tests.integration.connectors.opcua_limits import Limits, limited
from tests.integration.connectors.test_opcua_security import GuardedMachine

README = (Path(next(iter(connectors.opcua.__path__))) / "README.md").read_text().replace("urn:maker:machine", NAMESPACE)
RECIPES: dict[str, dict[str, Any]] = {
    recipe["slug"]: recipe for recipe in map(yaml.safe_load, re.findall(r"```yaml\n(slug: .*?)```", README, re.DOTALL))
}
NAMES = [f"v{number}" for number in range(60)]
WORDS = {"PRESS_PASSWORD": "open sesame", "CONCENTRATOR_PASSWORD": "open sesame"}


class Foldered(Machine):
    """A machine whose variables lie in a folder called Machine."""

    async def start(self) -> None:
        await super().start()
        self.folder = await self.server.nodes.objects.add_folder(self.index, "Machine")
        for name in NAMES:
            node_id = ua.NodeId(ua.String(f"Machine/{name}"), ua.Int16(self.index))
            self.nodes[name] = await self.folder.add_variable(node_id, f"{self.index}:{name}", float(name[1:]))


class FolderedGuarded(GuardedMachine, Foldered):
    """The same behind certificates and a password."""


def connect(name: str, machine: Machine, directory: Path) -> Connector:
    recipe = RECIPES[name]
    source = Source(id=1, slug=name, wire=Wire(recipe["wire"]), url=machine.url, options=recipe["options"])
    return build(source, client_name="gateway-1", environment=WORDS, directory=directory)


@pytest.fixture
def guarded(tmp_path: Path) -> FolderedGuarded:
    machine = FolderedGuarded({})
    machine.identity = certified(tmp_path, "server", uri="urn:freeopcua:python:server", valid=timedelta(days=60))
    return machine


def test_there_is_a_recipe_for_each_kind_of_server() -> None:
    assert set(RECIPES) >= {"plain", "press", "concentrator"}


async def test_a_plain_server_s_machine_is_taken_whole(tmp_path: Path) -> None:
    machine, sink = Foldered({}), Sink()
    async with limited(machine, Limits()):
        connector = connect("plain", machine, tmp_path)
        connector.watch([])
        async with running(connector, sink):
            await sink.until(lambda: len(set(sink.values())) == len(NAMES), seconds=60)
    assert sink.rejects == []


async def test_a_controller_s_limits_are_kept_and_its_intervals_lose_nothing(
    guarded: FolderedGuarded, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Sink()
    limits = Limits(per_request=20, sampling=100, publishing=500, queue=100, subscriptions=1)
    async with limited(guarded, limits) as seen:
        connector = connect("press", guarded, tmp_path)
        connector.watch([])
        async with running(connector, sink):
            await sink.until(lambda: len(set(sink.values())) == len(NAMES), seconds=60)
            for step in range(30):
                await guarded.write("v0", ua.Variant(1_000.0 + step), at=time_of(step))
            await sink.until(lambda: 1_029.0 in sink.values(), seconds=60)
    assert seen.refused == 0, "the limits were told, and kept"
    assert max(seen.sizes) == limits.per_request
    assert set(seen.queues) == {RECIPES["press"]["options"]["queue_size"]}
    assert {1_000.0 + step for step in range(30)} <= set(sink.values())
    assert sink.rejects == []
    assert "queue_size" not in caplog.text


async def test_a_concentrator_that_tells_no_limits_is_asked_for_less_until_it_answers(
    guarded: FolderedGuarded, tmp_path: Path
) -> None:
    sink = Sink()
    async with limited(guarded, Limits(per_request=25, told=False)) as seen:
        connector = connect("concentrator", guarded, tmp_path)
        connector.watch([f"{guarded.address('Machine')}/{name}" for name in NAMES])
        async with running(connector, sink):
            await sink.until(lambda: len(set(sink.values())) == len(NAMES), seconds=60)
    assert seen.refused > 0
    assert seen.refused < 20, "what it takes is remembered"
    assert sink.rejects == []


async def test_a_server_that_grants_a_smaller_queue_is_told_of(
    guarded: FolderedGuarded, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Sink()
    async with limited(guarded, Limits(queue=5)):
        connector = connect("press", guarded, tmp_path)
        connector.watch([f"{guarded.address('Machine')}/v1"])
        async with running(connector, sink):
            await sink.until(lambda: 1.0 in sink.values(), seconds=60)
    assert "keeps 5 values of a node between two answers, not the 50 of options.queue_size" in caplog.text
