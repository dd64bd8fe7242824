"""Numbers that arrived together, as arrays: what a decoder yields that reads many values in one step."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fieldlab.readings.samples import Samples


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Arrays of equal length, one entry a number, with the meaning of the lists in `Samples`.

    `codes` are places in `names`, the addresses, each named once. The arrays are owned by the value: nobody changes
    them after it is built.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int32]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    statuses: NDArray[np.int16]
    origins: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def none(cls) -> Self:
        """Give no numbers at all."""
        return cls(
            names=(),
            codes=np.empty(0, np.int32),
            times=np.empty(0, np.int64),
            values=np.empty(0, np.float64),
            statuses=np.empty(0, np.int16),
            origins=np.empty(0, np.int16),
        )

    @property
    def addresses(self) -> list[str]:
        """Give the address of each number."""
        names = self.names
        return [names[code] for code in self.codes.tolist()]

    def rows(self) -> Samples:
        """Give the same as lists."""
        return Samples(
            addresses=self.addresses,
            times=self.times.tolist(),
            values=self.values.tolist(),
            texts=[None] * len(self),
            statuses=self.statuses.tolist(),
            origins=self.origins.tolist(),
        )
