"""One edge node as a host application knows it: its session, its metrics and what its aliases mean."""

from collections.abc import Iterable
from typing import NamedTuple

from connectors.mqtt.decode.batch import Message
from connectors.mqtt.sparkplug.data_type import DataType
from connectors.mqtt.sparkplug.order import NUMBERS, Order
from connectors.mqtt.sparkplug.payload import Metric, Payload
from connectors.mqtt.sparkplug.topic import Topic
from fieldlab.readings.instant import Instant


class Definition(NamedTuple):
    """What a birth said of a metric."""

    address: str
    data_type: int


class Held(NamedTuple):
    """A message of a device whose birth may come late."""

    message: Message
    topic: Topic
    payload: Payload


class Node:
    """Holds nothing before its birth. Metrics and aliases are the device's (the node itself is device "").

    A message of one device cannot reach a metric of another, though aliases are unique in the whole node.
    """

    def __init__(self) -> None:
        self.order: Order | None = None
        self.death_number: int | None = None
        self.asked: Instant | None = None
        """When it was last asked for its births, if it has not answered yet."""
        self.latest = 0
        """The time of the newest sample, in microseconds."""
        self.held: list[Held] = []
        self._aliases: dict[str, dict[int, Definition]] = {}
        self._devices: dict[str, dict[str, Definition]] = {}
        self._born: dict[str, tuple[Instant, int | None]] = {}
        self._dead: dict[str, tuple[Instant, tuple[str, ...]]] = {}

    @property
    def alive(self) -> bool:
        """Tell whether it is born and not dead."""
        return self.order is not None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Give the addresses of all metrics that are alive."""
        return tuple(one.address for metrics in self._devices.values() for one in metrics.values())

    def begin(self, number: int | None, order: Order, *, since: Instant) -> None:
        """Begin with a birth of the node, after which each device has to be born again.

        A device's birth that was received since a given time may have overtaken the node's, and holds.
        """
        self.order, self.death_number, self.asked = order, number, None
        for device in [device for device, (at, _) in self._born.items() if at < since or not device]:
            del self._devices[device], self._aliases[device], self._born[device]
        for at, seq in self._born.values():
            if seq is not None:
                order.take(seq % NUMBERS, at)

    def forget(self) -> None:
        """Know nothing of the node any more, as before its birth."""
        self.order = None
        self.held.clear()
        self._devices.clear()
        self._born.clear()
        self._aliases.clear()
        self._dead.clear()

    def is_born(self, device: str) -> bool:
        """Tell whether the device is born and not dead."""
        return device in self._devices

    def bear(self, device: str, prefix: str, metrics: Iterable[Metric], at: Instant, seq: int | None) -> None:
        """Take the metrics of a birth for those of the device; aliases of its earlier birth mean nothing any more."""
        born: dict[str, Definition] = {}
        aliases: dict[int, Definition] = {}
        for metric in metrics:
            if metric.name is None:
                continue
            one = Definition(f"{prefix}{metric.name}", metric.data_type or DataType.UNKNOWN)
            born[metric.name] = one
            if metric.alias is not None:
                aliases[metric.alias] = one
        self._devices[device], self._aliases[device], self._born[device] = born, aliases, (at, seq)

    def definition(self, device: str, metric: Metric) -> Definition | None:
        """Find what a birth said of a metric, by its name or else its alias.

        Edge nodes made with mqtt-spb-wrapper put `DATA/` before names in births, and leave it out in data.
        """
        if metric.name is not None:
            born = self._devices.get(device, {})
            return born.get(metric.name) or born.get(f"DATA/{metric.name}")
        return None if metric.alias is None else self._aliases.get(device, {}).get(metric.alias)

    def die(self, device: str | None, at: Instant) -> list[str]:
        """Drop a device's metrics, or the whole node's with None; gives the addresses that are stale now."""
        dying = list(self._devices) if device is None else [device]
        stale: list[str] = []
        for one in dying:
            metrics = self._devices.pop(one, {})
            self._aliases.pop(one, None)
            self._born.pop(one, None)
            addresses = tuple(definition.address for definition in metrics.values())
            self._dead.setdefault(one, (at, addresses))
            stale.extend(addresses)
        if device is None:
            self.order = None
        return stale

    def revive(self, device: str) -> tuple[Instant, tuple[str, ...]] | None:
        """Tell since when a device was dead, and which addresses were stale; None for one that was not dead."""
        return self._dead.pop(device, None)
