"""A field lab as declared in `lab.yaml`: who is there, which machines, what they measure, by which wire, for whom."""

from datetime import timedelta
from typing import Annotated, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    model_validator,
)

from fieldlab.assets.asset import Kind, Nature
from fieldlab.assets.name import Slug, StreamName, split_reference
from fieldlab.assets.participant import Role
from fieldlab.assets.source import Wire
from fieldlab.assets.topic import checked_filter
from fieldlab.errors import InvalidInput
from fieldlab.readings.instant import FOREVER, MINUTE, NEVER, Instant

ASSET: Final = "{asset}"
STREAM: Final = "{stream}"
"""What an asset's template of addresses has its names put in for."""

_ENDS: Final = {str(end): end for end in (NEVER, FOREVER)}


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("A text has no NUL character and no half of a surrogate pair")
    return text


def _storable_in(options: dict[str, JsonValue]) -> dict[str, JsonValue]:
    waiting: list[JsonValue] = [options]
    while waiting:
        match waiting.pop():
            case dict() as inner:
                waiting += [*inner.keys(), *inner.values()]
            case list() as inner:
                waiting += inner
            case str() as text:
                _storable(text)
            case float() as number if number - number != 0:
                raise ValueError("An option is no infinity and not NaN")
    return options


def _unit(given: object) -> object:
    return "1" if given == 1 and not isinstance(given, bool) else given


def _minute(given: object) -> object:
    if not isinstance(given, str):
        return given
    if given in _ENDS:
        return _ENDS[given]
    try:
        moment = Instant.parse(given)
    except InvalidInput as error:
        raise ValueError(str(error).rstrip(".")) from None
    if moment % MINUTE:
        raise ValueError("Ownership changes on whole minutes only; write no seconds but 00")
    return moment


Words = Annotated[str, AfterValidator(_storable)]
Name = Annotated[str, AfterValidator(_storable), Field(min_length=1)]
TopicFilter = Annotated[str, AfterValidator(_storable), AfterValidator(checked_filter)]
Limit = Annotated[float, Field(allow_inf_nan=False)]
Minute = Annotated[
    Instant,
    BeforeValidator(_minute, json_schema_input_type=str),
    PlainSerializer(str),
    Field(json_schema_extra={"format": "date-time"}, description="RFC 3339, with an offset, on a whole minute"),
]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class DeclaredParticipant(_Declared):
    """An organisation."""

    name: Annotated[Name, Field(description="As people know it")]
    role: Annotated[Role, Field(description="What it is in the lab; grants nothing by itself")] = Role.SME


class DeclaredLimits(_Declared):
    """What the sensor can show, in the stream's unit. Nothing beyond is refused."""

    low: Limit | None = None
    high: Limit | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low is above high")
        return self


class DeclaredStream(_Declared):
    """One measured quantity; `address` is where the asset's source finds it, if it is bound."""

    unit: Annotated[Name, BeforeValidator(_unit), Field(description="UCUM code; 1 where there is none")] = "1"
    quantity: Annotated[Words, Field(description="What is measured, in words")] = ""
    kind: Annotated[Kind, Field(description="What its values are")] = Kind.NUMBER
    description: Words = ""
    semantic_id: Annotated[Words | None, Field(description="An IRI that says what is measured")] = None
    limits: DeclaredLimits = DeclaredLimits()
    lateness: Annotated[
        timedelta | None, Field(gt=timedelta(0), description="How late a sample may arrive, as PT1H; ISO 8601")
    ] = None
    address: Annotated[Name | None, Field(description="Where the asset's source finds it")] = None

    def over(self, other: "DeclaredStream") -> "DeclaredStream":
        """Give the other stream with what is written in this one put in its place."""
        written = {name: getattr(self, name) for name in self.model_fields_set}
        if "limits" in written:
            bounds = {name: getattr(self.limits, name) for name in self.limits.model_fields_set}
            written["limits"] = other.limits.model_copy(update=bounds)
        return other.model_copy(update=written)


class DeclaredType(_Declared):
    """What machines of one type measure, whoever owns them; `conditions` says what a simulated one can suffer from."""

    title: Words = ""
    streams: dict[StreamName, DeclaredStream] = {}
    conditions: dict[str, Words] = {}


