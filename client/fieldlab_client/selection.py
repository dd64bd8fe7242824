"""What one is about to ask for; each method gives another one, and nothing is asked before the data is wanted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fieldlab_client.connection import Connection
from fieldlab_client.errors import FieldlabClientError
from fieldlab_client.export import Export
from fieldlab_client.holdings import Missing
from fieldlab_client.listing import Listing
from fieldlab_client.live import Live
from fieldlab_client.package import Package
from fieldlab_client.reading import fetch, fetch_from
from fieldlab_client.saved import save
from fieldlab_client.table import Measurements

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_OF_GAPS: Final = frozenset({"from", "until", "last", "basis", "purpose"})


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Streams, by name, of an asset or of a trial, over a time, as samples or in buckets."""

    connection: Connection = field(repr=False)
    streams: tuple[str, ...] = ()
    asset: str | None = None
    trial: str | None = None
    asked: dict[str, Any] = field(default_factory=dict)

    def between(self, start: str | None, until: str | None) -> Selection:
        """Over `[start, until)`: RFC 3339 with an offset; None is open."""
        return self._with(**{"from": start, "until": until, "last": None})

    def last(self, duration: str) -> Selection:
        """Over the time before now, such as `15m`."""
        return self._with(**{"from": None, "until": None, "last": duration})

    def every(self, step: str, *aggregates: str, time_zone: str | None = None, fill: str | None = None) -> Selection:
        """In buckets of a length such as `1m`, with aggregates such as `mean`, `max`, `count`; `mean` without any.

        `fill` says what stands for an empty one: `null`, `previous` or `linear`; it is absent without it.
        """
        return self._with(step=step, aggregate=[*aggregates] or ["mean"], time_zone=time_zone, fill=fill)

    def points(self, most: int) -> Selection:
        """For a chart: at most so many samples a stream, chosen so that the line keeps its look."""
        return self._with(points=most)

    def at(self, moment: str) -> Selection:
        """The value in force at a time, one row a stream, instead of a range."""
        return self._with(as_of=moment)

    def good(self) -> Selection:
        """Leave out samples whose status is not good."""
        return self._with(status="good")

    def under(self, agreement: str) -> Selection:
        """Read what is not your own under this agreement, where several fit."""
        return self._with(basis=agreement)

    def purpose(self, purpose: str) -> Selection:
        """State what for, where an agreement asks; a wrong one is recorded for the owner to see."""
        return self._with(purpose=purpose)

    def read(self) -> Measurements:
        """Fetch all of it into memory, with units, owners and segments."""
        return fetch(self.connection, self.question(), label=self.label)

    def latest(self) -> Measurements:
        """Fetch the newest value of each stream that you may see, whatever the time chosen."""
        if self.trial is not None:
            raise FieldlabClientError("Ask streams or an asset for the newest: lab.asset(…).latest().")
        return fetch_from(self.connection, "/v1/latest", {**self._chosen(), **self._ground()}, label=self.label)

    def gaps(self) -> Listing[Missing]:
        """List what is known to be missing, with its cause and whose it is; nothing is known of where none is listed.

        Step, status and the like do not count here.
        """
        allowed = {name: value for name, value in self.asked.items() if name in _OF_GAPS}
        return Listing(self.connection, "/v1/gaps", {**self._chosen(), **allowed}, Missing.read, Missing.__slots__)

    def frame(self, *, wide: bool = False) -> pd.DataFrame:
        """Fetch all of it as a pandas frame; see `Measurements.frame`."""
        return self.read().frame(wide=wide)

    def polars(self) -> pl.DataFrame:
        """Fetch all of it as a polars frame."""
        return self.read().polars()

    def save(self, path: str | Path) -> Path:
        """Fetch all of it into a `.parquet`, `.arrow`, `.csv` or `.ndjson`; the file is there once it is whole."""
        return save(self.connection, self.question(), path, label=self.label)

    def export(self) -> Export:
        """Have the lab make a package of it in the background."""
        return Export.asked(self.connection, self.question())

    def package(self, path: str | Path) -> Package:
        """Have the lab make a package of it, wait, and download it to a file; a download that broke off goes on."""
        return self.export().download(path)

    def live(self) -> Live:
        """Follow what is measured from now on; see `Live`."""
        if self.trial is not None:
            raise FieldlabClientError("Follow streams or an asset live: lab.asset(…).live().")
        return Live(self.connection, {**self._chosen(), **self._ground()})

    def _with(self, **said: Any) -> Selection:  # noqa: ANN401 - what the lab takes
        return replace(self, asked={**self.asked, **said})

    def question(self) -> dict[str, Any]:
        """Give what is asked, as the lab takes it."""
        return {**self._chosen(), **self.asked}

    def _ground(self) -> dict[str, Any]:
        return {name: value for name, value in self.asked.items() if name in {"basis", "purpose"}}

    def _chosen(self) -> dict[str, Any]:
        return {"stream": [*self.streams], "asset": self.asset, "trial": self.trial}

    @property
    def label(self) -> str:
        """Give a name for its bar."""
        return self.trial or self.asset or ", ".join(self.streams[:2])
