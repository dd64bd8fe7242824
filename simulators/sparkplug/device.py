"""A machine as a Sparkplug device: what it is born with, and what its wire brings of each tick."""

from collections.abc import Sequence
from dataclasses import dataclass

from simulators.columns import Value
from simulators.machine import Machine
from simulators.sparkplug.payload import Metric, data_type_of, metrics_of
from simulators.wire import BadWire, Message, Wire


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What is to be said in one DDATA; one that is `lost` takes its sequence number with it."""

    metrics: Sequence[Metric]
    lost: bool = False
    spoilt: int | None = None
    breaks_connection: bool = False


class Device:
    """One machine of an edge node; its aliases count on from `first_alias` in the order of the signals.

    It remembers its last values, and the reports that its wire holds back.
    """

    def __init__(self, machine: Machine, first_alias: int, faults: Sequence[BadWire] = ()) -> None:
        self.name = machine.asset
        self._machine = machine
        self._first_alias = first_alias
        self._wire = Wire(machine.seed, faults)
        self._values: Sequence[Value] = ()
        self._kept: dict[int, list[Metric]] = {}

    @property
    def known(self) -> bool:
        """Tell whether it has a value for every signal, so that it can be born."""
        return bool(self._values)

    def birth(self, at_ms: int) -> list[Metric]:
        """Give every metric with its name, unit and present value."""
        return metrics_of(self._machine.signals, self._values, self._first_alias, at_ms)

    def report(self, time_us: int, values: Sequence[Value], *, historical: bool) -> list[Report]:
        """Give what the wire brings now that this tick is due: of each message, what changed in its tick."""
        was, self._values = self._values or values, values
        changed = [
            Metric(
                alias=self._first_alias + index,
                data_type=data_type_of(signal),
                value=value,
                time_ms=time_us // 1000,
                historical=historical,
            )
            for index, (signal, value) in enumerate(zip(self._machine.signals, values, strict=True))
            if value != was[index]
        ]
        if self._wire.loses(time_us):
            lost = [Report(metrics=changed, lost=True)] if changed else []
            return [*lost, *self._reports(self._wire.carry(time_us))]
        self._kept[time_us] = changed
        reports = self._reports(self._wire.carry(time_us))
        if self._wire.idle:
            self._kept.clear()
        return reports

    def rest(self) -> list[Report]:
        """Give what is still held back when the play ends."""
        return self._reports(self._wire.rest())

    def _reports(self, messages: Sequence[Message]) -> list[Report]:
        return [
            Report(
                metrics=_shifted(self._kept.get(message.tick_us, []), message.time_us - message.tick_us),
                spoilt=message.spoilt,
                breaks_connection=message.breaks_connection,
            )
            for message in messages
        ]


def _shifted(metrics: Sequence[Metric], by_us: int) -> Sequence[Metric]:
    """Give the metrics with the time of a clock that is off."""
    return [one.at(one.time_ms + by_us // 1000) for one in metrics] if by_us else metrics
