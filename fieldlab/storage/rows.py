"""Rows ready to be written: the columns of measurements as arrays, in the order in which they arrived."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from fieldlab.readings.instant import Instant
from fieldlab.readings.reject import Reason, Reject
from fieldlab.readings.status import shown

Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

EARLIEST: Final = Instant(-62_135_596_800_000_000)
"""0001-01-01T00:00:00Z, the first moment that a measurement can have."""

LATEST: Final = Instant(253_402_300_799_999_999)
"""The last microsecond of the year 9999."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Columns of equal length, one entry a row of `measurement`, and where each row came from.

    `times` are microseconds since the Unix epoch. `numeric` tells the rows that carry a number in `values`; the text of
    the others stands in `texts` under the row's position, or they carry neither. `places` are indices into `addresses`,
    the pairs of source id and address.
    """

    streams: Int32
    statuses: Int16
    origins: Int16
    times: Int64
    values: Float64
    numeric: Mask
    texts: dict[int, str]
    places: Int32
    addresses: tuple[tuple[int, str], ...]

    def __len__(self) -> int:
        return len(self.streams)

    @classmethod
    def none(cls) -> Self:
        """Give no rows at all."""
        return cls(
            streams=np.empty(0, np.int32),
            statuses=np.empty(0, np.int16),
            origins=np.empty(0, np.int16),
            times=np.empty(0, np.int64),
            values=np.empty(0, np.float64),
            numeric=np.empty(0, np.bool_),
            texts={},
            places=np.empty(0, np.int32),
            addresses=(),
        )

    @staticmethod
    def joined(parts: Sequence["Rows"]) -> "Rows":
        """Put several sets of rows behind one another, in order."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Rows.none()
        texts: dict[int, str] = {}
        places, addresses = [], list[tuple[int, str]]()
        start = 0
        for part in parts:
            texts.update((start + at, text) for at, text in part.texts.items())
            places.append(part.places + np.int32(len(addresses)))
            addresses.extend(part.addresses)
            start += len(part)
        return Rows(
            streams=np.concatenate([part.streams for part in parts]),
            statuses=np.concatenate([part.statuses for part in parts]),
            origins=np.concatenate([part.origins for part in parts]),
            times=np.concatenate([part.times for part in parts]),
            values=np.concatenate([part.values for part in parts]),
            numeric=np.concatenate([part.numeric for part in parts]),
            texts=texts,
            places=np.concatenate(places),
            addresses=tuple(addresses),
        )

    def take(self, positions: Int64) -> "Rows":
        """Give the rows at these positions, in this order."""
        texts = self.texts
        if texts:
            chosen = enumerate(positions.tolist())
            texts = {new: texts[old] for new, old in chosen if old in texts}
        return Rows(
            streams=self.streams[positions],
            statuses=self.statuses[positions],
            origins=self.origins[positions],
            times=self.times[positions],
            values=self.values[positions],
            numeric=self.numeric[positions],
            texts=texts,
            places=self.places[positions],
            addresses=self.addresses,
        )

    @property
    def sources(self) -> Int32:
        """Give the id of the source of each row."""
        return np.array([source for source, _ in self.addresses], np.int32)[self.places]

    def counts(self) -> dict[int, int]:
        """Count the rows of each source that has any."""
        found: dict[int, int] = {}
        at_places = np.bincount(self.places, minlength=len(self.addresses)).tolist()
        for (source, _), count in zip(self.addresses, at_places, strict=True):
            if count:
                found[source] = found.get(source, 0) + count
        return found

    def source(self, position: int) -> int:
        """Give the id of the source of one row."""
        return self.addresses[int(self.places[position])][0]

    def address(self, position: int) -> str:
        """Give the address of one row."""
        return self.addresses[int(self.places[position])][1]

    def value(self, position: int) -> float | str | None:
        """Give the value of one row: a number, a text, or None."""
        return float(self.values[position]) if self.numeric[position] else self.texts.get(position)

    def raw(self, positions: Sequence[int]) -> bytes:
        """Give rows as they are kept with a reject: a JSON object a line, with time, value, status and origin.

        A number that JSON has no word for stands as a text under `number`. A status is the upper half of the
        StatusCode, a time that has no RFC 3339 is in microseconds since the Unix epoch.
        """
        return b"\n".join(self._line(position) for position in positions)

    def reject(self, positions: Sequence[int], *, reason: Reason, detail: str, received_at: Instant) -> Reject:
        """Say of rows of one address why they could not become measurements."""
        first = positions[0]
        time = Instant(self.times[first])
        return Reject(
            reason=reason,
            detail=detail,
            raw=self.raw(positions),
            received_at=received_at,
            address=self.address(first),
            time=time if EARLIEST <= time <= LATEST else None,
            samples=len(positions),
        )

    def _line(self, position: int) -> bytes:
        time, value = Instant(self.times[position]), self.value(position)
        endless = isinstance(value, float) and not math.isfinite(value)
        sample = {
            "time": str(time) if EARLIEST <= time <= LATEST else int(time),
            "value": None if endless else value,
            "status": shown(int(self.statuses[position])),
            "origin": int(self.origins[position]),
        }
        if endless:
            sample["number"] = str(value)
        return json.dumps(sample).encode()
