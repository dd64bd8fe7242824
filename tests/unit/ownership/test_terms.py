"""What can be signed, and that alike terms have one text."""

import json
import re
from datetime import date
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.errors import InvalidTerms
from fieldlab.ownership import document
from fieldlab.ownership.interval import ALWAYS, Interval
from fieldlab.ownership.terms import DataFormat, Declared, Enforced, Terms, settled
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.instant import MINUTE, SECOND, Instant

MONDAY = Instant.parse("2026-11-16T00:00:00Z")
LEAST: dict[str, Any] = {
    "owner": "sme-a",
    "grantee": "researcher",
    "enforced": {"streams": ["mill-1.spindle_current"]},
}

bounds = st.integers(0, 10**15).map(Instant)
intervals = st.one_of(
    st.just(ALWAYS),
    st.tuples(bounds, bounds).filter(lambda b: b[0] < b[1]).map(lambda b: Interval(start=b[0], until=b[1])),
)
durations = st.integers(1, 10**12)
floors: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {"resolution_floor": durations},
        optional={
            "minimum_samples": st.integers(1, 1000),
            "aggregates": st.sets(st.sampled_from(Aggregate), min_size=1).map(tuple),
        },
    ),
)
words = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40)
every_terms = st.builds(
    lambda floor, **rest: Terms(
        owner="sme-a",
        grantee="researcher",
        enforced=Enforced(**rest, **floor),
        declared=Declared(licence="CC-BY-4.0", delete_by=date(2030, 1, 2)),
    ),
    floor=floors,
    streams=st.sets(st.sampled_from(["mill-1.a", "mill-1.b", "robot-1.a"]), min_size=1).map(tuple),
    data=intervals,
    validity=intervals,
    embargo=st.one_of(st.just(0), durations),
    formats=st.sets(st.sampled_from(DataFormat), min_size=1).map(tuple),
    live=st.booleans(),
)


def with_(**terms: object) -> dict[str, Any]:
    return {**LEAST, "enforced": {**LEAST["enforced"], **terms}}


@given(every_terms)
def test_terms_read_back_from_their_text_are_the_same(terms: Terms) -> None:
    made = settled(terms)
    assert document.read(document.canonical(made)) == made
    assert document.digest(made) == sha256(document.canonical(made).encode()).hexdigest()
    assert settled(made) == made


@given(every_terms, words)
def test_one_different_term_is_another_hash(terms: Terms, purpose: str) -> None:
    made = settled(terms)
    other = settled(Terms(owner="sme-a", grantee="sme-b", enforced=terms.enforced, declared=terms.declared))
    said = settled(
        Terms(owner="sme-a", grantee="researcher", enforced=terms.enforced, declared=Declared(purposes=(purpose,)))
    )
    assert len({document.digest(one) for one in (made, other, said)}) == 3


def test_the_order_and_number_of_entries_makes_no_difference() -> None:
    one = document.read_object(with_(streams=["mill-1.b", "mill-1.a", "mill-1.b"], formats=["json", "csv"]))
    other = document.read_object(with_(streams=["mill-1.a", "mill-1.b"], formats=["csv", "json"]))
    assert document.canonical(one) == document.canonical(other)


def test_the_text_is_canonical_json_with_every_term_labelled() -> None:
    text = document.canonical(document.read_object(with_(resolution_floor="60s")))
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    written = json.loads(text)
    assert set(written) == {"owner", "grantee", "enforced", "declared"}
    assert set(written["enforced"]) == set(Enforced.__dataclass_fields__)
    assert set(written["declared"]) == set(Declared.__dataclass_fields__)


def test_a_floor_comes_with_five_samples_mean_and_count() -> None:
    kept = document.read_object(with_(resolution_floor="60s")).enforced
    assert (kept.resolution_floor, kept.minimum_samples) == (MINUTE, 5)
    assert kept.aggregates == (Aggregate.COUNT, Aggregate.MEAN)
    bare = document.read_object(LEAST).enforced
    assert (bare.resolution_floor, bare.minimum_samples, bare.aggregates, bare.embargo) == (None, None, None, 0)


