"""What a server publishes is read as its maker wrote it, whatever it is; broken bytes are told as broken."""

import contextlib
import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.opcua.columns import Places, decode_numbers, instant
from connectors.opcua.decode import Reading, decode
from connectors.opcua.published import Published, read_history, read_published, read_republished
from connectors.opcua.value import Malformed, moment
from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import Instant
from tests.unit.connectors.opcua_wire import data_values, plain, published, scalars

NOW = Instant.parse("2026-11-21T08:00:00Z")
BEFORE = Instant.parse("2026-11-21T07:00:00Z")
STAMP = ua.uatypes.DateTime(2026, 11, 21, 7, 59, tzinfo=UTC)


def rows(found: Published) -> list[tuple[int, object, int, datetime | None, datetime | None]]:
    numbers = found.message.numbers
    columns = (numbers.handles, numbers.values, numbers.codes, numbers.source, numbers.server)
    plain_rows = list(zip(*(column.tolist() for column in columns), strict=True))
    every = [*plain_rows, *found.message.others]
    return [(handle, value, code, moment(source), moment(server)) for handle, value, code, source, server in every]


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, (float, int)):
        return float(other) == one or (math.isnan(one) and math.isnan(other))
    return one == other


@given(st.lists(data_values(), max_size=30))
def test_values_of_every_kind_are_read_as_they_were_written(values: list[ua.DataValue]) -> None:
    found = sorted(rows(read_published(published(list(enumerate(values))))), key=lambda row: row[0])
    assert [row[0] for row in found] == list(range(len(values)))
    for (_, value, code, source, server), one in zip(found, values, strict=True):
        assert same(value, plain(one.Value.Value) if one.Value is not None else None)
        assert code == (one.StatusCode.value if one.StatusCode is not None else 0)
        assert source == (plain(one.SourceTimestamp) if one.SourceTimestamp else None)
        assert server == (plain(one.ServerTimestamp) if one.ServerTimestamp else None)


@settings(max_examples=30)
@given(st.lists(st.tuples(scalars(), st.integers(1, 60)), max_size=12))
def test_runs_of_alike_values_and_changes_between_them_lose_none(runs: list[tuple[ua.Variant, int]]) -> None:
    values = [ua.DataValue(value, SourceTimestamp=STAMP) for value, many in runs for _ in range(many)]
    found = rows(read_published(published(list(enumerate(values)))))
    assert sorted(row[0] for row in found) == list(range(len(values)))
    for handle, value, *_ in found:
        variant = values[handle].Value
        assert variant is not None
        assert same(value, plain(variant.Value))


@given(st.lists(data_values(), min_size=1, max_size=5), st.data())
def test_bytes_that_end_early_or_are_wrong_are_malformed_and_nothing_else(
    values: list[ua.DataValue], data: st.DataObject
) -> None:
    whole = published(list(enumerate(values)))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with contextlib.suppress(Malformed):
        read_published(whole[:cut])
    at, octet = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
    with contextlib.suppress(Malformed):
        read_published(whole[:at] + bytes([octet]) + whole[at + 1 :])


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_read_or_malformed(noise: bytes) -> None:
    for read in (read_published, read_republished, read_history):
        with contextlib.suppress(Malformed):
            read(noise)


@given(st.lists(data_values(), max_size=30), st.lists(st.sampled_from("abc"), min_size=30, max_size=30))
def test_columns_give_the_samples_that_readings_give_one_by_one(values: list[ua.DataValue], nodes: list[str]) -> None:
    items = [("abc".index(node), value) for node, value in zip(nodes, values, strict=False)]
    numbers = read_published(published(items)).message.numbers
    addresses = ["abc"[handle] for handle in numbers.handles.tolist()]
    last = {"a": Instant(NOW - 5)}
    together = decode_numbers(numbers, Places(dict(enumerate("abc"))), NOW, last=last, since=BEFORE)
    singly = decode(
        [
            Reading(address, value, code, moment(source), moment(server))
            for address, value, code, source, server in zip(
                addresses, numbers.values.tolist(), numbers.codes.tolist(), numbers.source.tolist(),
                numbers.server.tolist(), strict=True,
            )
        ],
        NOW, last=last, since=BEFORE,
    )  # fmt: skip
    given_rows = together.columns.rows()
    assert given_rows.times == singly.samples.times
    assert repr(replace(given_rows, times=[])) == repr(replace(singly.samples, times=[])), "NaN is no equal"
    assert together.gaps == singly.gaps
    assert together.last == singly.last


