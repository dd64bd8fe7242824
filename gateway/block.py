"""Samples of one source in arrays, before it is known which streams they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from fieldlab.readings.columns import Columns
from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.samples import Samples
from fieldlab.storage.rows import Float64, Int16, Int32, Int64, Mask

_SHORTEST_INT64: Final = -(2**63)
_LONGEST_INT64: Final = 2**63 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Columns of equal length, one entry a sample of one source.

    `codes` are indices into `addresses`; `received` are the moments of receipt, in microseconds since the Unix epoch;
    the other columns are as in `Rows`.
    """

    source: int
    addresses: tuple[str, ...]
    codes: Int32
    received: Int64
    times: Int64
    values: Float64
    numeric: Mask
    texts: dict[int, str]
    statuses: Int16
    origins: Int16

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def of(cls, samples: Samples, *, source: int, received_at: Instant) -> "Block":
        """Turn columns of Python objects into arrays.

        Raises OverflowError, TypeError or ValueError for what no column can hold; `split` tells such samples apart.
        """
        texts = samples.texts
        count = len(texts)
        plain = texts.count(None) == count
        values = np.array(samples.values, np.float64)
        addresses = _Codes()
        codes = np.fromiter(map(addresses.__getitem__, samples.addresses), np.int32, count)
        return cls(
            source=source,
            addresses=tuple(addresses),
            codes=codes,
            received=np.full(count, received_at, np.int64),
            times=np.fromiter(samples.times, np.int64, count),
            values=values,
            numeric=_numeric(samples.values, values),
            texts={} if plain else {at: text for at, text in enumerate(texts) if text is not None},
            statuses=_int16(samples.statuses),
            origins=_int16(samples.origins),
        )

    @classmethod
    def of_columns(cls, columns: Columns, *, source: int, received_at: Instant) -> "Block":
        """Take numbers that are in arrays already; raises nothing."""
        return cls(
            source=source,
            addresses=columns.names,
            codes=columns.codes,
            received=np.full(len(columns), received_at, np.int64),
            times=columns.times,
            values=columns.values,
            numeric=np.ones(len(columns), np.bool_),
            texts={},
            statuses=columns.statuses,
            origins=columns.origins,
        )

    @staticmethod
    def joined(parts: Sequence["Block"]) -> "Block":
        """Put blocks of one source, one at least, behind one another, in order; each address is named once."""
        if len(parts) == 1:
            return parts[0]
        addresses: dict[str, int] = {}
        known: dict[tuple[str, ...], Int32] = {}  # a source that says little at a time names the same again and again
        codes, texts, start = [], dict[int, str](), 0
        for part in parts:
            own = known.get(part.addresses)
            if own is None:
                places = [addresses.setdefault(address, len(addresses)) for address in part.addresses]
                own = known[part.addresses] = np.array(places, np.int32)
            codes.append(own[part.codes])
            texts.update((start + at, text) for at, text in part.texts.items())
            start += len(part)
        return Block(
            source=parts[0].source,
            addresses=tuple(addresses),
            codes=np.concatenate(codes),
            received=np.concatenate([part.received for part in parts]),
            times=np.concatenate([part.times for part in parts]),
            values=np.concatenate([part.values for part in parts]),
            numeric=np.concatenate([part.numeric for part in parts]),
            texts=texts,
            statuses=np.concatenate([part.statuses for part in parts]),
            origins=np.concatenate([part.origins for part in parts]),
        )

    def take(self, positions: Int64) -> "Block":
        """Give the samples at these positions, in this order."""
        texts = self.texts
        if texts:
            texts = {new: texts[old] for new, old in enumerate(positions.tolist()) if old in texts}
        return Block(
            source=self.source,
            addresses=self.addresses,
            codes=self.codes[positions],
            received=self.received[positions],
            times=self.times[positions],
            values=self.values[positions],
            numeric=self.numeric[positions],
            texts=texts,
            statuses=self.statuses[positions],
            origins=self.origins[positions],
        )

    def at(self, code: int) -> "Block":
        """Give the samples at one address, and name only that."""
        part = self.take(np.flatnonzero(self.codes == code))
        return Block(
            source=self.source,
            addresses=(self.addresses[code],),
            codes=np.zeros(len(part), np.int32),
            received=part.received,
            times=part.times,
            values=part.values,
            numeric=part.numeric,
            texts=part.texts,
            statuses=part.statuses,
            origins=part.origins,
        )


def split(samples: Samples, *, received_at: Instant) -> tuple[Samples, tuple[Reject, ...]]:
    """Tell the samples that a block can hold from those that it cannot, which become rejects."""
    kept: list[int] = []
    rejects = []
    for at, time in enumerate(samples.times):
        if not _SHORTEST_INT64 <= time <= _LONGEST_INT64:
            rejects.append(_reject(samples, at, Reason.INVALID_TIME, received_at))
        elif not _fits(samples, at):
            rejects.append(_reject(samples, at, Reason.WRONG_TYPE, received_at))
        else:
            kept.append(at)
    return _take(samples, kept), tuple(rejects)


class _Codes(dict[str, int]):
    """Numbers addresses in the order in which they are first asked for."""

    def __missing__(self, address: str) -> int:
        code = self[address] = len(self)
        return code


def _int16(column: list[int]) -> Int16:
    """Make a column of which every entry is nearly always the same."""
    if column and column.count(column[0]) == len(column):
        return np.full(len(column), column[0], np.int16)
    return np.array(column, np.int16)


def _numeric(given: list[float | None], values: Float64) -> Mask:
    numeric = ~np.isnan(values)
    for at in np.flatnonzero(~numeric).tolist():
        numeric[at] = given[at] is not None
    return numeric


def _fits(samples: Samples, at: int) -> bool:
    one = _take(samples, [at])
    try:
        Block.of(one, source=0, received_at=Instant(0))
    except (OverflowError, TypeError, ValueError):
        return False
    return one.texts[0] is None or isinstance(one.texts[0], str)


def _take(samples: Samples, positions: list[int]) -> Samples:
    return Samples(
        addresses=[samples.addresses[at] for at in positions],
        times=[samples.times[at] for at in positions],
        values=[samples.values[at] for at in positions],
        texts=[samples.texts[at] for at in positions],
        statuses=[samples.statuses[at] for at in positions],
        origins=[samples.origins[at] for at in positions],
    )


def _reject(samples: Samples, at: int, reason: Reason, received_at: Instant) -> Reject:
    value = samples.values[at] if samples.texts[at] is None else samples.texts[at]
    detail = (
        "The time lies further from 1970 than any clock can mean; correct the device's clock, or the unit of its time."
        if reason is Reason.INVALID_TIME
        else "No column can hold this sample; publish numbers of at most 1.8e308, or texts."
    )
    raw = repr({"time": samples.times[at], "value": value, "status": samples.statuses[at]})
    return Reject(
        reason=reason,
        detail=detail,
        raw=raw.encode(errors="backslashreplace"),
        received_at=received_at,
        address=samples.addresses[at],
    )
