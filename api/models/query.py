"""The query for measurements, as parameters of a GET and as the body of a POST."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Self
from urllib.parse import urlencode
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.answers.media import Medium
from api.cursor import Cursors
from api.field import Duration, Moment, SlugText, StepText, TimeZone, Words
from fieldlab.errors import InvalidCursor, InvalidInput
from fieldlab.ownership.decision import NOTHING_SAID, Ask
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.scope import ReadScope
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.calendar import Step
from fieldlab.readings.duration import parse_step
from fieldlab.readings.fill import Fill
from fieldlab.readings.instant import FOREVER, NEVER, Instant
from fieldlab.storage.selection import (
    Answer,
    Last,
    Layout,
    Position,
    Selection,
    StatusFilter,
    StreamsOf,
    StreamsOfTrial,
    Wanted,
)

FEWEST = 3
MOST_POINTS = 20_000
_LONGEST_ADDRESS = 2_000
_A_RANGE = frozenset({"from_", "until", "last"})
_A_STEP = frozenset({"step", "aggregate", "time_zone", "fill"})
_A_PAGE = frozenset({"limit", "cursor"})
_BESIDE_THE_QUESTION = frozenset({"limit", "cursor", "format"})


def split(value: Any) -> Any:  # noqa: ANN401 - whatever a caller sends
    """Take `mean,min` for two aggregates."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list):
        return parts
    return [word for part in parts for word in (part.split(",") if isinstance(part, str) else [part])]


def listed(value: Any) -> Any:  # noqa: ANN401 - whatever a caller sends
    """Take one text for a list of it."""
    return [value] if isinstance(value, str) else value


def each_once(values: list[Aggregate]) -> list[Aggregate]:
    """Leave out what was said before."""
    return list(dict.fromkeys(values))


