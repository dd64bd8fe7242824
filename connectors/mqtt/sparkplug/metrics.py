"""What the metrics of births and data become: samples, descriptions, rejects."""

from typing import Final

from connectors.mqtt.decode.batch import Batch, Message
from connectors.mqtt.decode.json_document import LONGEST_ADDRESS
from connectors.mqtt.decode.refused import Refused
from connectors.mqtt.sparkplug.data_type import DataType, Value, kind_of, value_of
from connectors.mqtt.sparkplug.node import Definition, Node
from connectors.mqtt.sparkplug.payload import Metric, Payload, Said
from connectors.mqtt.sparkplug.topic import Topic
from connectors.mqtt.sparkplug.unit import ucum_of
from fieldlab.assets.description import Description, span, worded
from fieldlab.readings.origin import Clock, Origin
from fieldlab.readings.reject import Reason
from fieldlab.readings.status import BAD, BAD_NO_COMMUNICATION, BAD_NO_DATA, GOOD, signed

_CONTROL: Final = ("Node Control/", "Device Control/")
_LATEST: Final = 253_402_300_799_999
_QUALITIES: Final = {None: GOOD, 192: GOOD, 0: signed(BAD), 500: signed(BAD_NO_COMMUNICATION)}
"""What the property `Quality` says (6.4.17): good, bad, stale."""
_NO_DATA: Final = signed(BAD_NO_DATA)
_TIMELESS: Final = "The time of {!r} is beyond the year 9999; send ms from 1970."


class MetricReader:
    """Turns metrics into samples. What a metric is called, and of what type it is, the node knows from its births.

    `bdSeq` and the controls are the protocol's own and not taken; nor is a metric that is marked transient, as the
    specification wants it (6.4.1).
    """

    def take_birth(self, batch: Batch, message: Message, topic: Topic, payload: Payload, node: Node) -> None:
        """Learn the metrics of a birth, tell what they are, and take their values."""
        metrics = [one for one in payload.metrics if not _is_protocol(one.name)]
        for one in metrics:
            if one.name is not None and (len(topic.prefix) + len(one.name) > LONGEST_ADDRESS or "\0" in one.name):
                raise Refused(f"The name {one.name[:60]!r}… is longer than {LONGEST_ADDRESS} characters, or holds NUL.")
        node.bear(topic.device, topic.prefix, metrics, message.received_at, payload.seq)
        for one in metrics:
            definition = node.definition(topic.device, one)
            if definition is None:
                detail = "A metric of the birth has no name; a birth must name each."
                batch.refuse(message, Reason.MALFORMED, detail)
                continue
            told = _described(definition, one.said)
            if not told.empty:
                batch.described.append(told)
            self._take(batch, message, payload, one, definition, node)

    def take_data(self, batch: Batch, message: Message, topic: Topic, payload: Payload, node: Node) -> bool:
        """Take the values of a message of data; tells whether births had said what each of them is."""
        known = True
        for one in payload.metrics:
            if _is_protocol(one.name):
                continue
            definition = node.definition(topic.device, one)
            if definition is None:
                known = False
                called = f"The metric {one.name!r}" if one.name is not None else f"The alias {one.alias}"
                detail = f"{called} stands in no birth of {topic.prefix[:-1]!r}; the births are asked for."
                batch.refuse(message, Reason.UNKNOWN_ADDRESS, detail)
                continue
            self._take(batch, message, payload, one, definition, node)
        return known

    def _take(
        self, batch: Batch, message: Message, payload: Payload, metric: Metric, definition: Definition, node: Node
    ) -> None:
        if metric.transient:
            return
        address = definition.address
        told = payload.time if metric.time is None else metric.time
        if told is not None and told > _LATEST:
            batch.refuse(message, Reason.INVALID_TIME, _TIMELESS.format(address), address=address)
            return
        time, clock = (message.received_at, Clock.RECEIPT) if told is None else (told * 1_000, Clock.SOURCE)
        origin = clock.value | (Origin.HISTORY if metric.historical else Origin.LIVE)
        status = _QUALITIES.get(metric.quality, signed(BAD))
        if not metric.historical:
            node.latest = max(node.latest, time)
        if metric.null or metric.raw is None:
            _keep(batch, address, None, time, _NO_DATA if status == GOOD else status, origin)
            return
        try:
            value = value_of(metric.raw, definition.data_type or metric.data_type or DataType.UNKNOWN)
        except ValueError as error:
            batch.refuse(message, Reason.MALFORMED, f"The array {address!r} is malformed: {error}.", address=address)
            return
        self._value(batch, message, address, value, time, status, origin)

    def _value(
        self, batch: Batch, message: Message, address: str, value: Value | None, time: int, status: int, origin: int
    ) -> None:
        match value:
            case None:
                detail = f"{address!r} is a data set, file or bytes, which are no measurement; leave it out."
                batch.refuse(message, Reason.WRONG_TYPE, detail, address=address)
            case list():
                for place, element in enumerate(value):
                    self._value(batch, message, f"{address}.{place}", element, time, status, origin)
            case str() if "\0" in value:
                detail = f"The text at {address!r} holds a NUL character; send it without."
                batch.refuse(message, Reason.MALFORMED, detail, address=address)
            case _:
                _keep(batch, address, value, time, status, origin)


def _described(definition: Definition, said: Said) -> Description:
    low, high = span(said.low, said.high)
    return Description(
        address=definition.address,
        kind=kind_of(definition.data_type),
        unit=None if said.unit is None else ucum_of(said.unit),
        quantity=worded(said.quantity),
        text=worded(said.text),
        semantic_id=worded(said.semantic_id),
        low=low,
        high=high,
    )


def _is_protocol(name: str | None) -> bool:
    return name is not None and (name == "bdSeq" or any(control in name for control in _CONTROL))


def _keep(batch: Batch, address: str, value: float | str | None, time: int, status: int, origin: int) -> None:
    samples = batch.samples
    samples.addresses.append(address)
    samples.times.append(time)
    samples.values.append(None if isinstance(value, str) else value)
    samples.texts.append(value if isinstance(value, str) else None)
    samples.statuses.append(status)
    samples.origins.append(origin)