def test_times_and_durations_are_read_with_their_units() -> None:
    kept = document.read_object(
        with_(data={"from": str(MONDAY)}, embargo="PT1M", resolution_floor="10s", minimum_samples=2)
    ).enforced
    assert (kept.data.start, kept.embargo, kept.resolution_floor) == (MONDAY, MINUTE, 10 * SECOND)


@pytest.mark.parametrize(
    ("document_", "told"),
    [
        ({**LEAST, "price": 5}, "price: there is no such term"),
        (with_(colour="red"), "enforced.colour: there is no such term"),
        (with_(purposes=["research"]), "enforced.purposes: there is no such term"),
        (with_(data={"before": "2026-11-16T00:00:00Z"}), "enforced.data.before: there is no such term"),
        (with_(embargo={"operator": "gteq", "rightOperand": "P1D"}), "enforced.embargo: write it as text"),
        (with_(data={"from": "2026-11-16T00:00:00"}), "has no offset"),
        (with_(data={"from": "2026-11-17T00:00:00Z", "until": "2026-11-16T00:00:00Z"}), "is empty"),
        (with_(streams=[]), "name 1 to 1000 streams"),
        (with_(streams=["*"]), "is not a reference"),
        (with_(streams="mill-1.a"), "write a list"),
        (with_(formats=[]), "permits nothing"),
        (with_(formats=["xlsx"]), "'xlsx' is not offered"),
        (with_(live="yes"), "write true or false"),
        (with_(minimum_samples=3), "need a resolution_floor"),
        (with_(aggregates=["mean"]), "need a resolution_floor"),
        (with_(resolution_floor="60s", aggregates=[]), "name at least one"),
        (with_(resolution_floor="60s", aggregates=["mode"]), "'mode' is not offered"),
        (with_(resolution_floor="60s", minimum_samples=0), "write a number from 1"),
        (with_(resolution_floor="60s", minimum_samples=True), "write a whole number"),
        (with_(resolution_floor="1mo"), "months"),
        (with_(trial="No Slug"), "is not a slug"),
        ({**LEAST, "grantee": "sme-a"}, "no agreement with itself"),
        ({**LEAST, "declared": {"licence": "do what you like"}}, "is not an SPDX expression"),
        ({**LEAST, "declared": {"purposes": ["two words"]}}, "without spaces"),
        ({**LEAST, "declared": {"attribution": "one\ntwo"}}, "one line"),
        ({**LEAST, "declared": {"delete_by": "soon"}}, "write a day"),
        ({**LEAST, "declared": []}, "write an object"),
        ([], "write an object"),
        ({"owner": "sme-a", "grantee": "sme-b"}, "enforced: write an object"),
    ],
)
def test_what_cannot_be_kept_or_is_not_known_cannot_be_signed(document_: object, told: str) -> None:
    with pytest.raises(InvalidTerms, match=re.escape(told)):
        document.read(json.dumps(document_))


@pytest.mark.parametrize(
    "text",
    [
        '{"owner":"sme-a","owner":"sme-b","grantee":"r","enforced":{"streams":["m.a"]}}',
        '{"owner":"sme-a","grantee":"r","enforced":{"streams":["m.a"],"live":false,"live":true}}',
    ],
)
def test_a_key_that_stands_there_twice_is_refused(text: str) -> None:
    with pytest.raises(InvalidTerms, match="twice"):
        document.read(text)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"owner": NaN}', '{"owner": Infinity}'])
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidTerms):
        document.read(text)


def test_a_licence_is_spelt_as_spdx_spells_it() -> None:
    said = document.read_object({**LEAST, "declared": {"licence": "cc-by-nc-4.0"}}).declared
    assert said.licence == "CC-BY-NC-4.0"