class StreamsQuery(BaseModel):
    """Which streams: by id or reference, or all of an asset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stream: Annotated[
        list[Words],
        BeforeValidator(listed),
        Field(
            max_length=1000,
            description="Ids or references of streams, such as `mill-1.spindle_current`; repeat it for more.",
        ),
    ] = []
    asset: Annotated[
        SlugText | None, Field(description="All streams of this asset that you may see, instead of `stream`.")
    ] = None
    basis: Annotated[
        UUID | None,
        Field(description="The agreement under which to read what is not your own, where several fit."),
    ] = None
    purpose: Annotated[
        Words | None,
        Field(description="What for, where an agreement asks; the header `Data-Purpose` says the same."),
    ] = None
    format: Annotated[
        Words | None,
        Field(
            description="`json`, `ndjson`, `csv`, `arrow` or `parquet`; wins over Accept. `text/csv;header=comment` "
            "puts the segments above."
        ),
    ] = None

    @model_validator(mode="after")
    def _one_of_these(self) -> Self:
        if [bool(self.stream), self.asset is not None, self._of_trial() is not None].count(True) != 1:
            others = " or trial" if "trial" in type(self).model_fields else ""
            raise PydanticCustomError(
                "invalid-input", "Give either stream, once or more, or asset{others}.", {"others": others}
            )
        return self

    def _of_trial(self) -> str | None:
        return None

    def wanted(self) -> Wanted:
        """Give which streams are asked for."""
        trial = self._of_trial()
        if trial is not None:
            return StreamsOfTrial(trial=trial)
        return StreamsOf(asset=self.asset) if self.asset is not None else tuple(self.stream)

    def ask(self, stated: str | None, medium: Medium) -> Ask:
        """Give on what ground, for what and in which format is asked; `stated` is the purpose in the header.

        Raises InvalidInput where the two purposes differ.
        """
        if None not in {self.purpose, stated} and self.purpose != stated:
            raise InvalidInput("purpose and the header Data-Purpose differ; state one purpose.")
        return Ask(basis=self.basis, purpose=self.purpose or stated, format=medium.said)

    @cached_property
    def as_asked(self) -> str:
        """The query as the parameters of an address, without its format."""
        given = self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"format"})
        return urlencode({name: value for name, value in given.items() if value is not None}, doseq=True)

    def address(self, path: str, **changes: object) -> str:
        """Write the query as the address of a GET, with some of its parameters changed, without its format.

        A query too long for an address leaves the changes alone: they belong to the same body once more.
        """
        if not changes:
            whole = f"{path}?{self.as_asked}"
            return whole if len(whole) <= _LONGEST_ADDRESS else path
        given = self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"format"}) | changes
        whole = _written(path, given)
        return whole if len(whole) <= _LONGEST_ADDRESS else _written(path, changes)


def _written(path: str, parameters: Mapping[str, object]) -> str:
    kept = {name: value for name, value in parameters.items() if value is not None}
    return f"{path}?{urlencode(kept, doseq=True)}" if kept else path


class MeasurementsQuery(StreamsQuery):
    """Which streams over which time, raw, in buckets, as a chart or as of a time, and which page of that."""

    trial: Annotated[
        SlugText | None,
        Field(description="All you may see of this trial: its streams, while they were in it; instead of `stream`."),
    ] = None
    from_: Annotated[
        Moment | None, Field(alias="from", description="The first moment, with an offset; open without it.")
    ] = None
    until: Annotated[Moment | None, Field(description="The first moment after; open without it.")] = None
    last: Annotated[
        Duration | None,
        Field(description="The time before now, such as `15m`, instead of `from` and `until`; now is the database's."),
    ] = None
    step: Annotated[
        StepText | None,
        Field(
            description="Buckets of this length, such as `1m`, on the grid of the Unix epoch; or by the calendar: "
            "`1d`, `1w` (from Monday), `1mo`, `1y`, which needs a range with both ends. Raw without it."
        ),
    ] = None
    time_zone: Annotated[
        TimeZone | None,
        Field(description="Whose midnights bound the days, weeks and months of `step`; UTC without it."),
    ] = None
    aggregate: Annotated[
        list[Aggregate],
        BeforeValidator(split),
        AfterValidator(each_once),
        Field(description="With `step`: what to compute over each bucket, comma-separated; `mean` without it."),
    ] = []
    fill: Annotated[
        Fill,
        Field(
            description="With `step`: what stands for a bucket without samples: no row, `null`, the `previous` value "
            "or a `linear` one between its neighbours; never from another segment, and no further than now."
        ),
    ] = Fill.NONE
    points: Annotated[
        int | None,
        Field(
            ge=FEWEST,
            le=MOST_POINTS,
            description="For a chart: at most so many samples a stream, chosen so that the line keeps its look (LTTB).",
        ),
    ] = None
    as_of: Annotated[
        Moment | None,
        Field(description="Instead of a range: the value in force at this time, one row a stream."),
    ] = None
    status: Annotated[
        StatusFilter,
        Field(description="`good` leaves out samples of any other status; aggregates leave out bad ones always."),
    ] = StatusFilter.ALL
    layout: Annotated[
        Layout,
        Field(
            description="`long`: a value a row. `wide`: all streams on one time axis, a column a stream "
            "with the segment of each value beside it, and its owner in CSV, Arrow and Parquet."
        ),
    ] = Layout.LONG
    limit: Annotated[
        int | None, Field(ge=1, le=100_000, description="Rows a page, at most; without it the answer is whole.")
    ] = None
    cursor: Annotated[
        str | None, Field(max_length=2000, description="`next` of the page before, with the same other parameters.")
    ] = None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.last is not None and (self.from_ is not None or self.until is not None):
            raise PydanticCustomError("invalid-interval", "Give either last, or from and until.")
        self._refuse_beside("as_of", "it gives one value a stream", _A_RANGE | _A_STEP | _A_PAGE | {"points"})
        if self.layout is Layout.WIDE and (self.as_of is not None or self.points is not None):
            raise PydanticCustomError(
                "invalid-input",
                "layout=wide needs the times of all streams, as samples or with a step; leave it out here.",
            )
        self._refuse_beside("points", "it chooses samples itself and answers in one piece", _A_STEP | _A_PAGE)
        if self.aggregate and self.step is None:
            raise PydanticCustomError("invalid-input", "aggregate needs a step, such as step=1m.")
        if self.fill is not Fill.NONE and self.step is None:
            raise PydanticCustomError(
                "invalid-input", "fill needs a step, such as step=1m: samples have no holes to fill."
            )
        if self.fill is not Fill.NONE and self.from_ is None and self.last is None and self.trial is None:
            raise PydanticCustomError("invalid-interval", "fill needs to know where to begin; give from, or last.")
        if self.time_zone is not None and self.step is None:
            raise PydanticCustomError("invalid-input", "time_zone needs a step of the calendar, such as step=1d.")
        try:
            self.length()
        except InvalidInput as error:
            raise PydanticCustomError("invalid-input", "{reason}", {"reason": str(error)}) from None
        return self

    def _refuse_beside(self, name: str, why: str, others: frozenset[str]) -> None:
        if getattr(self, name) is None:
            return
        given = sorted(other.strip("_") for other in others & self.model_fields_set if getattr(self, other))
        if given:
            raise PydanticCustomError(
                "invalid-input",
                "{name} goes without {given}, because {why}; leave one of them out.",
                {"name": name, "given": " and ".join(given), "why": why},
            )

    def _of_trial(self) -> str | None:
        return self.trial

    def length(self) -> Step | None:
        """Give the length of the buckets; None for samples."""
        return None if self.step is None else parse_step(self.step, self.time_zone)

    def selection(
        self, scope: ReadScope, cursors: Cursors, ask: Ask = NOTHING_SAID, *, preview: UUID | None = None
    ) -> Selection:
        """Give the selection to read; raises InvalidCursor for a cursor of another query or participant."""
        interval: Interval | Last = (
            Last(duration=self.last)
            if self.last is not None
            else Interval(
                start=NEVER if self.from_ is None else self.from_, until=FOREVER if self.until is None else self.until
            )
        )
        after = None
        if self.cursor is not None:
            after, interval = _placed(cursors.open(scope, self._question(), self.cursor))
        return Selection(
            streams=self.wanted(),
            interval=interval,
            limit=self.limit,
            status=self.status,
            step=self.length(),
            aggregates=tuple(self.aggregate) or (Aggregate.MEAN,),
            after=after,
            ask=ask,
            preview=preview,
            points=self.points,
            as_of=self.as_of,
            fill=self.fill,
            layout=self.layout,
        )

    def next(self, scope: ReadScope, cursors: Cursors, answer: Answer) -> str | None:
        """Give the cursor of the page after an answer to this query."""
        if answer.next is None:
            return None
        bounds = (answer.interval.start, answer.interval.until)
        place: list[str | int] = [str(answer.next.stream or ""), int(answer.next.time), *map(int, bounds)]
        return cursors.seal(scope, self._question(), place)

    def _question(self) -> dict[str, object]:
        return self.model_dump(mode="json", by_alias=True, exclude=set(_BESIDE_THE_QUESTION))


def _placed(place: list[Any]) -> tuple[Position, Interval]:
    match place:
        case [str(stream), int(time), int(start), int(until)]:
            position = Position(stream=UUID(stream) if stream else None, time=Instant(time))
            return position, Interval(start=Instant(start), until=Instant(until))
    raise InvalidCursor("This cursor was made by another version; ask again without it to start over.")
