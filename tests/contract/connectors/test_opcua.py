"""The contract of a connector, kept by OPC UA."""

from collections.abc import AsyncIterator, Sequence

import pytest
from asyncua import ua

from fieldlab.assets.source import Options, Source, Wire
from fieldlab.readings.gap import Cause
from tests.contract.connectors.contract import ConnectorContract
from tests.contract.connectors.opcua_server import Machine
from tests.contract.connectors.plant import time_of


class OpcuaPlant:
    """A server, and a machine whose variable counts."""

    begins_with_a_value = True
    cause: Cause | None = Cause.SOURCE_UNREACHABLE

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.address = machine.address("current")

    def source(self, **options: object) -> Source:
        every = {"security": "none", "publishing_interval": 50, "keep_alive": 500} | options
        return Source(id=1, slug="plant", wire=Wire.OPCUA, url=self.machine.url, options=every)

    def held_back(self, most: int) -> Options:
        return {"queue_size": 30 * most}

    async def start(self) -> None:
        await self.machine.start()

    async def stop(self) -> None:
        await self.machine.stop()

    async def send(self, values: Sequence[float]) -> None:
        for value in values:
            await self.machine.write("current", ua.Variant(float(value)), at=time_of(value))

    def again(self, values: Sequence[float]) -> list[float]:
        return [values[-1]]


class TestOpcua(ConnectorContract):
    @pytest.fixture
    async def plant(self) -> AsyncIterator[OpcuaPlant]:
        machine = Machine({"current": ua.Variant(0.0)})
        await machine.start()
        yield OpcuaPlant(machine)
        await machine.stop()
