"""A stretch of one stream with one owner and one basis; every row belongs to one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A known hole, and what made it."""

    start: str
    until: str
    cause: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """Whose some rows are, why you may see them, and on what terms.

    `stream` is its reference; `start` and `until` are RFC 3339 in UTC, or `-infinity` and `infinity`. `agreement` is
    the id of the agreement, None for your own. `shape` is what was done to the data: floor, aggregates, embargo.
    `origins` is empty where the answer was too long for the lab to know them when it began.
    """

    number: int
    stream: str
    start: str
    until: str
    owner: str
    trial: str | None
    agreement: str | None
    licence: str | None
    shape: Mapping[str, Any]
    origins: tuple[str, ...]
    gaps: tuple[Gap, ...]

    @classmethod
    def read(cls, document: Mapping[str, Any], streams: Mapping[str, str]) -> Self:
        """Read one of an answer; `streams` gives references by id."""
        return cls(
            number=document["segment"],
            stream=streams.get(document["stream"], document["stream"]),
            start=document["from"],
            until=document["until"],
            owner=document["owner"],
            trial=document["trial"],
            agreement=document["basis"].get("agreement"),
            licence=document["licence"],
            shape=document["shape"],
            origins=tuple(document["origins"] or ()),
            gaps=tuple(Gap(start=gap["from"], until=gap["until"], cause=gap["cause"]) for gap in document["gaps"]),
        )