class DeclaredAsset(_Declared):
    """A machine or device: its home owner, its streams, and the source that carries them."""

    name: Annotated[Name, Field(description="As people know it")]
    home_owner: Annotated[Slug, Field(description="The participant who owns what nobody has booked")]
    nature: Annotated[
        Nature, Field(description="Whether it stands on the floor or in a computer, or is a recording")
    ] = Nature.REAL
    place: Annotated[Words, Field(description="Where it stands, in words")] = ""
    description: Words = ""
    type: Annotated[Slug | None, Field(description="The asset type that brings its streams")] = None
    leave_out: Annotated[tuple[StreamName, ...], Field(description="Streams of its type that it lacks")] = ()
    source: Annotated[Slug | None, Field(description="The source that carries its streams")] = None
    address: Annotated[
        Name | None, Field(description="Where to find each stream that has no address: {asset} and {stream} are put in")
    ] = None
    topics: Annotated[
        tuple[TopicFilter, ...], Field(description="MQTT topics, besides those bound, that its devices may publish on")
    ] = ()
    streams: dict[StreamName, DeclaredStream] = {}


class DeclaredSource(_Declared):
    """One MQTT broker or one OPC UA server. Secrets come from the environment, never from this file."""

    wire: Wire
    url: Annotated[Name, Field(description="mqtt://host:port, mqtts://host:port or opc.tcp://host:port")]
    options: Annotated[dict[str, JsonValue], AfterValidator(_storable_in)] = {}


class DeclaredBooking(_Declared):
    """Assets, or single streams, for a time, `[from, until)`."""

    assets: Annotated[tuple[Slug, ...], Field(description="With all their streams")] = ()
    streams: Annotated[tuple[str, ...], Field(description="Single streams, as asset.stream")] = ()
    start: Annotated[Minute, Field(alias="from")]
    until: Minute

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.assets and not self.streams:
            raise ValueError("a booking names assets or streams")
        if self.start >= self.until:
            raise ValueError("from must be before until")
        return self


class DeclaredTrial(_Declared):
    """A named use case of one participant: some assets, or streams of them, for a time, or several such bookings."""

    participant: Annotated[Slug, Field(description="Who owns what the assets produce in that time")]
    assets: Annotated[tuple[Slug, ...], Field(description="With all their streams")] = ()
    streams: Annotated[tuple[str, ...], Field(description="Single streams, as asset.stream")] = ()
    start: Annotated[Minute | None, Field(alias="from")] = None
    until: Minute | None = None
    bookings: Annotated[tuple[DeclaredBooking, ...], Field(description="Where one time is not enough")] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = (bool(self.assets or self.streams), self.start is not None, self.until is not None)
        if any(given) and not all(given):
            raise ValueError("assets or streams, from and until go together")
        if self.start is not None and self.until is not None and self.start >= self.until:
            raise ValueError("from must be before until")
        return self

    def booked(self) -> tuple[tuple[str, str, Instant, Instant], ...]:
        """List asset, stream (empty for all of the asset), start and end of each booking."""
        if self.start is None or self.until is None:
            times = self.bookings
        else:
            whole = DeclaredBooking.model_construct(
                assets=self.assets, streams=self.streams, start=self.start, until=self.until
            )
            times = (whole, *self.bookings)
        return tuple(
            (*(split_reference(name) or (name, "")), one.start, one.until)
            for one in times
            for name in (*one.assets, *one.streams)
        )


class Lab(_Declared):
    """The whole declaration; every name that one part uses is declared in another."""

    participants: dict[Slug, DeclaredParticipant] = {}
    types: Annotated[
        dict[Slug, DeclaredType], Field(description="Asset types of your own, besides those that come with Fieldlab")
    ] = {}
    sources: dict[Slug, DeclaredSource] = {}
    assets: dict[Slug, DeclaredAsset] = {}
    bindings: Annotated[
        dict[Slug, dict[Name, str]],
        Field(description="By source and address the stream it feeds, as asset.stream; where an asset's own do not do"),
    ] = {}
    trials: dict[Slug, DeclaredTrial] = {}
