"""The samples of one machine at many times: one column a signal."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.int64]
Numbers = NDArray[np.float64]
Switches = NDArray[np.bool_]
Texts = NDArray[np.str_]
Column = Numbers | Switches | Texts | NDArray[np.int64]
Value = float | int | bool | str


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Equally long columns by signal name; `times_us` are microseconds since the Unix epoch, UTC."""

    times_us: Times
    values: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.times_us)

    @property
    def samples(self) -> int:
        """How many values there are: rows times signals."""
        return len(self.times_us) * len(self.values)

    def rows(self) -> Iterator[tuple[int, tuple[Value, ...]]]:
        """Give (time in microseconds, values in the order of the signals) for each time, as plain Python values."""
        columns = [column.tolist() for column in self.values.values()]
        return zip(self.times_us.tolist(), zip(*columns, strict=True), strict=True)
