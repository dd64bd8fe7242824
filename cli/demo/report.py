"""What a demo run came to, asked of the query service as each participant."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from cli.demo.scene import MILL, ROBOT, Scene
from fieldlab.readings.instant import Instant

_PATIENCE: Final = 10.0
_MOST_ROWS: Final = "100000"


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What the gateway says of this run, in samples."""

    stored: int = 0
    rejected: int = 0
    waiting: int = 0
    stored_by_source: Mapping[str, int] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """The whole of a run."""

    engine: str
    counts: Counts
    streams: int
    segments: Mapping[str, list[dict[str, object]]]

    def as_json(self) -> dict[str, object]:
        """Give it as the demo's JSON object."""
        return {
            "engine": self.engine,
            "stored": self.counts.stored,
            "rejected": self.counts.rejected,
            "waiting": self.counts.waiting,
            "stored_by_source": dict(self.counts.stored_by_source or {}),
            "streams": self.streams,
            "segments_by_participant": self.segments,
        }


async def fetch(url: str, token: str | None = None) -> dict[str, Any]:
    """Get a JSON object over HTTP; an empty one for what is missing or hidden."""

    def got() -> dict[str, Any]:
        request = Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310 - our own
        try:
            with urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 - loopback
                return dict(json.load(answer))
        except HTTPError as error:
            with error:
                return {} if error.code == 404 else dict(json.load(error))  # noqa: PLR2004 - not found

    return await asyncio.to_thread(got)


async def segments(api: str, scene: Scene, until: Instant) -> dict[str, list[dict[str, object]]]:
    """Ask as each participant what it sees of either machine since sme-a got the mill or the filling began.

    Streams of a machine stand together.
    """
    start = min(scene.since, scene.with_sme_a.start)
    seen: dict[str, list[dict[str, object]]] = {}
    for name, token in scene.tokens.items():
        seen[name] = []
        for asset in (MILL, ROBOT):
            asked = {"asset": asset, "from": str(start), "until": str(until), "step": "1m", "aggregate": "count"}
            asked["limit"] = _MOST_ROWS
            answer = await fetch(f"{api}/v1/measurements?{urlencode(asked)}", token)
            seen[name].extend(_together(asset, answer))
    return seen


def _together(asset: str, answer: dict[str, Any]) -> list[dict[str, object]]:
    counted: dict[int, int] = {}
    if answer:
        count, number = answer["columns"].index("count"), answer["columns"].index("segment")
        for row in answer["rows"]:
            counted[row[number]] = counted.get(row[number], 0) + row[count]
    stretches: dict[tuple[str, str], dict[str, Any]] = {}
    for segment in answer.get("segments", ()):
        stretch = stretches.setdefault(
            (segment["from"], segment["until"]),
            {
                "asset": asset,
                "from": segment["from"],
                "until": segment["until"],
                "owner": segment["owner"],
                "trial": segment["trial"],
                "streams": 0,
                "samples": 0,
            },
        )
        stretch["streams"] += 1
        stretch["samples"] += counted.get(segment["segment"], 0)
    return list(stretches.values())
