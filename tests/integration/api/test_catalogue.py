"""The catalogue: what may be had, to each reader its own; and the same as DCAT-AP, held against its official shapes."""

import json
from pathlib import Path
from typing import Any

import pyshacl
import pytest
from rdflib import DCAT, DCTERMS, FOAF, RDF, Graph, Literal, URIRef

from fieldlab.assets.participant import Permission
from tests.integration.api.lab import CURRENT, EIGHT, NINE, SPEED, STATE, TEN, Floor
from tests.integration.api.test_agreements import agree, step

pytestmark = pytest.mark.filterwarnings("ignore:.*(ConjunctiveGraph|Dataset).* deprecated:DeprecationWarning")
"""rdflib's reader of JSON-LD and pyshacl use names that rdflib will drop."""

SHAPES = Path(__file__).parents[2] / "contract" / "api" / "dcat-ap-3.0.1.ttl"
SMALLEST_PAGE = 2


async def entries(lab: Floor, who: str, **asked: str) -> list[dict[str, Any]]:
    answer = await lab[who].get("/v1/catalogue", params=asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def references(lab: Floor, who: str, **asked: str) -> list[str]:
    return [entry["reference"] for entry in await entries(lab, who, **asked)]


async def as_graph(lab: Floor, who: str, **asked: str) -> Graph:
    """The catalogue as triples; a document that wanted anything from elsewhere would fail, as there is no network."""
    answer = await lab[who].get("/v1/catalogue.jsonld", params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/ld+json"
    assert isinstance(json.loads(answer.text)["@context"], dict)
    return Graph().parse(data=answer.text, format="json-ld")


async def test_an_entry_says_what_may_be_had_of_whom_and_on_what_basis(lab: Floor) -> None:
    (entry,) = await entries(lab, "sme-a", q="spindle drive")
    assert (entry["reference"], entry["unit"], entry["asset_name"]) == (CURRENT, "A", "Mill")
    assert entry["coverage"] == [
        {
            "from": str(EIGHT),
            "until": str(NINE),
            "owner": "sme-a",
            "trial": "tool-wear",
            "basis": {"kind": "own"},
            "licence": None,
            "purposes": [],
            "shape": {},
        }
    ]
    assert (entry["first"], entry["last"]) == (str(EIGHT), "2026-11-21T08:59:59.999999Z")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"asset": "mill-1"}, [CURRENT, SPEED, STATE]),
        ({"asset": "robot-1"}, []),
        ({"quantity": "rotational speed"}, [SPEED]),
        ({"unit": "A"}, [CURRENT]),
        ({"unit": "deg"}, []),
        ({"q": "SPINDLE mill"}, [CURRENT, SPEED]),
        ({"q": "spindle robot"}, []),
        ({"q": "mill-1.state"}, [STATE]),
        ({"q": "%"}, []),
    ],
)
async def test_it_is_searched_by_asset_quantity_unit_and_words(
    lab: Floor, asked: dict[str, str], found: list[str]
) -> None:
    assert await references(lab, "sme-a", **asked) == found


async def test_hidden_equals_missing(lab: Floor) -> None:
    for route in ("/v1/catalogue", "/v1/catalogue.jsonld"):
        hidden = await lab["sme-a"].get(route, params={"asset": "robot-1"})
        missing = await lab["sme-a"].get(route, params={"asset": "robot-9"})
        assert hidden.text.replace("robot-1", "robot-9") == missing.text
    for who in ("sme-a", "sme-b"):
        seen = (await lab[who].get("/v1/catalogue")).text + (await lab[who].get("/v1/catalogue.jsonld")).text
        assert {"sme-a", "sme-b"} & set(seen.split('"')) == {who}
        assert "robot-1" not in seen


async def test_whoever_administers_the_lab_has_only_what_it_may_read(lab: Floor) -> None:
    assert await references(lab, "lab") == [CURRENT, SPEED, STATE]
    for entry in await entries(lab, "lab"):
        assert {one["owner"] for one in entry["coverage"]} == {"lab"}
        assert [(one["from"], one["until"]) for one in entry["coverage"]] == [
            ("-infinity", str(EIGHT)),
            (str(TEN), "infinity"),
        ]


async def test_an_agreement_opens_an_entry_and_its_end_takes_it_away(lab: Floor) -> None:
    assert CURRENT not in await references(lab, "researcher")
    declared = {"licence": "CC-BY-4.0", "purposes": ["research"]}
    id_ = await agree(lab, declared=declared, resolution_floor="60s", embargo="1h")
    (entry,) = await entries(lab, "researcher", asset="mill-1")
    (one,) = entry["coverage"]
    assert (one["owner"], one["licence"], one["purposes"]) == ("sme-a", "CC-BY-4.0", ["research"])
    assert (one["basis"]["kind"], one["basis"]["agreement"]) == ("agreement", id_)
    assert one["shape"] == {
        "resolution_floor": "1m",
        "minimum_samples": 5,
        "aggregates": ["count", "mean"],
        "embargo": "1h",
    }
    assert (entry["first"], entry["last"]) == (None, None)
    assert await step(lab, "sme-a", id_, "terminate") == 200
    assert CURRENT not in await references(lab, "researcher")


