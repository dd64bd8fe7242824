"""Data as it arrives: samples one after the other, also over a connection that breaks."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
from httpx_sse import EventSource, ServerSentEvent

from fieldlab_client.connection import Connection
from fieldlab_client.errors import NotWhole, RightEnded
from fieldlab_client.segment import Segment

_PASSING: Final = ("service.stopping", "service.unavailable")
_LONGEST_PAUSE: Final = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A sample that has just been stored; `late` says that it is older than one you have got of its stream."""

    time: str
    stream: str
    value: float | str | None
    unit: str
    status: int
    owner: str
    late: bool


class Live:
    """An endless iterator. It goes on where it was after the connection breaks, without loss or repetition.

    `following` is set once the lab has answered; `segments` has those told so far, by number; `missed` counts what the
    lab had to leave out because you were too slow. Raises RightEnded when the right ends. Leave the loop, or `close`,
    to end it.
    """

    def __init__(self, connection: Connection, question: Mapping[str, Any]) -> None:
        self._connection = connection
        self._question = question
        self._position: str | None = None
        self._streams: dict[str, tuple[str, str]] = {}
        self._closed = False
        self.following = threading.Event()
        self.segments: dict[int, Segment] = {}
        self.missed = 0

    def __iter__(self) -> Iterator[Sample]:
        """Give samples as they arrive."""
        pause = 0.0
        while not self._closed:
            try:
                for event in self._events():
                    pause = 0.0
                    self._position = event.id or self._position
                    yield from self._samples(event)
                    if self._closed:
                        return
            except (NotWhole, httpx.TransportError):
                pass
            time.sleep(pause)
            pause = min(max(2 * pause, 0.1), _LONGEST_PAUSE)

    def close(self) -> None:
        """End the loop at the next sign of life."""
        self._closed = True

    def _events(self) -> Iterator[ServerSentEvent]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._position is not None:
            headers["Last-Event-ID"] = self._position
        with self._connection.streamed(
            "GET", "/v1/live", parameters=self._question, headers=headers, patient=True
        ) as answer:
            yield from EventSource(answer).iter_sse()

    def _samples(self, event: ServerSentEvent) -> Iterator[Sample]:
        said = json.loads(event.data) if event.data else {}
        match event.event:
            case "segments":
                for stream in said["streams"]:
                    self._streams[stream["id"]] = (f"{stream['asset']}.{stream['name']}", stream["unit"])
                for segment in said["segments"]:
                    self._tell(segment)
                self.following.set()
            case "segment":
                self._tell(said)
            case "samples":
                yield from (self._sample(row) for row in said["rows"])
            case "missed":
                self.missed += said["samples"] or 0
            case "end" if said["reason"] not in _PASSING:
                raise RightEnded(said["detail"], reason=said["reason"])

    def _tell(self, segment: Mapping[str, Any]) -> None:
        references = {id_: reference for id_, (reference, _) in self._streams.items()}
        self.segments[segment["segment"]] = Segment.read(segment, references)

    def _sample(self, row: list[Any]) -> Sample:
        moment, stream, value, status, segment, late = row
        reference, unit = self._streams[stream]
        return Sample(
            time=moment,
            stream=reference,
            value=value,
            unit=unit,
            status=status,
            owner=self.segments[segment].owner,
            late=late,
        )
