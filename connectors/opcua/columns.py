"""Turns columns of numbers into samples, as `decode` does with readings one by one; pure."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from connectors.opcua.binary import LAST_TICK
from connectors.opcua.decode import Decoded, dropped
from connectors.opcua.notification import Numbers
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Clock
from fieldlab.readings.samples import Samples
from fieldlab.readings.status import BAD_OUT_OF_RANGE, signed

SINCE_1601: Final = 11_644_473_600_000_000
"""Microseconds from 1601, where OPC UA begins to count, to 1970."""

_OVERFLOW: Final = 0x480
_BAD: Final = 0x8000_0000


def instant(ticks: int) -> Instant | None:
    """Read a time in 100 ns since 1601; None where it means none."""
    return Instant(ticks // 10 - SINCE_1601) if 0 < ticks < LAST_TICK else None


def decode_numbers(
    numbers: Numbers,
    addresses: Sequence[str],
    received_at: Instant,
    *,
    last: Mapping[str, Instant],
    since: Instant,
) -> Decoded:
    """Turn numbers at these addresses into samples: source time, else server time, else receipt; it raises nothing.

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
    samples = Samples(
        addresses=list(addresses),
        times=times.tolist(),
        values=numbers.values.tolist(),
        texts=[None] * len(numbers),
        statuses=statuses.tolist(),
        origins=clocks.tolist(),
    )
    gaps = []
    for at in np.flatnonzero(numbers.codes & _OVERFLOW == _OVERFLOW).tolist():
        address = addresses[at]
        earlier = np.flatnonzero(numbers.handles[:at] == numbers.handles[at])
        before = Instant(times[earlier[-1]]) if len(earlier) else last.get(address, since)
        gaps.append(dropped((address,), before, Instant(times[at])))
    newest = {address: Instant(time) for address, time in dict(zip(addresses, samples.times, strict=True)).items()}
    return Decoded(samples=samples, gaps=gaps, last=newest)
