"""What one is about to ask for; each method gives another one, and nothing is asked before the data is wanted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fieldlab_client.catalogue import Catalogue
from fieldlab_client.connection import Connection
from fieldlab_client.errors import FieldlabClientError
from fieldlab_client.export import Export
from fieldlab_client.live import Live
from fieldlab_client.package import Package
from fieldlab_client.reading import fetch
from fieldlab_client.saved import save
from fieldlab_client.table import Measurements

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


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

    def every(self, step: str, *aggregates: str, time_zone: str | None = None) -> Selection:
        """In buckets of a length such as `1m`, with aggregates such as `mean`, `max`, `count`; `mean` without any."""
        return self._with(step=step, aggregate=[*aggregates] or ["mean"], time_zone=time_zone)

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
        if self.trial is None:
            return fetch(self.connection, self._question(), label=self._label)
        entries = [
            entry for entry in Catalogue(self.connection, {}) if any(self._of(one.trial) for one in entry.coverage)
        ]
        if not entries:
            raise FieldlabClientError(f"There is no trial {self.trial!r} of which you may have anything.")
        question = {**self._question(), "trial": None, "stream": [entry.reference for entry in entries]}
        if not {"from", "until", "last"} & {name for name, value in self.asked.items() if value is not None}:
            stretches = [one for entry in entries for one in entry.coverage if self._of(one.trial)]
            question["from"] = _finite(min(stretch.start for stretch in stretches))
            question["until"] = _finite(max(stretch.until for stretch in stretches))
        whole = fetch(self.connection, question, label=self._label)
        return whole.only([segment for segment in whole.segments if self._of(segment.trial)])

    def frame(self, *, wide: bool = False) -> pd.DataFrame:
        """Fetch all of it as a pandas frame; see `Measurements.frame`."""
        return self.read().frame(wide=wide)

    def polars(self) -> pl.DataFrame:
        """Fetch all of it as a polars frame."""
        return self.read().polars()

    def save(self, path: str | Path) -> Path:
        """Fetch all of it into a `.parquet`, `.arrow`, `.csv` or `.ndjson`; the file is there once it is whole."""
        return save(self.connection, self._question(), path, label=self._label)

    def export(self) -> Export:
        """Have the lab make a package of it in the background."""
        return Export.asked(self.connection, self._question())

    def package(self, path: str | Path) -> Package:
        """Have the lab make a package of it, wait, and download it to a file; a download that broke off goes on."""
        return self.export().download(path)

    def live(self) -> Live:
        """Follow what is measured from now on; see `Live`."""
        allowed = {name: value for name, value in self.asked.items() if name in {"basis", "purpose"}}
        if self.trial is not None:
            raise FieldlabClientError("Follow streams or an asset live: lab.asset(…).live().")
        return Live(self.connection, {"stream": [*self.streams], "asset": self.asset, **allowed})

    def _of(self, trial: str | None) -> bool:
        return trial == self.trial

    def _with(self, **said: Any) -> Selection:  # noqa: ANN401 - what the lab takes
        return replace(self, asked={**self.asked, **said})

    def _question(self) -> dict[str, Any]:
        return {"stream": [*self.streams], "asset": self.asset, "trial": self.trial, **self.asked}

    @property
    def _label(self) -> str:
        return self.trial or self.asset or ", ".join(self.streams[:2])


def _finite(moment: str) -> str | None:
    return None if moment.endswith("infinity") else moment
