"""The terms of an agreement: what Fieldlab enforces, and what it only declares.

A term is enforced where the database keeps it whatever the reader does; it is declared where only people can keep it.
The label stands in the signed text itself (`fieldlab.ownership.document`), and an unknown term cannot be signed.
"""

import re
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final, NoReturn

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from fieldlab.assets.name import SLUG, split_reference
from fieldlab.errors import InvalidTerms
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.readings.aggregate import Aggregate

MOST_STREAMS: Final = 1000
MINIMUM_SAMPLES: Final = 5
"""How many samples a bucket needs where an agreement with a floor does not say."""

AGGREGATES: Final = (Aggregate.COUNT, Aggregate.MEAN)
"""What is given of a bucket where an agreement with a floor does not say."""

_MOST_SAMPLES: Final = 1_000_000
_SLUG: Final = re.compile(SLUG)
_PURPOSE: Final = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,200}")
_WORDS: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,500}")


class DataFormat(StrEnum):
    """In which formats an answer may be written; a format that comes later is in no agreement made before."""

    ARROW = "arrow"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"
    PARQUET = "parquet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Enforced:
    """What the database keeps: it gives nothing beyond these terms.

    `streams` are references such as `mill-1.spindle_current`; only what the owner's own tenures cover is meant, those
    of one `trial` if it is named. `data` bounds the time of measurement, `validity` the time of reading. A
    `resolution_floor` (microseconds) admits whole buckets of at least `minimum_samples` and the `aggregates` alone;
    without a floor there are samples, and these two are None. `embargo` (microseconds) holds the newest data back.
    """

    streams: tuple[str, ...]
    trial: str | None = None
    data: Interval = ALWAYS
    validity: Interval = ALWAYS
    resolution_floor: int | None = None
    minimum_samples: int | None = None
    embargo: int = 0
    aggregates: tuple[Aggregate, ...] | None = None
    formats: tuple[DataFormat, ...] = tuple(DataFormat)
    live: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """What the grantee promises and nobody can enforce. `licence` is an SPDX expression, such as `CC-BY-4.0`."""

    purposes: tuple[str, ...] = ()
    onward_sharing: bool = False
    attribution: str | None = None
    delete_by: date | None = None
    licence: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What an owner permits another participant. Use `settled` to make one that may be signed."""

    owner: str
    grantee: str
    enforced: Enforced
    declared: Declared = Declared()


def settled(terms: Terms) -> Terms:
    """Give the terms with defaults filled in, lists sorted and each entry once: alike terms have one text.

    Raises InvalidTerms for terms that contradict each other or could not be kept.
    """
    kept, said = terms.enforced, terms.declared
    _check_names(terms)
    _check_floor(kept)
    _check_words(said)
    floored = kept.resolution_floor is not None
    enforced = replace(
        kept,
        streams=tuple(sorted(set(kept.streams))),
        minimum_samples=(kept.minimum_samples or MINIMUM_SAMPLES) if floored else None,
        aggregates=tuple(sorted(set(kept.aggregates or AGGREGATES))) if floored else None,
        formats=tuple(sorted(set(kept.formats))),
    )
    declared = replace(said, purposes=tuple(sorted(set(said.purposes))), licence=_licence(said.licence))
    return replace(terms, enforced=enforced, declared=declared)


def _check_names(terms: Terms) -> None:
    kept = terms.enforced
    for where, slug in (("owner", terms.owner), ("grantee", terms.grantee), ("enforced.trial", kept.trial)):
        if slug is not None and not _SLUG.fullmatch(slug):
            refuse(where, f"{slug[:60]!r} is not a slug; write it like sme-a.")
    if terms.owner == terms.grantee:
        refuse("grantee", "a participant needs no agreement with itself.")
    if not 0 < len(kept.streams) <= MOST_STREAMS:
        refuse("enforced.streams", f"name 1 to {MOST_STREAMS} streams.")
    odd = next((reference for reference in kept.streams if split_reference(reference) is None), None)
    if odd is not None:
        refuse("enforced.streams", f"{odd[:60]!r} is not a reference; write it like mill-1.spindle_current.")


def _check_floor(kept: Enforced) -> None:
    if kept.embargo < 0:
        refuse("enforced.embargo", "an embargo is not negative.")
    if not kept.formats:
        refuse("enforced.formats", "an agreement without a format permits nothing; leave it out for all.")
    if kept.resolution_floor is None:
        if kept.aggregates is not None or kept.minimum_samples is not None:
            refuse("enforced", "aggregates and minimum_samples need a resolution_floor: without it samples are given.")
        return
    if kept.resolution_floor <= 0:
        refuse("enforced.resolution_floor", "a floor is longer than nothing, such as 60s.")
    if kept.aggregates is not None and not kept.aggregates:
        refuse("enforced.aggregates", "name at least one, or leave it out for mean and count.")
    if kept.minimum_samples is not None and not 0 < kept.minimum_samples <= _MOST_SAMPLES:
        refuse("enforced.minimum_samples", f"write a number from 1 to {_MOST_SAMPLES}.")


def _check_words(said: Declared) -> None:
    if not all(map(_PURPOSE.fullmatch, said.purposes)):
        refuse("declared.purposes", "a purpose is a term or IRI without spaces, of at most 200 characters.")
    if said.attribution is not None and not _WORDS.fullmatch(said.attribution):
        refuse("declared.attribution", "write one line of at most 500 characters.")


def _licence(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return refuse(
            "declared.licence",
            f"{text[:60]!r} is not an SPDX expression; write it like CC-BY-4.0, or LicenseRef-… for one of your own.",
        )


def refuse(where: str, reason: str) -> NoReturn:
    """Raise InvalidTerms, naming the term."""
    raise InvalidTerms(f"{where}: {reason}" if where else reason)
