"""What another implementation writes on the wire: asyncua's encoder, and values for it."""

import uuid
from datetime import UTC, datetime
from functools import partial

from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import strategies as st

EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
INTEGERS = {"SByte": 8, "Int16": 16, "Int32": 32, "Int64": 64}
WHOLE = {"Byte": 8, "UInt16": 16, "UInt32": 32, "UInt64": 64}
MOMENTS = st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(9000, 1, 1)).map(  # noqa: DTZ001
    lambda moment: ua.uatypes.DateTime.fromisoformat(moment.isoformat()).replace(tzinfo=UTC)
)


def scalars() -> st.SearchStrategy[ua.Variant]:
    """Give variants of every kind that a measurement may be of."""
    kinds: list[st.SearchStrategy[ua.Variant]] = [
        st.booleans().map(lambda value: ua.Variant(value, ua.VariantType.Boolean)),
        st.floats(width=64).map(lambda value: ua.Variant(value, ua.VariantType.Double)),
        st.floats(width=32).map(lambda value: ua.Variant(value, ua.VariantType.Float)),
        st.text(max_size=20).map(lambda value: ua.Variant(value, ua.VariantType.String)),
        st.binary(max_size=20).map(lambda value: ua.Variant(value, ua.VariantType.ByteString)),
        st.uuids().map(lambda value: ua.Variant(value, ua.VariantType.Guid)),
        MOMENTS.map(lambda value: ua.Variant(value, ua.VariantType.DateTime)),
    ]
    for name, bits in INTEGERS.items():
        numbers = st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        kinds.append(numbers.map(partial(_variant, name)))
    for name, bits in WHOLE.items():
        kinds.append(st.integers(0, 2**bits - 1).map(partial(_variant, name)))
    return st.one_of(kinds)


def _variant(name: str, value: int) -> ua.Variant:
    return ua.Variant(value, ua.VariantType[name])


def data_values() -> st.SearchStrategy[ua.DataValue]:
    """Give values with and without status, source and server time."""
    return st.builds(
        lambda value, status, source, server: ua.DataValue(
            value, ua.StatusCode(ua.UInt32(status)) if status is not None else None, source, server
        ),
        st.none() | scalars(),
        st.none() | st.integers(0, 2**32 - 1),
        st.none() | MOMENTS,
        st.none() | MOMENTS,
    )


def published(items: list[tuple[int, ua.DataValue]], *, sequence: int = 1) -> bytes:
    """Give a PublishResponse that brings values, under their handles."""
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = 7
    response.Parameters.AvailableSequenceNumbers = [sequence]
    message = response.Parameters.NotificationMessage
    message.SequenceNumber = sequence
    message.PublishTime = ua.uatypes.DateTime(2026, 11, 21, tzinfo=UTC)
    message.NotificationData = [
        ua.DataChangeNotification(
            MonitoredItems=[ua.MonitoredItemNotification(ClientHandle=handle, Value=value) for handle, value in items]
        )
    ]
    return bytes(struct_to_binary(response))


def plain(value: object) -> object:
    """Give a value as Python has it, so that equal ones compare equal."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return uuid.UUID(str(value)) if isinstance(value, uuid.UUID) else value
