"""Positions: where a listener goes on after a break, marked with the lab's key like every cursor."""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from api.cursor import Cursors, Question
from fieldlab.assets.asset import Stream
from fieldlab.errors import InvalidCursor
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.instant import Instant
from fieldlab.storage.live import Moment, Place


class Positions:
    """Writes and reads the positions of one participant in the answer to one question."""

    def __init__(self, cursors: Cursors, scope: ReadScope, question: Question, streams: Sequence[Stream]) -> None:
        self._cursors = cursors
        self._scope = scope
        self._question = question
        self._ids: Mapping[int, UUID] = {stream.key: stream.id for stream in streams}
        self._keys = {id_: key for key, id_ in self._ids.items()}

    def write(self, place: Place) -> str:
        """Write a place, which lies between two steps or behind a row of one of the question's streams."""
        parts = _written(place.since)
        if place.until is not None:
            parts += [
                *_written(place.until),
                str(self._ids[place.stream]) if place.stream in self._ids else "",
                place.time,
            ]
        return self._cursors.seal(self._scope, self._question, parts)

    def read(self, position: str) -> Place:
        """Read a place; raises InvalidCursor for one that was edited, or is of another participant or question."""
        match self._cursors.open(self._scope, self._question, position):
            case [str(since), int(at)]:
                return Place(since=_moment(since, at))
            case [str(since), int(at), str(until), int(then), str(stream), int(time)] if stream:
                key = self._keys.get(UUID(stream), -1)
                return Place(since=_moment(since, at), until=_moment(until, then), stream=key, time=Instant(time))
        raise InvalidCursor("This position was made by another version; follow again without it.")


def _written(moment: Moment) -> list[Any]:
    return [b64encode(moment.sealed).decode(), int(moment.at)]


def _moment(sealed: str, at: int) -> Moment:
    return Moment(sealed=b64decode(sealed), at=Instant(at))
