"""The text of an agreement that is signed: terms as JSON, canonical by RFC 8785, and back again."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from hashlib import sha256
from typing import Any, NoReturn, TypeVar

import rfc8785

from fieldlab.errors import InvalidInput, InvalidTerms
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.terms import DataFormat, Declared, Enforced, Terms, refuse, settled
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.duration import format_duration, parse_duration
from fieldlab.readings.instant import FOREVER, NEVER, Instant

_Kind = TypeVar("_Kind", bound=StrEnum)


def canonical(terms: Terms) -> str:
    """Give the text that is signed: JSON as RFC 8785 writes it."""
    return rfc8785.dumps(written(terms)).decode()


def digest(terms: Terms) -> str:
    """Give the SHA-256 of the text that is signed, in hexadecimal."""
    return sha256(canonical(terms).encode()).hexdigest()


def written(terms: Terms) -> dict[str, Any]:
    """Give the terms as a JSON object; every term is there, also where it is null."""
    kept, said = terms.enforced, terms.declared
    return {
        "owner": terms.owner,
        "grantee": terms.grantee,
        "enforced": {
            "streams": [*kept.streams],
            "trial": kept.trial,
            "data": _range(kept.data),
            "validity": _range(kept.validity),
            "resolution_floor": _duration(kept.resolution_floor),
            "minimum_samples": kept.minimum_samples,
            "embargo": _duration(kept.embargo),
            "aggregates": None if kept.aggregates is None else [*kept.aggregates],
            "formats": [*kept.formats],
            "live": kept.live,
        },
        "declared": {
            "purposes": [*said.purposes],
            "onward_sharing": said.onward_sharing,
            "attribution": said.attribution,
            "delete_by": None if said.delete_by is None else said.delete_by.isoformat(),
            "licence": said.licence,
        },
    }


def read(text: str) -> Terms:
    """Read terms from JSON; raises InvalidTerms for a repeated key, an unknown term, or one that cannot be."""
    try:
        document = json.loads(text, object_pairs_hook=_each_key_once, parse_constant=_refuse_constant)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidTerms(f"The terms are not JSON: {error}.") from None
    return read_object(document)


def read_object(document: object) -> Terms:
    """Read terms from a JSON object as `written` gives it; a term left out has its default.

    Raises InvalidTerms for an unknown term or one that cannot be.
    """
    whole = _object(document, "", {"owner", "grantee", "enforced", "declared"})
    kept = _object(whole.get("enforced"), "enforced", _names(Enforced))
    said = _object(whole.get("declared", {}), "declared", _names(Declared))
    return settled(
        Terms(
            owner=_text(whole.get("owner"), "owner"),
            grantee=_text(whole.get("grantee"), "grantee"),
            enforced=Enforced(
                streams=_texts(kept.get("streams"), "enforced.streams"),
                trial=_optional(kept.get("trial"), "enforced.trial"),
                data=_interval(kept.get("data"), "enforced.data"),
                validity=_interval(kept.get("validity"), "enforced.validity"),
                resolution_floor=_micros(kept.get("resolution_floor"), "enforced.resolution_floor"),
                minimum_samples=_count(kept.get("minimum_samples"), "enforced.minimum_samples"),
                embargo=_micros(kept.get("embargo"), "enforced.embargo") or 0,
                aggregates=None
                if kept.get("aggregates") is None
                else tuple(
                    _member(Aggregate, name, "enforced.aggregates")
                    for name in _texts(kept["aggregates"], "enforced.aggregates")
                ),
                formats=tuple(DataFormat)
                if kept.get("formats") is None
                else tuple(
                    _member(DataFormat, name, "enforced.formats")
                    for name in _texts(kept["formats"], "enforced.formats")
                ),
                live=_yes_or_no(kept.get("live", False), "enforced.live"),
            ),
            declared=Declared(
                purposes=_texts(said.get("purposes", []), "declared.purposes"),
                onward_sharing=_yes_or_no(said.get("onward_sharing", False), "declared.onward_sharing"),
                attribution=_optional(said.get("attribution"), "declared.attribution"),
                delete_by=_day(said.get("delete_by"), "declared.delete_by"),
                licence=_optional(said.get("licence"), "declared.licence"),
            ),
        )
    )


def _each_key_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidTerms(f"The key {twice[:60]!r} stands there twice; nobody could tell which one is meant.")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidTerms(f"{name} is not JSON.")


def _names(kind: type[Enforced] | type[Declared]) -> set[str]:
    return set(kind.__dataclass_fields__)


def _object(value: object, where: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        refuse(where, "write an object in braces.")
    unknown = sorted(set(value) - known)
    if unknown:
        offered = ", ".join(sorted(known))
        refuse(".".join(filter(None, (where, str(unknown[0])[:60]))), f"there is no such term; these are: {offered}.")
    return value


def _text(value: object, where: str) -> str:
    return value if isinstance(value, str) else refuse(where, "write it as text in quotes.")


def _optional(value: object, where: str) -> str | None:
    return None if value is None else _text(value, where)


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        refuse(where, "write a list of texts.")
    return tuple(_text(one, where) for one in value)


def _yes_or_no(value: object, where: str) -> bool:
    return value if isinstance(value, bool) else refuse(where, "write true or false.")


def _count(value: object, where: str) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        refuse(where, "write a whole number.")
    return value


def _member(kind: type[_Kind], name: str, where: str) -> _Kind:
    try:
        return kind(name)
    except ValueError:
        refuse(where, f"{name[:60]!r} is not offered; these are: {', '.join(kind)}.")


def _micros(value: object, where: str) -> int | None:
    if value is None:
        return None
    try:
        return parse_duration(_text(value, where))
    except InvalidTerms:
        raise
    except InvalidInput as error:
        refuse(where, str(error))


def _day(value: object, where: str) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(_text(value, where))
    except ValueError:
        refuse(where, "write a day like 2027-01-31.")


def _interval(value: object, where: str) -> Interval:
    bounds = {} if value is None else _object(value, where, {"from", "until"})
    try:
        return Interval(start=_moment(bounds.get("from"), NEVER), until=_moment(bounds.get("until"), FOREVER))
    except InvalidInput as error:
        refuse(where, str(error))


def _moment(value: object, open_end: Instant) -> Instant:
    if value is None or value == str(open_end):
        return open_end
    return Instant.parse(value) if isinstance(value, str) else refuse("", "write a time as text in quotes.")


def _range(interval: Interval) -> dict[str, str]:
    return {"from": str(interval.start), "until": str(interval.until)}


def _duration(micros: int | None) -> str | None:
    return format_duration(micros) if micros else None
