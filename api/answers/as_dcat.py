"""The catalogue as DCAT-AP 3 in JSON-LD: an asset is a series, a stream a data set, what may be had a distribution.

The context stands in the document itself: whoever reads it fetches nothing. Names are relative to the address of the
service, which the context gives as `@base`. Words are those of https://semiceu.github.io/DCAT-AP/releases/3.0.1/; what
it has no word for is said with schema.org's, and the page with Hydra's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from fieldlab.assets.participant import Participant
from fieldlab.ownership.entry import Coverage, Entry
from fieldlab.ownership.interval import Interval
from fieldlab.readings.duration import format_seconds

MEDIA_TYPE: Final = "application/ld+json"
PATH: Final = "v1/catalogue.jsonld"

CONTEXT: Final = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "hydra": "http://www.w3.org/ns/hydra/core#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "http://schema.org/",
    "spdx": "http://spdx.org/licenses/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_EU: Final = "http://publications.europa.eu/resource/authority/"
_SERVICE: Final = "v1/"

_Node = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a page of the catalogue stands: the address of the service, that of the page, and of the next one."""

    base: str
    page: str
    next: str | None


def catalogue(entries: Sequence[Entry], publisher: Participant | None, place: Place) -> _Node:
    """Write a page of the catalogue; `publisher` is the operator of the lab. All pages are of one catalogue."""
    agent = _agent(publisher)
    view: _Node = {"@id": place.page, "@type": "hydra:PartialCollectionView"}
    if place.next is not None:
        view["hydra:next"] = _id(place.next)
    return {
        "@context": {"@base": place.base, **CONTEXT},
        "@id": PATH,
        "@type": ["dcat:Catalog", "hydra:Collection"],
        "dct:title": _english("What the machines of a field lab measured"),
        "dct:description": _english("Streams of measurements, as far as whoever asks may have something of them."),
        "dct:language": _id(f"{_EU}language/ENG"),
        "dct:publisher": agent,
        "hydra:view": view,
        "dcat:service": {
            "@id": _SERVICE,
            "@type": "dcat:DataService",
            "dct:title": _english("Fieldlab query service"),
            "dct:publisher": _id(agent["@id"]),
            "dcat:endpointURL": _id(_SERVICE),
            "dcat:endpointDescription": _id("v1/openapi.json"),
            "dcat:servesDataset": [_id(_name(entry)) for entry in entries],
        },
        "dcat:dataset": [*_series(entries), *(_data_set(entry, agent["@id"]) for entry in entries)],
    }


def _agent(publisher: Participant | None) -> _Node:
    slug, name = ("", "Field lab") if publisher is None else (publisher.slug, publisher.name)
    return {"@id": _participant(slug), "@type": "foaf:Agent", "foaf:name": name}


def _series(entries: Sequence[Entry]) -> Iterator[_Node]:
    for slug, entry in {entry.stream.asset: entry for entry in entries}.items():
        yield {
            "@id": _asset(slug),
            "@type": "dcat:DatasetSeries",
            "dct:title": entry.asset_name,
            "dct:description": entry.about or f"What is measured on {entry.asset_name}.",
        }


def _data_set(entry: Entry, publisher: str) -> _Node:
    stream = entry.stream
    owners = sorted({coverage.owner for coverage in entry.coverage})
    what = stream.quantity or stream.name.replace("_", " ")
    written: _Node = {
        "@id": _name(entry),
        "@type": "dcat:Dataset",
        "dct:title": f"{entry.asset_name}: {stream.name.replace('_', ' ')}",
        "dct:description": stream.description or f"{what}, measured on {entry.asset_name}.",
        "dct:identifier": [str(stream.id), stream.reference],
        "dct:publisher": _id(publisher),
        "dct:creator": [{"@id": _participant(slug), "@type": "foaf:Agent", "foaf:name": slug} for slug in owners],
        "dct:accessRights": _id(f"{_EU}access-right/RESTRICTED"),
        "dcat:inSeries": _id(_asset(stream.asset)),
        "dcat:keyword": [word for word in (stream.asset, stream.name, stream.quantity) if word],
        "dcat:landingPage": _id(_name(entry)),
        "dcat:distribution": [*_distributions(entry)],
        "dct:temporal": [*_periods(entry)],
        "schema:variableMeasured": {
            "@type": "schema:PropertyValue",
            "schema:name": what,
            "schema:unitText": stream.unit,
            "schema:description": f"{stream.nature.value} {stream.kind.value}",
        },
    }
    if stream.semantic_id is not None:
        written["schema:variableMeasured"]["schema:propertyID"] = stream.semantic_id
    return written


