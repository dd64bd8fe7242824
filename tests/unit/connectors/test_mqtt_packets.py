"""Bytes become the same packets however the network cuts them, and malformed ones are an error, never a crash."""

import struct
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.packet import LARGEST, Arrival, Cutter

TOPICS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0+#"), min_size=1, max_size=20)


def length(number: int) -> bytes:
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def publish(arrival: Arrival, *, properties: bytes | None) -> bytes:
    topic = arrival.topic.encode()
    body = struct.pack("!H", len(topic)) + topic
    body += struct.pack("!H", arrival.packet) if arrival.qos else b""
    body += b"" if properties is None else length(len(properties)) + properties
    body += arrival.payload
    return bytes([arrival.head]) + length(len(body)) + body


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    head = 0x30 | draw(st.sampled_from([0, 1, 2, 3, 8 | 2, 4]))
    packet = draw(st.integers(1, 65_535)) if head & 6 else 0
    return Arrival(head, packet, draw(TOPICS), draw(st.binary(max_size=300)), 0)


def cut(cutter: Cutter, parts: Sequence[bytes]) -> tuple[list[Arrival], list[bytes]]:
    messages: list[Arrival] = []
    others: list[bytes] = []
    for part in parts:
        some, more = cutter.cut(part)
        messages += some
        others += more
    return messages, others


@given(
    sent=st.lists(st.one_of(arrivals(), st.sampled_from([b"\xd0\x00", b"\x62\x02\x00\x07", b"\x90\x03\x00\x01\x01"]))),
    properties=st.one_of(st.none(), st.binary(max_size=200)),
    cuts=st.lists(st.integers(0, 2_000)),
)
def test_packets_are_the_same_wherever_the_network_cuts_them(
    sent: list[Arrival | bytes], properties: bytes | None, cuts: list[int]
) -> None:
    wire = b"".join(one if isinstance(one, bytes) else publish(one, properties=properties) for one in sent)
    edges = [0, *sorted(min(at, len(wire)) for at in cuts), len(wire)]
    parts = [wire[start:stop] for start, stop in pairwise(edges)]
    messages, others = cut(Cutter(properties=properties is not None), parts)
    assert messages == [one for one in sent if isinstance(one, Arrival)]
    assert others == [one for one in sent if isinstance(one, bytes)]


@given(read=st.lists(st.binary(max_size=100)), properties=st.booleans())
def test_any_bytes_give_packets_or_a_malformed_error(read: list[bytes], *, properties: bool) -> None:
    cutter = Cutter(properties=properties)
    try:
        cut(cutter, read)
    except (ValueError, IndexError):
        return


@pytest.mark.parametrize("chunk", [1_000_000, 65_536, 262_144 + 7])
def test_a_message_too_large_to_keep_is_cropped_and_those_behind_it_arrive(chunk: int) -> None:
    huge = Arrival(0x32, 7, "lab/camera", b"x" * (LARGEST + 100_000), 0)
    small = Arrival(0x32, 8, "lab/mill", b"{}", 0)
    wire = publish(small, properties=b"") + publish(huge, properties=b"") + publish(small, properties=b"")
    messages, _ = cut(Cutter(properties=True), [wire[at : at + chunk] for at in range(0, len(wire), chunk)])
    first, cropped, last = messages
    assert (first, last) == (small, small)
    assert cropped.packet == huge.packet
    assert len(cropped.payload) + cropped.missing == len(huge.payload)
    assert len(cropped.payload) <= 262_144


def test_a_message_without_topic_or_shorter_than_it_says_is_malformed() -> None:
    with pytest.raises(ValueError, match="no topic"):
        Cutter(properties=False).cut(b"\x30\x02\x00\x00")
    with pytest.raises(ValueError, match="shorter"):
        Cutter(properties=True).cut(b"\x30\x04\x00\x01a\x09")
    with pytest.raises(ValueError, match="four bytes"):
        Cutter(properties=True).cut(b"\x30\xff\xff\xff\xff\x01")
