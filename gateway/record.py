"""What the spool keeps: one source's samples, rejects and gaps that arrived together, as bytes and back."""

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fieldlab.errors import InvalidInput
from fieldlab.readings.columns import Columns
from fieldlab.readings.gap import Cause, Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.samples import Samples
from gateway.block import Block, split

SAMPLE_BYTES: Final = 64
"""About what a sample takes in memory."""

_MOST_KEPT: Final = 1024 * 1024
"""Bytes of a reject for which the gateway is to blame."""

FORMAT: Final = 2
"""The format of the records that are written; they are read in this one and in those before it."""

_HEAD: Final = struct.Struct("<BIII")
_HEAD_1: Final = struct.Struct("<BII")
"""The head of format 1, whose addresses stand among the other words."""
_MOST_REMEMBERED: Final = 64
"""Sets of addresses that are not read anew: a source that says little at a time names the same again and again."""
_SHORT: Final = 32_768
"""Bytes of the longest of them."""

_COLUMNS: Final = (
    *(("codes", "<i4"), ("received", "<i8"), ("times", "<i8"), ("values", "<f8"), ("statuses", "<i2")),
    ("origins", "<i2"),
)
_OFTEN_CONSTANT: Final = ("received", "statuses", "origins")


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One source's samples, rejects and gaps, in the order of their arrival."""

    received_at: Instant
    block: Block
    rejects: tuple[Reject, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def source(self) -> int:
        """Give the id of the source."""
        return self.block.source

    @property
    def size(self) -> int:
        """Count what must find a fate: samples, and the samples of rejects."""
        return len(self.block) + sum(reject.samples for reject in self.rejects)

    @property
    def load(self) -> int:
        """Give the room that it takes in memory, counted in samples of `SAMPLE_BYTES`."""
        words = sum(map(len, self.block.texts.values())) + sum(len(reject.raw) for reject in self.rejects)
        return self.size + words // SAMPLE_BYTES

    @staticmethod
    def of(
        parts: Sequence[Samples | Columns],
        *,
        rejects: Sequence[Reject],
        gaps: Sequence[Gap],
        source: int,
        received_at: Instant,
    ) -> "Record":
        """Put what arrived into arrays, in order; a sample that no array can hold becomes a reject."""
        blocks: list[Block] = []
        unfit: list[Reject] = []
        for part in parts or (Samples(),):
            if isinstance(part, Columns):
                blocks.append(Block.of_columns(part, source=source, received_at=received_at))
            else:
                block, refused = _block(part, source=source, received_at=received_at)
                blocks.append(block)
                unfit += refused
        return Record(received_at=received_at, block=Block.joined(blocks), rejects=(*rejects, *unfit), gaps=tuple(gaps))

    def pieces(self, most: int) -> Iterator["Record"]:
        """Cut into records of at most so many samples, in order; rejects and gaps stay with the first."""
        if len(self.block) <= most:
            yield self
            return
        for start in range(0, len(self.block), most):
            yield Record(
                received_at=self.received_at,
                block=self.block.take(np.arange(start, min(start + most, len(self.block)))),
                rejects=() if start else self.rejects,
                gaps=() if start else self.gaps,
            )


def spoilt(record: Record) -> Record:
    """Turn a record that could not be worked on into one that holds its bytes as a reject."""
    reject = Reject(
        reason=Reason.MALFORMED,
        detail="The gateway could not work on these samples; its log says why. Report it, with the bytes kept here.",
        raw=encode(record)[:_MOST_KEPT],
        received_at=record.received_at,
        samples=max(record.size, 1),
    )
    return Record.of((), rejects=[reject], gaps=record.gaps, source=record.source, received_at=record.received_at)


def encode(record: Record) -> bytes:
    """Give the bytes of a record.

    A head, its addresses and its other words as JSON, its columns as they lie in memory, and the rejects' bytes.
    """
    block = record.block
    everywhere = {name: _constant(getattr(block, name)) for name in _OFTEN_CONSTANT}
    words = {
        "source": block.source,
        "received_at": int(record.received_at),
        "texts": [list(block.texts), list(block.texts.values())] if block.texts else None,
        "empty": np.flatnonzero(~block.numeric).tolist() if not block.numeric.all() else None,
        "everywhere": everywhere,
        "rejects": [_reject_words(reject) for reject in record.rejects],
        "gaps": [
            [int(gap.start), int(gap.until), gap.cause.value, gap.addresses, gap.recovered, dict(gap.heard)]
            for gap in record.gaps
        ],
    }
    encoded = json.dumps(words, separators=(",", ":")).encode("ascii")
    addresses = _named(block.addresses)
    columns = [
        getattr(block, name).astype(kind, copy=False).tobytes()
        for name, kind in _COLUMNS
        if everywhere.get(name) is None
    ]
    raws = [reject.raw for reject in record.rejects]
    head = _HEAD.pack(FORMAT, len(addresses), len(encoded), len(block))
    return b"".join([head, addresses, encoded, *columns, *raws])


def decode(body: bytes) -> Record:
    """Read a record back, of this build or an earlier one; raises InvalidInput for bytes that are not one."""
    try:
        return _decode(body)
    except (ValueError, KeyError, TypeError, IndexError, struct.error) as error:
        raise InvalidInput(f"A record of the spool cannot be read: {error}.") from error


def _addresses(encoded: bytes) -> tuple[str, ...]:
    return tuple(json.loads(encoded))


_remembered: Final = lru_cache(_MOST_REMEMBERED)(_addresses)


@lru_cache(_MOST_REMEMBERED)
def _named(addresses: tuple[str, ...]) -> bytes:
    return json.dumps(addresses, separators=(",", ":")).encode("ascii")


def _words(body: bytes) -> tuple[tuple[str, ...], dict[str, Any], int, int]:
    """Read a record's addresses and other words; gives, too, how many samples it has and where its columns begin."""
    written_as, named, length, count = _HEAD.unpack_from(body)
    if written_as != FORMAT:
        raise ValueError(f"its format is {written_as}")
    start = _HEAD.size + named
    addresses = (_remembered if named <= _SHORT else _addresses)(body[_HEAD.size : start])
    return addresses, json.loads(body[start : start + length]), count, start + length


def _words_1(body: bytes) -> tuple[tuple[str, ...], dict[str, Any], int, int]:
    """Do the same with format 1."""
    _, length, count = _HEAD_1.unpack_from(body)
    words = json.loads(body[_HEAD_1.size : _HEAD_1.size + length])
    return tuple(words["addresses"]), words, count, _HEAD_1.size + length


def _decode(body: bytes) -> Record:
    addresses, words, count, at = _words_1(body) if body[0] == 1 else _words(body)
    columns: dict[str, NDArray[Any]] = {}
    for name, kind in _COLUMNS:
        constant = words["everywhere"].get(name)
        if constant is not None:
            columns[name] = np.full(count, constant, kind)
            continue
        columns[name] = np.frombuffer(body, kind, count, at)
        at += columns[name].nbytes
    numeric = np.ones(count, np.bool_)
    if words["empty"] is not None:
        numeric[words["empty"]] = False
    rejects = []
    for reason, detail, received_at, address, time, samples, size in words["rejects"]:
        rejects.append(
            Reject(
                reason=Reason(reason),
                detail=detail,
                raw=body[at : at + size],
                received_at=Instant(received_at),
                address=address,
                time=None if time is None else Instant(time),
                samples=samples,
            )
        )
        at += size
    if at != len(body):
        raise ValueError(f"it has {len(body)} bytes and should have {at}")
    block = Block(
        source=words["source"],
        addresses=addresses,
        numeric=numeric,
        texts=dict(zip(*words["texts"], strict=True)) if words["texts"] else {},
        **columns,
    )
    gaps = tuple(
        Gap(
            start=Instant(start),
            until=Instant(until),
            cause=Cause(cause),
            addresses=None if addresses is None else tuple(addresses),
            recovered=more[0] if more else None,
            heard={address: Instant(at) for address, at in more[1].items()} if len(more) > 1 else {},
        )
        for start, until, cause, addresses, *more in words["gaps"]
    )
    received_at = Instant(words["received_at"])
    return Record(received_at=received_at, block=block, rejects=tuple(rejects), gaps=gaps)


def _block(samples: Samples, *, source: int, received_at: Instant) -> tuple[Block, tuple[Reject, ...]]:
    """Put samples into arrays; give what does not fit as rejects."""
    unfit: tuple[Reject, ...] = ()
    if not samples.even:
        unfit, samples = (_uneven(samples, received_at),), Samples()
    try:
        return Block.of(samples, source=source, received_at=received_at), unfit
    except (OverflowError, TypeError, ValueError):
        samples, unfit = split(samples, received_at=received_at)
        return Block.of(samples, source=source, received_at=received_at), unfit


def _uneven(samples: Samples, received_at: Instant) -> Reject:
    return Reject(
        reason=Reason.MALFORMED,
        detail="The connector handed over columns of different lengths; report it, with what is kept here.",
        raw=repr(samples).encode(errors="backslashreplace")[:_MOST_KEPT],
        received_at=received_at,
        samples=max(len(samples), 1),
    )


def _constant(column: NDArray[Any]) -> int | None:
    """Give the one value that a column has everywhere, or None."""
    return int(column[0]) if len(column) and (column == column[0]).all() else None


def _reject_words(reject: Reject) -> list[Any]:
    time = None if reject.time is None else int(reject.time)
    return [
        reject.reason.value,
        reject.detail,
        int(reject.received_at),
        reject.address,
        time,
        reject.samples,
        len(reject.raw),
    ]
