"""Which stream each sample belongs to, and what cannot become a measurement: a pure decision over columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fieldlab.assets.asset import Kind
from fieldlab.assets.source import Binding
from fieldlab.readings.instant import MINUTE, Instant
from fieldlab.readings.origin import Origin
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.status import BAD_NO_DATA, BAD_OUT_OF_RANGE, GOOD, signed
from fieldlab.storage.rows import EARLIEST, LATEST, Int16, Mask, Rows
from gateway.block import Block

Bindings = Mapping[str, Binding]

_DAY: Final = 24 * 60 * MINUTE
_ORIGIN_BITS: Final = 0x0F
_UNBOUND: Final = -1
_KINDS: Final = {Kind.NUMBER: 0, Kind.BOOLEAN: 1, Kind.TEXT: 2}
_NUMBER, _BOOLEAN, _TEXT = 0, 1, 2
_SHOWN: Final = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Discipline:
    """How far from the moment of receipt a sample's time may lie, in microseconds.

    `future` allows for clocks that run ahead. `past` catches clocks that were never set: they say 1970 or 2000.
    """

    future: int = 5 * MINUTE
    past: int = 3_653 * _DAY


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """What became of a block: rows to be written, and the rejects."""

    rows: Rows
    rejects: tuple[Reject, ...] = ()


def bind(block: Block, bindings: Bindings, *, discipline: Discipline) -> Bound:
    """Find each sample's stream and hold it against the stream's kind and the discipline of time.

    A live sample gets its binding's origin and keeps the mark of its clock. A number that is not finite keeps its
    value under a bad status, and so does a sample without a value.
    """
    found = [bindings.get(address) for address in block.addresses]
    streams = np.array([_UNBOUND if one is None else one.stream for one in found], np.int32)[block.codes]
    kinds = np.array([0 if one is None else _KINDS[one.kind] for one in found], np.int8)[block.codes]
    live = np.array([0 if one is None else one.origin for one in found], np.int16)[block.codes]
    rows = Rows(
        streams=streams,
        statuses=_statuses(block),
        origins=np.where(block.origins & _ORIGIN_BITS == Origin.LIVE, block.origins | live, block.origins),
        times=block.times,
        values=block.values,
        numeric=block.numeric,
        texts=block.texts,
        places=block.codes,
        addresses=tuple((block.source, address) for address in block.addresses),
    )
    reasons = _reasons(rows, kinds, block.received_at, discipline)
    if not reasons:
        return Bound(rows=rows)
    refused = np.zeros(len(rows), np.bool_)
    rejects = []
    for reason, which in reasons:
        for at in np.flatnonzero(which & ~refused).tolist():
            detail = _detail(reason, rows, at, found[block.codes[at]], block.received_at)
            rejects.append(rows.reject(at, reason=reason, detail=detail, received_at=block.received_at))
        refused |= which
    return Bound(rows=rows.take(np.flatnonzero(~refused)), rejects=tuple(rejects))


def _statuses(block: Block) -> Int16:
    """Give the statuses, made bad where a good one would lie about a value that is not finite, or not there."""
    good = block.statuses == GOOD
    statuses = block.statuses
    endless = good & block.numeric & ~np.isfinite(block.values)
    if endless.any():
        statuses = np.where(endless, np.int16(signed(BAD_OUT_OF_RANGE)), statuses)
    if not block.numeric.all():
        empty = good & ~block.numeric
        empty[list(block.texts)] = False
        statuses = np.where(empty, np.int16(signed(BAD_NO_DATA)), statuses)
    return statuses


def _reasons(
    rows: Rows, kinds: NDArray[np.int8], received_at: Instant, discipline: Discipline
) -> list[tuple[Reason, Mask]]:
    """Give the reasons that apply to any row, the first that counts for a row first."""
    textual = np.zeros(len(rows), np.bool_)
    textual[list(rows.texts)] = True
    unstorable = np.zeros(len(rows), np.bool_)
    unstorable[[at for at, text in rows.texts.items() if not _storable(text)]] = True
    misfit = (textual & (kinds != _TEXT)) | (rows.numeric & (kinds == _TEXT)) | unstorable
    if (kinds == _BOOLEAN).any():
        misfit |= (kinds == _BOOLEAN) & rows.numeric & (rows.values != 0) & (rows.values != 1)
    candidates = [
        (Reason.UNBOUND, rows.streams == _UNBOUND),
        (Reason.WRONG_TYPE, misfit),
        (Reason.INVALID_TIME, (rows.times < EARLIEST) | (rows.times > LATEST)),
        (Reason.TOO_FAR_IN_FUTURE, rows.times > received_at + discipline.future),
        (Reason.TOO_LATE, rows.times < received_at - discipline.past),
    ]
    return [(reason, which) for reason, which in candidates if which.any()]


def _storable(text: str) -> bool:
    """Tell whether PostgreSQL can keep a text: any but those with a NUL character or half a surrogate pair."""
    return (text.isascii() and "\0" not in text) or (_encodes(text) and "\0" not in text)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _detail(reason: Reason, rows: Rows, at: int, binding: Binding | None, received_at: Instant) -> str:
    if binding is None:
        return "No stream is bound to this address; bind it to one."
    if reason is Reason.INVALID_TIME:
        return "The time lies outside the years 1 to 9999; correct the device's clock, or the unit of its time."
    if reason is Reason.TOO_FAR_IN_FUTURE:
        ahead = (int(rows.times[at]) - received_at) / 1e6
        return f"The time lies {ahead:.0f} s after its receipt; set the device's clock, or send the time in UTC."
    if reason is Reason.TOO_LATE:
        behind = (received_at - int(rows.times[at])) / _DAY
        return f"The time lies {behind:.0f} days before its receipt; set the device's clock."
    return _misfit(rows, at, binding.kind)


def _misfit(rows: Rows, at: int, kind: Kind) -> str:
    value = rows.value(at)
    if isinstance(value, str) and kind is Kind.TEXT:
        return "The text holds a NUL character or half a surrogate pair, which no database keeps; remove it."
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."
    if kind is Kind.TEXT:
        return f"The stream holds text and got the number {shown}; publish it as a string, or declare a number stream."
    if kind is Kind.BOOLEAN:
        return f"The stream holds true or false and got {shown}; publish true, false, 1 or 0."
    if _number(value):
        return f"The stream holds numbers and got the text {shown}; publish it as a JSON number, without quotes."
    return f"The stream holds numbers and got the text {shown}; publish a number, or declare a text stream."


def _number(value: float | str | None) -> bool:
    try:
        float(value or "")
    except ValueError:
        return False
    return True
