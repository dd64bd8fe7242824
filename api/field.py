"""The types of parameters and fields: moments, durations, names, as the border reads and writes them."""

import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Final, TypeVar

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.errors import PROBLEMS
from fieldlab.assets.name import SLUG
from fieldlab.errors import InvalidInput, InvalidTime
from fieldlab.readings.calendar import time_zone
from fieldlab.readings.duration import format_duration, parse_duration, parse_step
from fieldlab.readings.instant import Instant

T = TypeVar("T")

_LOST_PLUS: Final = re.compile(r"(:\d{2}(?:\.\d+)?) (\d{2}:\d{2})", flags=re.ASCII)
"""A plus sign in a query means a space, so `…:00+01:00` that was not percent-encoded arrives like this."""


def _reading(parse: Callable[[str], T]) -> Callable[[Any], T]:
    def read(value: Any) -> T:  # noqa: ANN401 - whatever a caller sends
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "Write it as text in quotes")
        try:
            return parse(value)
        except InvalidInput as error:
            raise PydanticCustomError(PROBLEMS[type(error)].slug, "{reason}", {"reason": str(error)}) from None

    return read


def _moment(text: str) -> Instant:
    match = _LOST_PLUS.search(text)
    return Instant.parse(f"{text[: match.start()]}{match[1]}+{match[2]}" if match else text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidTime(f"{text[:40]!r} is not a day; write it like 2026-11-21.") from None


Moment = Annotated[
    Instant,
    PlainValidator(_reading(_moment)),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An RFC 3339 time with an offset."""

OpenMoment = Annotated[
    Instant,
    PlainValidator(lambda value: value),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "description": "RFC 3339 in UTC, or `infinity` and `-infinity` for an open end",
            "examples": ["2026-11-21T08:00:00.000000Z", "infinity"],
        }
    ),
]
"""A time in an answer, or an open end."""

Duration = Annotated[
    int,
    PlainValidator(_reading(parse_duration)),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string"}),
]
"""A duration, short or ISO 8601, as microseconds."""

StepText = Annotated[
    str,
    PlainValidator(_reading(lambda text: (parse_step(text), text)[1])),
    WithJsonSchema({"type": "string", "examples": ["1m", "PT15M", "1d", "1mo"]}),
]
"""The length of a bucket, as it was written; what a day is depends on the time zone."""

TimeZone = Annotated[
    str,
    PlainValidator(_reading(time_zone)),
    WithJsonSchema({"type": "string", "examples": ["Europe/Amsterdam"]}),
]
"""The name of a time zone (IANA)."""

Day = Annotated[
    date,
    BeforeValidator(_reading(_day)),
    WithJsonSchema({"type": "string", "format": "date"}),
]
"""A day, such as 2026-11-21."""

Words = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
"""A text that the database can hold."""

SlugText = Annotated[str, StringConstraints(pattern=f"^{SLUG}$")]
"""A slug: small letters, digits and hyphens."""
