"""An agreement as ODRL is JSON-LD that a processor of another maker reads without fetching anything."""

import json
import re
from datetime import date
from uuid import UUID

import pytest
from rdflib import RDF, Graph, Literal, Namespace, URIRef

from api.answers.as_odrl import PROFILE, policy
from fieldlab.ownership.agreement import Agreement, Party, State
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.terms import Declared, Enforced, Terms, settled
from fieldlab.readings.instant import SECOND, Instant
from tests.architecture.checkout import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:.*(ConjunctiveGraph|Dataset).* deprecated:DeprecationWarning")

ODRL = Namespace("http://www.w3.org/ns/odrl/2/")
OURS = Namespace(PROFILE)
SPAN = Interval(start=Instant(0), until=Instant(3600 * SECOND))
WHOLE = settled(
    Terms(
        owner="sme-a",
        grantee="researcher",
        enforced=Enforced(
            streams=("mill-1.spindle_current", "mill-1.state"),
            trial="tool-wear",
            data=SPAN,
            validity=SPAN,
            resolution_floor=60 * SECOND,
            embargo=90 * SECOND,
            live=True,
        ),
        declared=Declared(purposes=("wear",), attribution="Company A", delete_by=date(2031, 1, 1), licence="CC-BY-4.0"),
    )
)


def signed(terms: Terms, state: State = State.ACTIVE) -> Agreement:
    return Agreement(
        id=UUID(int=7),
        terms=terms,
        text="{}",
        hash="00",
        state=state,
        proposed_by=Party.OWNER,
        proposed_at=Instant(0),
        answer_by=Instant(SECOND),
        replaces=UUID(int=6),
    )


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Graph:
    """The policy as triples; whatever would open a connection fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a context was fetched")

    monkeypatch.setattr("socket.socket.connect", refuse)
    return Graph().parse(data=json.dumps(policy(signed(WHOLE))), format="json-ld")


def test_a_json_ld_processor_reads_every_term_of_an_agreement(graph: Graph) -> None:
    this = URIRef(UUID(int=7).urn)
    assert (this, RDF.type, ODRL.Agreement) in graph
    assert (this, ODRL.profile, URIRef(PROFILE)) in graph
    (permission,) = graph.objects(this, ODRL.permission)
    assert set(graph.objects(permission, ODRL.target)) == {
        URIRef(f"{PROFILE}stream:{name}") for name in WHOLE.enforced.streams
    }
    constraints: dict[str, set[str]] = {}
    for constraint in graph.objects(permission, ODRL.constraint):
        (left,), (operator,) = (graph.objects(constraint, ODRL[name]) for name in ("leftOperand", "operator"))
        right = [str(value) for value in graph.objects(constraint, ODRL.rightOperand)]
        assert right
        constraints.setdefault(str(left), set()).add(f"{str(operator).rpartition('/')[2]} {' '.join(sorted(right))}")
    assert constraints[OURS.timeOfMeasurement.toPython()] == {
        "gteq 1970-01-01T00:00:00+00:00",
        "lt 1970-01-01T01:00:00+00:00",
    }
    assert constraints[OURS.resolution.toPython()] == {"gteq PT1M"}
    assert constraints[OURS.age.toPython()] == {"gteq PT1M30S"}
    assert constraints[OURS.aggregate.toPython()] == {"isAnyOf count mean"}
    assert constraints[ODRL.purpose.toPython()] == {"isAnyOf wear"}
    duties = {
        str(action) for duty in graph.objects(permission, ODRL.duty) for action in graph.objects(duty, ODRL.action)
    }
    assert duties == {ODRL.attribute.toPython(), ODRL.delete.toPython()}
    (prohibited,) = graph.objects(this, ODRL.prohibition)
    assert (prohibited, ODRL.action, ODRL.distribute) in graph
    assert (this, OURS.state, Literal("active")) in graph


def test_a_proposal_is_a_request_or_an_offer() -> None:
    kinds = {state: policy(signed(WHOLE, state))["@type"] for state in (State.REQUESTED, State.OFFERED, State.EXPIRED)}
    assert [*kinds.values()] == ["odrl:Request", "odrl:Offer", "odrl:Agreement"]


def test_the_profile_explains_every_word_that_odrl_lacks() -> None:
    used = set(re.findall(r'"fieldlab:(\w+)"', json.dumps(policy(signed(WHOLE)))))
    page = (ROOT / "docs" / "odrl.md").read_text()
    assert used
    assert {word for word in used if f"| `{word}` |" not in page} == set()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == used
