"""Turns numbers in columns into columns of samples, as `decode` does with readings one by one; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from connectors.opcua.decode import dropped
from connectors.opcua.notification import Numbers
from connectors.opcua.value import LAST_TICK
from fieldlab.readings.columns import Columns
from fieldlab.readings.gap import Gap
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock
from fieldlab.readings.status import BAD_OUT_OF_RANGE, signed

SINCE_1601: Final = 11_644_473_600_000_000
"""Microseconds from 1601, where OPC UA begins to count, to 1970."""

_OVERFLOW: Final = 0x480
_BAD: Final = 0x8000_0000


def instant(ticks: int) -> Instant | None:
    """Read a time in 100 ns since 1601; None where it means none."""
    return Instant(ticks // 10 - SINCE_1601) if 0 < ticks < LAST_TICK else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """What numbers come to; `last` is the time of the latest of each node among them."""

    columns: Columns = field(default_factory=Columns.none)
    gaps: list[Gap] = field(default_factory=list)
    last: dict[str, Instant] = field(default_factory=dict)


class Places:
    """Where the addresses of client handles stand: an array by handle, made anew only when the handles change."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        self._names = tuple(dict.fromkeys(texts.values()))
        places = {name: place for place, name in enumerate(self._names)}
        self._by_handle = np.full(max(texts, default=0) + 1, -1, np.int32)
        self._by_handle[list(texts)] = [places[text] for text in texts.values()]

    def known(self, handles: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Tell which handles have an address."""
        return self._of(handles) >= 0

    def _of(self, handles: NDArray[np.uint32]) -> NDArray[np.int32]:
        within = handles < len(self._by_handle)
        return np.where(within, self._by_handle[np.where(within, handles, 0)], np.int32(-1))

    def named(self, handles: NDArray[np.uint32]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
        """Give the addresses that occur, each once, and the place among them of each handle; all are known."""
        codes = self._by_handle[handles]
        occurs = np.zeros(len(self._names), np.bool_)
        occurs[codes] = True
        if occurs.all():
            return self._names, codes
        names = tuple([self._names[place] for place in np.flatnonzero(occurs).tolist()])
        return names, (np.cumsum(occurs, dtype=np.int32) - np.int32(1))[codes]


def decode_numbers(
    numbers: Numbers,
    places: Places,
    received_at: Instant,
    *,
    last: Mapping[str, Instant],
    since: Instant,
) -> Counted:
    """Turn numbers of known handles into samples: source time, else server time, else receipt; it raises nothing.

    Numbers that are infinite or none get a bad status. Where the server says that it dropped values, there is a gap
    from the reading before: the latest of its node in these numbers, else in `last`, else `since`.
    """
    by_source = (numbers.source > 0) & (numbers.source < LAST_TICK)
    by_server = (numbers.server > 0) & (numbers.server < LAST_TICK)
    stamped = np.where(by_source, numbers.source, numbers.server) // 10 - SINCE_1601
    received = np.arange(received_at, received_at + len(numbers), dtype=np.int64)
    times: NDArray[np.int64] = np.where(by_source | by_server, stamped, received)
    clocks = np.where(by_source, Clock.SOURCE, np.where(by_server, Clock.SERVER, Clock.RECEIPT))
    statuses = (numbers.codes >> 16).astype(np.uint16).view(np.int16)
    unfit = ~np.isfinite(numbers.values) & (numbers.codes & _BAD == 0)
    if unfit.any():
        statuses[unfit] = signed(BAD_OUT_OF_RANGE)
    names, codes = places.named(numbers.handles)
    gaps = []
    for at in np.flatnonzero(numbers.codes & _OVERFLOW == _OVERFLOW).tolist():
        address = names[codes[at]]
        earlier = np.flatnonzero(numbers.handles[:at] == numbers.handles[at])
        before = Instant(times[earlier[-1]]) if len(earlier) else last.get(address, since)
        gaps.append(dropped((address,), before, Instant(times[at])))
    newest = np.empty(len(names), np.int64)
    newest[codes] = times  # of several for one place the last one stays
    columns = Columns(
        names=names,
        codes=codes,
        times=times,
        values=numbers.values.astype(np.float64, copy=False),
        statuses=statuses,
        origins=clocks.astype(np.int16),
    )
    return Counted(columns=columns, gaps=gaps, last=dict(zip(names, map(Instant, newest.tolist()), strict=True)))
