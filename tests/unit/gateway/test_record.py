"""What goes into the spool comes out of it as it was."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.errors import InvalidInput
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.samples import Samples
from gateway.block import Block
from gateway.record import Record, decode, encode
from tests.unit.gateway.given import NOW, gaps, rejects, samples


def columns(block: Block) -> list[tuple[object, ...]]:
    """Every row of a block, as values that can be compared."""
    return [
        (
            block.addresses[block.codes[at]],
            block.received[at],
            block.times[at],
            repr(float(block.values[at])) if block.numeric[at] else block.texts.get(at),
            block.statuses[at],
            block.origins[at],
        )
        for at in range(len(block))
    ]


def record(arrived: Samples, refused: list[Reject] | None = None, missing: list[Gap] | None = None) -> Record:
    return Record.of([arrived], rejects=refused or [], gaps=missing or [], source=7, received_at=NOW)


@given(samples(), st.lists(rejects, max_size=3), st.lists(gaps, max_size=3))
def test_a_record_reads_back_as_it_was_written(arrived: Samples, refused: list[Reject], missing: list[Gap]) -> None:
    before = record(arrived, refused, missing)
    after = decode(encode(before))
    assert columns(after.block) == columns(before.block)
    assert (after.source, after.received_at, after.rejects, after.gaps) == (7, NOW, tuple(refused), tuple(missing))
    assert after.size == len(arrived) + sum(reject.samples for reject in refused)


FORMAT_1 = """
AUgBAAADAAAAeyJzb3VyY2UiOjcsInJlY2VpdmVkX2F0IjoxNzk1MzM0NDAwMDAwMDAwLCJhZGRyZXNzZXMiOlsibGFiL2EjbiIsImxhYi9cdTAwZTkjdCJdLCJ0
ZXh0cyI6W1sxXSxbIm9uIl1dLCJlbXB0eSI6WzFdLCJldmVyeXdoZXJlIjp7InJlY2VpdmVkIjoxNzk1MzM0NDAwMDAwMDAwLCJzdGF0dXNlcyI6MCwib3JpZ2lu
cyI6bnVsbH0sInJlamVjdHMiOltbIm1hbGZvcm1lZCIsIk5vdCBKU09OLiIsMTc5NTMzNDQwMDAwMDAwMCwibGFiL2IiLG51bGwsMSwyXV0sImdhcHMiOltbMTc5
NTMzNDM5OTk5OTk5MSwxNzk1MzM0NDAwMDAwMDAwLCJzZXNzaW9uX2xvc3QiLG51bGwsbnVsbF1dfQAAAAABAAAAAAAAAABAKt3YYAYAAUAq3dhgBgACQCrd2GAG
AAAAAAAAAPg/AAAAAAAA+H8AAAAAAAAEQAAAEAAAAP97
"""
"""A record as the first builds wrote it."""


def test_a_record_of_an_earlier_build_reads_back() -> None:
    found, at = decode(base64.b64decode(FORMAT_1)), Instant.parse("2026-11-22T08:00:00Z")
    assert columns(found.block) == [
        ("lab/a#n", at, at, "1.5", 0, 0),
        ("lab/é#t", at, at + 1, "on", 0, 16),
        ("lab/a#n", at, at + 2, "2.5", 0, 0),
    ]
    assert found.rejects == (
        Reject(reason=Reason.MALFORMED, detail="Not JSON.", raw=b"\xff{", received_at=at, address="lab/b"),
    )
    assert found.gaps == (Gap(start=Instant(at - 9), until=at, cause=Cause.SESSION_LOST),)
    assert (found.source, found.received_at) == (7, at)


@given(samples(), st.data())
def test_spoilt_bytes_are_told_and_break_nothing(arrived: Samples, data: st.DataObject) -> None:
    body = bytearray(encode(record(arrived)))
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(InvalidInput, match="cannot be read"):
        decode(bytes(body[:cut]))


@given(samples(), st.integers(1, 7))
def test_pieces_hold_everything_once_and_in_order(arrived: Samples, most: int) -> None:
    whole = record(arrived, [Reject(reason=Reason.MALFORMED, detail="", raw=b"", received_at=NOW)])
    pieces = list(whole.pieces(most))
    assert [row for piece in pieces for row in columns(piece.block)] == columns(whole.block)
    assert sum(piece.size for piece in pieces) == whole.size
    assert all(len(piece.block) <= most for piece in pieces)


@given(st.lists(samples(), min_size=1, max_size=4))
def test_joined_blocks_are_the_rows_of_all_behind_one_another(parts: list[Samples]) -> None:
    blocks = [Block.of(part, source=7, received_at=NOW) for part in parts]
    joined = Block.joined(blocks)
    assert columns(joined) == [row for block in blocks for row in columns(block)]
    assert len(set(joined.addresses)) == len(joined.addresses)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("times", 2**63, Reason.INVALID_TIME),
        ("times", -(2**70), Reason.INVALID_TIME),
        ("values", 10**400, Reason.WRONG_TYPE),
        ("statuses", 2**15, Reason.WRONG_TYPE),
    ],
)
def test_what_no_column_can_hold_is_a_reject_and_its_neighbours_stay(column: str, value: int, reason: Reason) -> None:
    arrived = Samples(
        addresses=["a", "b", "c"],
        times=[NOW] * 3,
        values=[1.0, 2.0, 3.0],
        texts=[None] * 3,
        statuses=[0] * 3,
        origins=[0] * 3,
    )
    getattr(arrived, column)[1] = value
    found = record(arrived)
    assert [row[0] for row in columns(found.block)] == ["a", "c"]
    assert [(reject.reason, reject.address) for reject in found.rejects] == [(reason, "b")]
    assert str(value)[:20].encode() in found.rejects[0].raw
