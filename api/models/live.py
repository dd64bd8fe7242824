"""The question of whoever follows data as it arrives."""

from typing import Annotated, Literal

from pydantic import Field

from api.live.following import Request
from api.models.query import StreamsQuery
from fieldlab.errors import InvalidInput
from fieldlab.ownership.decision import Ask
from fieldlab.ownership.terms import DataFormat
from fieldlab.readings.instant import Instant


class FollowQuery(StreamsQuery):
    """Which streams to follow, and from where on; a position is good on every wire."""

    last_event_id: Annotated[
        str | None,
        Field(max_length=4000, description="The id of the last event, for those who cannot send `Last-Event-ID`."),
    ] = None

    def request(self, stated: str | None, position: str | None) -> Request:
        """Give what is asked; `stated` is the purpose in the header, `position` the id of the last event there.

        Raises InvalidInput where header and parameter differ.
        """
        if None not in {self.purpose, stated} and self.purpose != stated:
            raise InvalidInput("purpose and the header Data-Purpose differ; state one purpose.")
        return Request(
            streams=self.wanted(),
            ask=Ask(basis=self.basis, purpose=self.purpose or stated, format=DataFormat.JSON, live=True),
            question={
                "route": "live",
                **self.model_dump(mode="json", exclude={"last_event_id", "format"}),
                "said": stated,
            },
            position=position or self.last_event_id,
            fetch=self._fetch,
        )

    def _fetch(self, start: Instant, until: Instant) -> str:
        bounds = {"from": start, "until": until}
        return self.address("/v1/measurements", last_event_id=None, **bounds)


class LiveQuery(FollowQuery):
    """The question over server-sent events."""

    format: Annotated[
        Literal["text/event-stream"] | None, Field(description="Only `text/event-stream`; it need not be said.")
    ] = None
