"""Samples that arrived together, in columns: what a decoder yields and the gateway binds and writes."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """Columns of equal length, one entry a sample.

    `addresses` is where the source found the value; `times` are microseconds since the Unix epoch; a number stands in
    `values` (booleans as 0 and 1, text as None), a text in `texts`; `statuses` and `origins` are the columns of a
    measurement. The lists are owned by the value: nobody changes them after it is built.
    """

    addresses: list[str] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    texts: list[str | None] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.addresses)

    @property
    def even(self) -> bool:
        """Tell whether the columns are of equal length, as they have to be."""
        columns = (self.times, self.values, self.texts, self.statuses, self.origins)
        return all(len(column) == len(self.addresses) for column in columns)

    @staticmethod
    def joined(parts: Iterable["Samples"]) -> "Samples":
        """Put several sets of samples behind one another, in order."""
        whole = Samples()
        for part in parts:
            whole.addresses.extend(part.addresses)
            whole.times.extend(part.times)
            whole.values.extend(part.values)
            whole.texts.extend(part.texts)
            whole.statuses.extend(part.statuses)
            whole.origins.extend(part.origins)
        return whole