@given(st.dictionaries(st.integers(0, 500), st.sampled_from("abcdef"), max_size=40), st.data())
def test_handles_lead_to_the_addresses_that_they_were_given_for(texts: dict[int, str], data: st.DataObject) -> None:
    places = Places(texts)
    handles = np.array(data.draw(st.lists(st.integers(0, 2**32 - 1) | st.sampled_from([*texts, 0]))), np.uint32)
    known = places.known(handles)
    assert known.tolist() == [handle in texts for handle in handles.tolist()]
    names, codes = places.named(handles[known])
    assert [names[code] for code in codes.tolist()] == [texts[handle] for handle in handles[known].tolist()]
    assert sorted(names) == sorted({texts[handle] for handle in handles[known].tolist()}), "none that does not occur"


def test_an_overflow_among_many_numbers_is_a_gap_from_the_value_before() -> None:
    values = [ua.DataValue(ua.Variant(float(at)), SourceTimestamp=STAMP) for at in range(20)]
    later = ua.uatypes.DateTime(2026, 11, 21, 8, tzinfo=UTC)
    values.append(ua.DataValue(ua.Variant(99.0), ua.StatusCode(ua.UInt32(0x480)), later))
    numbers = read_published(published([(1, value) for value in values])).message.numbers
    (gap,) = decode_numbers(numbers, Places({1: "n"}), NOW, last={}, since=BEFORE).gaps
    assert (gap.start, gap.until) == (Instant.of(STAMP), Instant.of(later))
    assert (gap.cause, gap.addresses) == (Cause.QUEUE_OVERFLOW, ("n",))


def test_a_sign_of_life_holds_nothing_and_says_what_the_server_keeps() -> None:
    response = ua.PublishResponse()
    response.Parameters.AvailableSequenceNumbers = [4, 5]
    response.Parameters.MoreNotifications = True
    response.Parameters.NotificationMessage.SequenceNumber = 6
    response.Parameters.NotificationMessage.PublishTime = STAMP
    found = read_published(bytes(struct_to_binary(response)))
    assert (found.available, found.more, found.message.empty, found.message.sequence) == ((4, 5), True, True, 6)
    assert instant(found.message.published) == Instant.of(STAMP)


def test_the_end_of_a_subscription_is_read_with_its_reason() -> None:
    response = ua.RepublishResponse()
    ended = ua.StatusChangeNotification(Status=ua.StatusCode(ua.UInt32(StatusCodes.BadTimeout)))
    response.NotificationMessage.NotificationData = [ended]
    assert read_republished(bytes(struct_to_binary(response))).ended == StatusCodes.BadTimeout


def test_history_is_read_node_by_node_with_its_marks_and_refusals() -> None:
    good = ua.HistoryReadResult(
        ContinuationPoint=b"go on",
        HistoryData=ua.HistoryData(DataValues=[ua.DataValue(ua.Variant(1.5), SourceTimestamp=STAMP)] * 3),
    )
    bad = ua.HistoryReadResult(StatusCode=ua.StatusCode(ua.UInt32(StatusCodes.BadNodeIdUnknown)))
    response = ua.HistoryReadResponse(Results=[good, bad])
    first, second = read_history(bytes(struct_to_binary(response)))
    assert ([one.value for one in first.values], first.mark, first.code) == ([1.5] * 3, b"go on", 0)
    assert (second.values, second.code) == ([], StatusCodes.BadNodeIdUnknown)


@pytest.mark.parametrize("depth", [5, 100])
def test_values_in_values_are_read_as_deep_as_is_sensible(depth: int) -> None:
    raw = b"\x18" * depth + b"\x0b" + bytes(8)
    message = published([(1, ua.DataValue(ua.Variant(0.0)))])
    whole = message.replace(b"\x0b" + bytes(8), raw)
    length = len(raw) - 9
    body_at = message.index(b"\x01\x00\x2b\x03\x01") + 5
    size = int.from_bytes(message[body_at : body_at + 4], "little") + length
    whole = whole[:body_at] + size.to_bytes(4, "little") + whole[body_at + 4 :]
    if depth > 32:
        with pytest.raises(Malformed, match="deep"):
            read_published(whole)
    else:
        assert rows(read_published(whole))[0][:2] == (1, 0.0)
