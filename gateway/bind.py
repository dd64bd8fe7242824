"""Which stream each sample belongs to, and what cannot become a measurement: a pure decision over columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fieldlab.assets.asset import Kind
from fieldlab.assets.source import Binding
from fieldlab.readings.instant import MINUTE, SECOND, Instant
from fieldlab.readings.origin import Origin
from fieldlab.readings.reject import Reason
from fieldlab.readings.status import BAD_NO_DATA, BAD_OUT_OF_RANGE, GOOD, signed
from fieldlab.storage.account import Refusal
from fieldlab.storage.rows import EARLIEST, LATEST, Int16, Int64, Mask, Rows
from gateway.block import Block

Bindings = Mapping[str, Binding]

_DAY: Final = 24 * 60 * MINUTE
_ORIGIN_BITS: Final = 0x0F
_UNBOUND: Final = -1
_KINDS: Final = {Kind.NUMBER: 0, Kind.BOOLEAN: 1, Kind.TEXT: 2}
_BOOLEAN: Final = 1
_TEXT: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Discipline:
    """How far from the moment of receipt a sample's time may lie, in microseconds.

    `future` allows for clocks that run ahead. `past` catches clocks that were never set: they say 1970 or 2000. A
    stream's own lateness is narrower, and holds for live samples only: history comes late by its nature.
    """

    future: int = 5 * MINUTE
    past: int = 3_653 * _DAY


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """What became of a block: rows to be written, refusals, and the samples at addresses that are not bound."""

    rows: Rows
    refusals: tuple[Refusal, ...] = ()
    unbound: Block | None = None


def bind(block: Block, bindings: Bindings, *, discipline: Discipline) -> Bound:
    """Find each sample's stream, and hold it against the stream's kind and the discipline of time.

    A live sample gets its binding's origin and keeps the mark of its clock; every sample of a recording, even one that
    calls itself history, is a replay. A number that is not finite keeps its
    value under a bad status, and so does a sample without a value.
    """
    found = [bindings.get(address) for address in block.addresses]
    unbound = None
    if None in found:
        known = np.array([one is not None for one in found], np.bool_)[block.codes]
        unbound = block.take(np.flatnonzero(~known)) if not known.all() else None
        block = block.take(np.flatnonzero(known))
    streams = np.array([_UNBOUND if one is None else one.stream for one in found], np.int32)[block.codes]
    kinds = np.array([0 if one is None else _KINDS[one.kind] for one in found], np.int8)[block.codes]
    live = np.array([0 if one is None else one.origin for one in found], np.int16)[block.codes]
    is_live = block.origins & _ORIGIN_BITS == Origin.LIVE
    rows = Rows(
        streams=streams,
        statuses=_statuses(block),
        origins=np.where(is_live | (live == Origin.REPLAY), block.origins & ~_ORIGIN_BITS | live, block.origins),
        times=block.times,
        values=block.values,
        numeric=block.numeric,
        texts=block.texts,
        places=block.codes,
        addresses=tuple((block.source, address) for address in block.addresses),
    )
    reasons = [
        *_misfits(rows, kinds),
        *_untimely(rows, block.received, _lateness(found, is_live, block, discipline), discipline),
    ]
    refused = np.zeros(len(rows), np.bool_)
    refusals: list[Refusal] = []
    for reason, which in reasons:
        refusals.extend(_refusals(reason, np.flatnonzero(which & ~refused), rows, found, block.received))
        refused |= which
    if refusals:
        rows = rows.take(np.flatnonzero(~refused))
    return Bound(rows=rows, refusals=tuple(refusals), unbound=unbound)


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


def _misfits(rows: Rows, kinds: NDArray[np.int8]) -> list[tuple[Reason, Mask]]:
    """Tell the rows whose value does not fit the kind of their stream."""
    misfit = rows.numeric & (kinds == _TEXT)
    if rows.texts:
        textual = np.zeros(len(rows), np.bool_)
        textual[list(rows.texts)] = True
        misfit |= textual & (kinds != _TEXT)
        misfit[[at for at, text in rows.texts.items() if not _storable(text)]] = True
    boolean = kinds == _BOOLEAN
    if boolean.any():
        misfit |= boolean & rows.numeric & (rows.values != 0) & (rows.values != 1)
    return [(Reason.WRONG_TYPE, misfit)] if misfit.any() else []


def _untimely(rows: Rows, received: Int64, lateness: Int64 | int, discipline: Discipline) -> list[tuple[Reason, Mask]]:
    """Tell the rows whose time cannot be, or lies too far from their receipt; the first reason of a row counts."""
    candidates = [
        (Reason.INVALID_TIME, (rows.times < EARLIEST) | (rows.times > LATEST)),
        (Reason.TOO_FAR_IN_FUTURE, rows.times > received + discipline.future),
        (Reason.TOO_LATE, rows.times < received - lateness),
    ]
    return [(reason, which) for reason, which in candidates if which.any()]


def _lateness(found: Sequence[Binding | None], is_live: Mask, block: Block, discipline: Discipline) -> Int64 | int:
    """Give how long after measuring each sample may arrive."""
    if all(one is None or one.lateness is None for one in found):
        return discipline.past
    own = [discipline.past if one is None or one.lateness is None else one.lateness for one in found]
    return np.where(is_live, np.array(own, np.int64)[block.codes], discipline.past)


def _refusals(
    reason: Reason, positions: Int64, rows: Rows, found: Sequence[Binding | None], received: Int64
) -> list[Refusal]:
    """Make one reject of the rows of one address that are refused with one sentence."""
    groups: dict[tuple[int, str], list[int]] = {}
    for at in positions.tolist():
        code = int(rows.places[at])
        binding = found[code]
        detail = _misfit(rows, at, binding) if reason is Reason.WRONG_TYPE else _DETAILS[reason]
        groups.setdefault((code, detail), []).append(at)
    return [
        Refusal(
            source=rows.source(group[0]),
            stream=int(rows.streams[group[0]]),
            reject=rows.reject(
                group,
                reason=reason,
                detail=_told(detail, rows, group[0], received),
                received_at=Instant(received[group[0]]),
            ),
        )
        for (_, detail), group in groups.items()
    ]


_DETAILS: Final = {
    Reason.INVALID_TIME: (
        "The time lies outside the years 1 to 9999; correct the device's clock, or the unit of its time."
    ),
    Reason.TOO_FAR_IN_FUTURE: (
        "The time lies {ahead} s after its receipt; set the device's clock, or send the time in UTC. "
        "Release it if the time is right."
    ),
    Reason.TOO_LATE: (
        "The time lies {behind} s before its receipt, more than this stream allows; set the device's clock. "
        "Release it if the time is right."
    ),
}


def _told(detail: str, rows: Rows, at: int, received: Int64) -> str:
    ahead = (int(rows.times[at]) - int(received[at])) // SECOND
    return detail.format(ahead=ahead, behind=-ahead)


def _misfit(rows: Rows, at: int, binding: Binding | None) -> str:
    value, kind = rows.value(at), Kind.NUMBER if binding is None else binding.kind
    if isinstance(value, str) and kind is Kind.TEXT:
        return "The text holds a NUL character or half a surrogate pair, which no database keeps; remove it."
    if kind is Kind.TEXT:
        return "The stream holds text and got a number; publish it as a string, or declare a number stream."
    if kind is Kind.BOOLEAN:
        return "The stream holds true or false and got something else; publish true, false, 1 or 0."
    if _number(value):
        return "The stream holds numbers and got a number as a text; publish it as a JSON number, without quotes."
    return "The stream holds numbers and got a text; publish a number, or declare a text stream."


def _number(value: float | str | None) -> bool:
    try:
        float(value or "")
    except ValueError:
        return False
    return True


def _storable(text: str) -> bool:
    """Tell whether PostgreSQL can keep a text: any but those with a NUL character or half a surrogate pair."""
    return "\0" not in text and (text.isascii() or _encodes(text))


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
