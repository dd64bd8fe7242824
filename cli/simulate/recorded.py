"""Recordings on the command line: which file, which of its columns, and when it is played."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from simulators.errors import InvalidSettingError
from simulators.machine import Machine
from simulators.package import Package, read_package
from simulators.recording import Recording, read_recordings
from simulators.replay import replay
from simulators.schedule import moment

_PACKAGE = ".zip"
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Tape:
    """The recordings of a file, by asset."""

    recordings: Mapping[str, Recording]
    loop: bool
    own_times: bool
    terms: str | None = None
    """Whose data it is, where the file says so."""

    @property
    def first(self) -> datetime:
        """The first moment recorded."""
        return moment(min(int(recording.times_us[0]) for recording in self.recordings.values()))

    @property
    def length(self) -> timedelta:
        """From the first moment recorded through the last."""
        last = max(int(recording.times_us[-1]) for recording in self.recordings.values())
        return moment(last) - self.first + _TICK

    def bounds(
        self, since: datetime | None, until: datetime | None, *, goes_on: bool, now: datetime
    ) -> tuple[datetime | None, datetime | None]:
        """Settle where the play begins and ends, where that was not said: with the recording, unless it `goes_on`."""
        begin = self.first if self.own_times and since is None else since
        if until is None and not goes_on:
            until = (self.first if self.own_times else begin or now) + self.length
        return begin, until

    def machines(self, start: datetime) -> list[Machine]:
        """Give a machine for each asset, which keep the time between them."""
        return [
            replay(
                recording,
                asset=asset,
                start=None if self.own_times else start + (moment(int(recording.times_us[0])) - self.first),
                loop=self.loop,
            )
            for asset, recording in self.recordings.items()
        ]


def tape(
    file: Path,
    *,
    time: str,
    columns: Iterable[str],
    units: Iterable[str],
    owner: str | None,
    asset: str | None,
    loop: bool,
    own_times: bool,
) -> Tape:
    """Read a recording or a package; a file without names of assets is called `asset`, or recording-1."""
    mapped, named_units = _pairs(columns, "--column", "NAME=SIGNAL"), _pairs(units, "--unit", "SIGNAL=UCUM")
    found: Mapping[str, Recording]
    if file.suffix == _PACKAGE:
        if mapped or named_units:
            raise InvalidSettingError(f"{file} says itself what is in it: leave out --column and --unit")
        package = read_package(file, owner=owner)
        found, terms = package.recordings, _terms(package)
    elif owner is not None:
        raise InvalidSettingError(f"--owner chooses what to play of a package, and {file} is none")
    else:
        found, terms = read_recordings(file, time=time, columns=mapped or None, units=named_units), None
    if asset is not None and len(found) > 1:
        raise InvalidSettingError(f"{file} holds {len(found)} assets, which keep their names: leave out --asset")
    named = {asset or name or "recording-1": recording for name, recording in found.items()}
    return Tape(recordings=named, loop=loop, own_times=own_times, terms=terms)


def _terms(package: Package) -> str:
    """Say whose it is that is played, and what the platform has to know of it."""
    licence = f", {' and '.join(package.licences)}" if package.licences else ""
    assets = ", ".join(package.recordings)
    return (
        f"{package.title}: {package.owner}'s data, as {package.reader} may read it{licence}. "
        f"It stays {package.owner}'s: declare {assets} with nature: replay and home_owner: {package.owner}."
    )


def _pairs(words: Iterable[str], option: str, form: str) -> dict[str, str]:
    pairs = {}
    for word in words:
        left, equals, right = word.partition("=")
        if not left or (equals and not right) or (not equals and option == "--unit"):
            raise InvalidSettingError(f"{option} {word!r} is not {form}")
        pairs[left] = right or left
    return pairs