def _periods(entry: Entry) -> Iterator[_Node]:
    for coverage in entry.coverage:
        bounds = _bounds(coverage.interval)
        if bounds:
            yield {"@type": "dct:PeriodOfTime", **bounds}


def _bounds(interval: Interval) -> _Node:
    given = {"dcat:startDate": interval.start, "dcat:endDate": interval.until}
    return {name: _typed(str(bound), "dateTime") for name, bound in given.items() if bound.finite}


def _distributions(entry: Entry) -> Iterator[_Node]:
    for coverage in entry.coverage:
        basis = coverage.basis
        ground = "own" if basis.agreement is None else str(basis.agreement)
        written: _Node = {
            "@id": f"{_name(entry)}#{ground}/{coverage.interval.start}",
            "@type": "dcat:Distribution",
            "dct:title": f"{entry.stream.reference} of {coverage.owner}",
            "dct:description": _told(coverage),
            "dcat:accessURL": _id(f"v1/measurements?{urlencode(_question(entry, coverage))}"),
            "dcat:accessService": _id(_SERVICE),
            "dct:rights": {"@type": "dct:RightsStatement", "rdfs:label": _told(coverage)},
        }
        if basis.agreement is not None:
            written["odrl:hasPolicy"] = _id(f"v1/agreements/{basis.agreement}/odrl")
        if basis.licence is not None and " " not in basis.licence:
            written["dct:license"] = {"@id": f"spdx:{basis.licence}", "@type": "dct:LicenseDocument"}
        if basis.shape.resolution_floor is not None:
            written["dcat:temporalResolution"] = _typed(format_seconds(basis.shape.resolution_floor), "duration")
        yield written


def _question(entry: Entry, coverage: Coverage) -> dict[str, str]:
    basis, interval = coverage.basis, coverage.interval
    asked = {"stream": entry.stream.reference}
    asked |= {"from": str(interval.start)} if interval.start.finite else {}
    asked |= {"until": str(interval.until)} if interval.until.finite else {}
    asked |= {"basis": str(basis.agreement)} if basis.agreement is not None else {}
    floor = basis.shape.resolution_floor
    return asked | ({"step": format_seconds(floor)} if floor is not None else {})


def _told(coverage: Coverage) -> str:
    licence = f", licence {coverage.basis.licence}" if coverage.basis.licence else ""
    trial = f", trial {coverage.trial}" if coverage.trial else ""
    if coverage.basis.agreement is None:
        return f"Your own, as {coverage.owner}{trial}."
    purposes = f", for {' or '.join(coverage.purposes)}" if coverage.purposes else ""
    return f"Of {coverage.owner}, by agreement {coverage.basis.agreement}{trial}{licence}{purposes}."


def _name(entry: Entry) -> str:
    return f"v1/streams/{entry.stream.id}"


def _asset(slug: str) -> str:
    return f"v1/assets/{slug}"


def _participant(slug: str) -> str:
    return f"v1/participants/{slug}" if slug else "v1/participants"


def _id(iri: str) -> _Node:
    return {"@id": iri}


def _english(text: str) -> _Node:
    return {"@value": text, "@language": "en"}


def _typed(value: str, kind: str) -> _Node:
    return {"@value": value, "@type": f"xsd:{kind}"}
