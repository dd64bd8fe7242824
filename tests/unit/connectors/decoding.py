"""What tests of decoders have in common."""

from connectors.mqtt.decode import Decoded, decode
from connectors.mqtt.payload import Payload
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason

NOW = Instant.parse("2026-11-21T08:00:00Z")


def decoded(payload: str | bytes, config: Payload, *, retained: bool = False) -> Decoded:
    """Decode a message on the topic `t`, and hold the result to what every decoder promises."""
    raw = payload.encode() if isinstance(payload, str) else payload
    result = decode("t", raw, NOW, config, retained=retained)
    samples = result.samples
    columns = (samples.times, samples.values, samples.texts, samples.statuses, samples.origins)
    assert {len(column) for column in columns} == {len(samples)}
    assert all(address == "t" or address.startswith("t#") for address in samples.addresses)
    assert all(None in pair for pair in zip(samples.values, samples.texts, strict=True))
    assert all(text is None or "\0" not in text for text in samples.texts)
    assert all(one.detail.endswith((".", ")")) and one.received_at == NOW for one in result.rejects)
    return result


def by_address(result: Decoded) -> dict[str, float | str | None]:
    """Give what each address holds, where each holds one value."""
    samples = result.samples
    assert len(set(samples.addresses)) == len(samples)
    rows = zip(samples.addresses, samples.values, samples.texts, strict=True)
    return {address: value if text is None else text for address, value, text in rows}


def refusal(payload: str | bytes, config: Payload, *, retained: bool = False) -> tuple[Reason, str]:
    """Give reason and detail of a message that is refused whole."""
    result = decoded(payload, config, retained=retained)
    assert len(result.samples) == 0
    (reject,) = result.rejects
    assert reject.raw == (payload.encode() if isinstance(payload, str) else payload)
    return reject.reason, reject.detail
