"""How the messages of an MQTT source are to be read: the options under `payload`, one model a format."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal

from jsonpath import JSONPathError
from jsonpath import compile as compile_path
from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_HOST_ID: Final = re.compile(r"[^+/#\0]{1,128}")


def _path(text: str) -> str:
    """Check a JSONPath (RFC 9535), from the document (`$`) or from one sample (`@`)."""
    if not text.startswith(("$", "@")):
        raise ValueError(
            f"{text!r} is no JSONPath; begin with $ for the document or @ for one sample, like $.motor.rpm"
        )
    try:
        compile_path(f"${text[1:]}")
    except JSONPathError as error:
        raise ValueError(f"{text!r} is no JSONPath: {str(error).splitlines()[0]}") from None
    return text


def _name(text: str) -> str:
    """Check the name of a mapped value: text, with a JSONPath in braces where a part stands in the message."""
    for place in _PLACE.findall(text):
        _path(place)
    if "{" in (rest := _PLACE.sub("", text)) or "}" in rest or "\0" in rest:
        raise ValueError(f"{text!r} is no name; write the path of a part in braces, like {{@.sensor}}")
    return text


def _host_id(text: str) -> str:
    if not _HOST_ID.fullmatch(text):
        raise ValueError("A host id has 1 to 128 characters and none of + / #")
    return text


Path = Annotated[str, AfterValidator(_path)]
Name = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_name)]


class TimeUnit(StrEnum):
    """What a time that is a number counts, from the Unix epoch."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"


class _Payload(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class JsonPayload(_Payload):
    """A JSON object or array in each message, of which every number, boolean and text is taken."""

    format: Literal["json"] = "json"
    time: Annotated[str, Field(min_length=1)] | None = "time"
    time_unit: TimeUnit | None = None


class ScalarPayload(_Payload):
    """One number, boolean or text in each message, as ESP32 boards and many meters send it."""

    format: Literal["scalar"]
    numbers_only: bool = False


class JsonPathPayload(_Payload):
    """A JSON document in each message, of which the named values are taken, one or several samples of each."""

    format: Literal["json_path"]
    values: Annotated[dict[Name, Path], Field(min_length=1)]
    each: Path | None = None
    time: Path | None = None
    time_unit: TimeUnit | None = None


class InfluxPayload(_Payload):
    """Lines of the InfluxDB line protocol, as Telegraf sends them."""

    format: Literal["influx"]
    time_unit: TimeUnit = TimeUnit.NANOSECONDS


class SenmlPayload(_Payload):
    """A SenML pack (RFC 8428), JSON or CBOR; the first byte tells which."""

    format: Literal["senml"]


class SparkplugPayload(_Payload):
    """Sparkplug B (specification 3.0); the source is a host application then, and `topics` choose the groups."""

    format: Literal["sparkplug"]
    host_id: Annotated[str, AfterValidator(_host_id)] | None = None
    reorder_timeout: Annotated[float, Field(ge=0, le=60)] = 2.0


class UnknownPayload(BaseModel):
    """A format that is not known: nothing ever validates as one, and the error lists those that are."""

    model_config = ConfigDict(frozen=True)

    format: Literal["json", "scalar", "json_path", "influx", "senml", "sparkplug"]


def _variant(given: object) -> str:
    name = given.get("format", "json") if isinstance(given, Mapping) else getattr(given, "format", "json")
    return f"({name})" if name in _FORMATS else "(unknown)"


_FORMATS: Final = ("json", "scalar", "json_path", "influx", "senml", "sparkplug")

Payload = Annotated[
    Annotated[JsonPayload, Tag("(json)")]
    | Annotated[ScalarPayload, Tag("(scalar)")]
    | Annotated[JsonPathPayload, Tag("(json_path)")]
    | Annotated[InfluxPayload, Tag("(influx)")]
    | Annotated[SenmlPayload, Tag("(senml)")]
    | Annotated[SparkplugPayload, Tag("(sparkplug)")]
    | Annotated[UnknownPayload, Tag("(unknown)")],
    Discriminator(_variant),
]
"""The formats; a tag in parentheses tells them apart in errors without being mistaken for a key."""
