"""Which format an answer takes: `format` in the query, or else the Accept header (RFC 9110, 12.5.1)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from starlette.exceptions import HTTPException

from fieldlab.ownership.terms import DataFormat


class Format(StrEnum):
    """What is offered, by media type."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"
    CSV = "text/csv"
    ARROW = "application/vnd.apache.arrow.stream"
    PARQUET = "application/vnd.apache.parquet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Medium:
    """A format, and whether CSV gets the segments above as comments."""

    format: Format
    comments: bool = False

    @property
    def content_type(self) -> str:
        """Give the value of Content-Type."""
        if self.format is Format.CSV:
            return f"{Format.CSV.value}; charset=utf-8; header={'comment' if self.comments else 'present'}"
        return self.format.value

    @property
    def said(self) -> DataFormat:
        """Give the format as agreements name it."""
        return _SAID[self.format]


_SAID: Final = {
    Format.JSON: DataFormat.JSON,
    Format.NDJSON: DataFormat.NDJSON,
    Format.CSV: DataFormat.CSV,
    Format.ARROW: DataFormat.ARROW,
    Format.PARQUET: DataFormat.PARQUET,
}
_SHORT: Final = {said.value: format_ for format_, said in _SAID.items()}
_OFFERED: Final = ", ".join((*_SHORT, *Format))


def choose(asked: str | None, accept: str | None) -> Medium:
    """Choose by `format`, or by Accept with its weights; JSON where nothing is preferred.

    Raises the HTTP error 406 if nothing that is asked for is offered.
    """
    if asked is not None:
        chosen = _medium(asked)
        if chosen is None:
            raise HTTPException(406, f"The format {asked[:60]!r} is not offered; these are: {_OFFERED}.")
        return chosen
    if accept is None or not accept.strip():
        return Medium(format=Format.JSON)
    ranges = [_weighed(range_) for range_ in accept.split(",")]
    for weight, media_type in sorted(ranges, key=lambda range_: -range_[0]):
        chosen = _medium(media_type)
        if weight > 0 and chosen is not None:
            return chosen
    raise HTTPException(406, f"Nothing in Accept is offered; these are: {', '.join(Format)}.")


def _weighed(range_: str) -> tuple[float, str]:
    media_type, *parameters = (part.strip() for part in range_.split(";"))
    weight = 1.0
    kept = [media_type]
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            weight = _number(value)
        else:
            kept.append(parameter)
    return weight, ";".join(kept)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _medium(text: str) -> Medium | None:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    match name:
        case "*/*" | "application/*":
            return Medium(format=Format.JSON)
        case "text/*":
            return Medium(format=Format.CSV)
        case _ if name in _SHORT or name in set(Format):
            format_ = _SHORT.get(name) or Format(name)
            return Medium(format=format_, comments=format_ is Format.CSV and "header=comment" in parameters)
        case _:
            return None