@pytest.mark.parametrize("route", ["/v1/catalogue", "/v1/catalogue.jsonld"])
async def test_pages_belong_to_a_reader_and_a_question(lab: Floor, route: str) -> None:
    first = await lab["sme-a"].get(route, params={"limit": SMALLEST_PAGE})
    if route == "/v1/catalogue":
        assert [entry["reference"] for entry in first.json()["items"]] == [CURRENT, SPEED]
        cursor = first.json()["next"]
    else:
        assert f"<{first.links['next']['url']}>" in first.headers["link"]
        cursor = str(first.links["next"]["url"]).rpartition("cursor=")[2]
    second = await lab["sme-a"].get(route, params={"limit": SMALLEST_PAGE, "cursor": cursor})
    assert STATE in second.text
    assert CURRENT not in second.text
    assert "next" not in second.links
    for who, asked in (("sme-b", {}), ("sme-a", {"asset": "mill-1"}), ("sme-a", {"cursor": cursor + "x"})):
        refused = await lab[who].get(route, params={"limit": SMALLEST_PAGE, "cursor": cursor} | asked)
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/invalid-cursor")


async def test_a_key_without_the_right_to_read_data_is_refused(lab: Floor) -> None:
    client = lab.client(lab.issue("sme-a", frozenset({Permission.LAB_ADMIN})))
    for route in ("/v1/catalogue", "/v1/catalogue.jsonld"):
        assert (await client.get(route)).status_code == 403


async def test_it_keeps_the_shapes_of_dcat_ap(lab: Floor) -> None:
    await agree(lab, declared={"licence": "CC-BY-4.0"}, resolution_floor="60s")
    for who in ("sme-a", "researcher", "lab", "sme-b"):
        graph = await as_graph(lab, who)
        kept, _, report = pyshacl.validate(graph, shacl_graph=str(SHAPES), shacl_graph_format="turtle")
        assert kept, report
        assert len(list(graph.subjects(RDF.type, DCAT.Dataset))) >= 3
        assert len(list(graph.subjects(RDF.type, DCAT.Catalog))) == 1


async def test_the_shapes_find_what_is_missing(lab: Floor) -> None:
    graph = await as_graph(lab, "sme-a")
    graph.remove((None, DCTERMS.description, None))
    kept, _, report = pyshacl.validate(graph, shacl_graph=str(SHAPES), shacl_graph_format="turtle")
    assert not kept
    assert "description" in report


async def test_other_catalogues_find_address_terms_and_owner_in_it(lab: Floor) -> None:
    id_ = await agree(lab, declared={"licence": "CC-BY-4.0"}, resolution_floor="60s")
    graph = await as_graph(lab, "researcher", asset="mill-1")
    (dataset,) = graph.subjects(RDF.type, DCAT.Dataset)
    (distribution,) = graph.objects(dataset, DCAT.distribution)
    (address,) = graph.objects(distribution, DCAT.accessURL)
    assert graph.value(distribution, DCTERMS.license) == URIRef("http://spdx.org/licenses/CC-BY-4.0")
    assert id_ in str(graph.value(distribution, URIRef("http://www.w3.org/ns/odrl/2/hasPolicy")))
    owner = graph.value(dataset, DCTERMS.creator)
    assert owner is not None
    assert graph.value(owner, FOAF.name) == Literal("sme-a")
    (publisher,) = (graph.value(one, DCTERMS.publisher) for one in graph.subjects(RDF.type, DCAT.Catalog))
    assert publisher is not None
    assert graph.value(publisher, FOAF.name) == Literal("The lab's operator")
    data = (await lab["researcher"].get(str(address))).json()
    assert data["rows"]
    assert {segment["owner"] for segment in data["segments"]} == {"sme-a"}
    described = (await lab["researcher"].get(str(dataset))).json()
    assert described["reference"] == CURRENT


async def test_an_empty_catalogue_is_still_one(quiet_lab: Floor) -> None:
    graph = await as_graph(quiet_lab, "sme-a")
    kept, _, report = pyshacl.validate(graph, shacl_graph=str(SHAPES), shacl_graph_format="turtle")
    assert kept, report
    assert list(graph.subjects(RDF.type, DCAT.Dataset)) == []
