"""What a job has of one stream: the table on the disk, and beside it what it holds, so that nobody reads it again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import orjson

from api.exports.place import whole
from fieldlab.ownership.segment import Segment
from fieldlab.readings.origin import Origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A finished table: its file, its segments with their origins as they turned out, and the rows of each."""

    path: Path
    segments: tuple[Segment, ...]
    rows: tuple[int, ...]

    def keep(self) -> None:
        """Say on the disk what the table holds; from then on it counts as finished."""
        said = [
            {"ground": _written(segment), "origins": [int(one) for one in segment.origins or ()], "rows": rows}
            for segment, rows in zip(self.segments, self.rows, strict=True)
        ]
        with whole(_beside(self.path)) as file:
            file.write(orjson.dumps(said))

    @classmethod
    def find(cls, path: Path, segments: Sequence[Segment]) -> Self | None:
        """Give what a job finished before it was interrupted; None unless it holds just these segments."""
        try:
            said = orjson.loads(_beside(path).read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return None
        if [one["ground"] for one in said] != [_written(segment) for segment in segments] or not path.exists():
            return None
        found = [
            replace(segment, origins=tuple(Origin(value) for value in one["origins"]))
            for segment, one in zip(segments, said, strict=True)
        ]
        return cls(path=path, segments=tuple(found), rows=tuple(one["rows"] for one in said))


def ground(segment: Segment) -> tuple[object, ...]:
    """Give what must not change while a job reads a segment: its stretch, its owner, and why it may be read."""
    return segment.interval, segment.owner, segment.basis.kind, segment.basis.agreement


def _written(segment: Segment) -> list[str | int]:
    """Write the same down, with the number that stands in each row."""
    interval, basis = segment.interval, segment.basis
    why = [basis.kind.value, str(basis.agreement), str(basis.hash)]
    return [segment.number, str(interval.start), str(interval.until), segment.owner, *why]


def _beside(path: Path) -> Path:
    return path.with_suffix(".json")
