"""An edge node as a test plays it, message by message, with nothing in between but bytes."""

from collections.abc import Mapping

from connectors.mqtt.decode import Batch, Message
from connectors.mqtt.sparkplug.data_type import DataType
from connectors.mqtt.sparkplug.host import HostApplication
from connectors.mqtt.sparkplug.schema import Fields, empty_payload
from fieldlab.readings.instant import Instant

START = Instant.parse("2026-11-21T08:00:00Z")
MS = START // 1_000
FIELDS = {
    DataType.FLOAT: "float_value",
    DataType.DOUBLE: "double_value",
    DataType.BOOLEAN: "boolean_value",
    DataType.STRING: "string_value",
    DataType.TEXT: "string_value",
    DataType.UUID: "string_value",
    DataType.INT64: "long_value",
    DataType.UINT64: "long_value",
    DataType.DATE_TIME: "long_value",
}


def metric(
    name: str | None = None, value: object = None, data_type: DataType = DataType.DOUBLE, **fields: object
) -> Fields:
    """Write a metric; `unit`, `quality` and `said` are properties, the other fields those of the specification."""
    unit, quality, said = fields.pop("unit", None), fields.pop("quality", None), fields.pop("said", {})
    one: Fields = empty_payload().metrics.add()
    for key, given in fields.items():
        setattr(one, key, given)
    if name is not None:
        one.name = name
        one.datatype = data_type
    if value is not None:
        default = "bytes_value" if isinstance(value, bytes) else FIELDS.get(data_type, "int_value")
        setattr(one, default, value)
    if unit is not None:
        one.properties.keys.append("engUnit")
        one.properties.values.add(type=DataType.STRING, string_value=unit)
    for key, given in said.items() if isinstance(said, dict) else ():
        one.properties.keys.append(key)
        if isinstance(given, str):
            one.properties.values.add(type=DataType.STRING, string_value=given)
        else:
            one.properties.values.add(type=DataType.DOUBLE, double_value=given)
    if quality is not None:
        one.properties.keys.append("Quality")
        one.properties.values.add(type=DataType.INT32, int_value=quality)
    return one


def payload(*metrics: Fields, seq: int | None = None, time: int | None = MS) -> bytes:
    """Write a payload; `time` is in ms from 1970."""
    message = empty_payload()
    if time is not None:
        message.timestamp = time
    if seq is not None:
        message.seq = seq
    message.metrics.extend(metrics)
    written: bytes = message.SerializeToString()
    return written


class Edge:
    """Speaks to a host application; each message is received a second after the one before."""

    def __init__(self, *, reorder_timeout: float = 2.0) -> None:
        self.host = HostApplication(host_id="fieldlab", reorder_timeout=reorder_timeout)
        self.now = START
        self.seq = 0

    def send(
        self,
        verb: str,
        *metrics: Fields,
        device: str = "",
        node: str = "cell",
        seq: int | None = -1,
        time: int | None = MS,
    ) -> Batch:
        """Send a message; its sequence number goes on from the last, unless one is given."""
        if seq == -1:
            seq = None if verb == "NDEATH" else self.seq
        if verb != "NDEATH" and seq is not None:
            self.seq = (seq + 1) % 256
        topic = f"spBv1.0/lab/{verb}/{node}" + (f"/{device}" if device else "")
        return self.raw(topic, payload(*metrics, seq=seq, time=time))

    def raw(self, topic: str, data: bytes, *, retained: bool = False) -> Batch:
        self.now = Instant(self.now + 1_000_000)
        batch = Batch()
        self.host.into(batch, Message(topic, data, self.now, retained))
        columns = batch.samples
        sizes = {len(one) for one in (columns.times, columns.values, columns.texts, columns.statuses, columns.origins)}
        assert sizes == {len(columns)}
        return batch

    def birth(self, *metrics: Fields, number: int = 0) -> Batch:
        """Send NBIRTH with a death number."""
        return self.send("NBIRTH", metric("bdSeq", number, DataType.INT64), *metrics, seq=0)

    def death(self, number: int = 0) -> Batch:
        """Send NDEATH with a death number."""
        return self.send("NDEATH", metric("bdSeq", number, DataType.INT64), time=None)

    def requests(self) -> list[str]:
        """Give the nodes that were to be asked for their births, and clear them."""
        asked, self.host.requests = list(self.host.requests), []
        return asked

    def overdue(self, seconds: float) -> Batch:
        """Let time pass, and have the host look."""
        self.now = Instant(self.now + int(seconds * 1_000_000))
        batch = Batch()
        self.host.overdue(batch, self.now)
        return batch


def by_address(batch: Batch) -> Mapping[str, float | str | None]:
    rows = zip(batch.samples.addresses, batch.samples.values, batch.samples.texts, strict=True)
    return {address: value if text is None else text for address, value, text in rows}
