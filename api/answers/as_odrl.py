"""An agreement as an ODRL 2.2 policy in JSON-LD, with a profile for what ODRL has no word for.

The context stands in the document itself: whoever reads it fetches nothing. ODRL's words are used where it has them
(https://www.w3.org/TR/odrl-vocab/); the profile `urn:fieldlab:odrl:` adds left operands for the time of measurement,
the resolution floor with its samples and aggregates, and the embargo.
"""

from collections.abc import Iterator
from typing import Any, Final

from fieldlab.ownership.agreement import Agreement, State
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.terms import Terms
from fieldlab.readings.duration import format_seconds

MEDIA_TYPE: Final = "application/ld+json"
PROFILE: Final = "urn:fieldlab:odrl:"

CONTEXT: Final = {
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "dct": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "spdx": "http://spdx.org/licenses/",
    "fieldlab": PROFILE,
}

_Node = dict[str, Any]
_KINDS: Final = {State.REQUESTED: "odrl:Request", State.OFFERED: "odrl:Offer"}


def policy(agreement: Agreement) -> _Node:
    """Write an agreement as a policy: a request or an offer while it waits, an agreement from then on."""
    terms = agreement.terms
    parties = {
        "odrl:assigner": _id(f"{PROFILE}participant:{terms.owner}"),
        "odrl:assignee": _id(f"{PROFILE}participant:{terms.grantee}"),
        "odrl:target": [_id(f"{PROFILE}stream:{reference}") for reference in terms.enforced.streams],
    }
    written: _Node = {
        "@context": CONTEXT,
        "@id": f"urn:uuid:{agreement.id}",
        "@type": _KINDS.get(agreement.state, "odrl:Agreement"),
        "odrl:profile": _id(PROFILE),
        "fieldlab:state": agreement.state.value,
        "fieldlab:sha256": agreement.hash,
        "dct:issued": _typed(str(agreement.proposed_at), "dateTime"),
        "odrl:permission": [
            {**parties, "odrl:action": _id("odrl:read"), "odrl:constraint": [*_constraints(terms)], **_duties(terms)}
        ],
    }
    if agreement.replaces is not None:
        written["dct:replaces"] = _id(f"urn:uuid:{agreement.replaces}")
    if terms.declared.licence is not None:
        written["dct:license"] = _id(f"spdx:{terms.declared.licence}")
    if not terms.declared.onward_sharing:
        written["odrl:prohibition"] = [{**parties, "odrl:action": _id("odrl:distribute")}]
    return written


def _constraints(terms: Terms) -> Iterator[_Node]:
    kept = terms.enforced
    yield from _within("odrl:dateTime", kept.validity)
    yield from _within("fieldlab:timeOfMeasurement", kept.data)
    if kept.trial is not None:
        yield _constraint("fieldlab:trial", "odrl:eq", kept.trial)
    if kept.embargo:
        yield _constraint("fieldlab:age", "odrl:gteq", _seconds(kept.embargo))
    if kept.resolution_floor is not None:
        yield _constraint("fieldlab:resolution", "odrl:gteq", _seconds(kept.resolution_floor))
        yield _constraint("fieldlab:samples", "odrl:gteq", kept.minimum_samples)
        yield _constraint("fieldlab:aggregate", "odrl:isAnyOf", [one.value for one in kept.aggregates or ()])
    yield _constraint("odrl:fileFormat", "odrl:isAnyOf", [one.value for one in kept.formats])
    yield _constraint("fieldlab:live", "odrl:eq", kept.live)
    if terms.declared.purposes:
        yield _constraint("odrl:purpose", "odrl:isAnyOf", [*terms.declared.purposes])


def _duties(terms: Terms) -> _Node:
    said = terms.declared
    duties: list[_Node] = []
    if said.attribution is not None:
        duties.append({"odrl:action": _id("odrl:attribute"), "fieldlab:as": said.attribution})
    if said.delete_by is not None:
        by = _constraint("odrl:dateTime", "odrl:lteq", _typed(said.delete_by.isoformat(), "date"))
        duties.append({"odrl:action": _id("odrl:delete"), "odrl:constraint": [by]})
    return {"odrl:duty": duties} if duties else {}


def _within(operand: str, interval: Interval) -> Iterator[_Node]:
    if interval.start.finite:
        yield _constraint(operand, "odrl:gteq", _typed(str(interval.start), "dateTime"))
    if interval.until.finite:
        yield _constraint(operand, "odrl:lt", _typed(str(interval.until), "dateTime"))


def _constraint(left: str, operator: str, right: object) -> _Node:
    return {"odrl:leftOperand": _id(left), "odrl:operator": _id(operator), "odrl:rightOperand": right}


def _id(iri: str) -> _Node:
    return {"@id": iri}


def _typed(value: str, kind: str) -> _Node:
    return {"@value": value, "@type": f"xsd:{kind}"}


def _seconds(micros: int) -> _Node:
    return _typed(format_seconds(micros), "duration")
