"""Lists in the documents are complete: what the code can say, the documents explain."""

import re
from enum import Enum

import httpx
import pytest

from api.errors import ALL
from connectors.mqtt.config import MqttOptions
from connectors.mqtt.payload import TimeUnit
from connectors.opcua.config import OpcuaOptions, Security
from fieldlab.assets import lab
from fieldlab.assets.asset import Kind, Nature
from fieldlab.assets.participant import Permission, Role
from fieldlab.assets.source import Wire
from fieldlab.readings.aggregate import Aggregate
from fieldlab.readings.gap import Cause
from fieldlab.readings.instant import Instant
from fieldlab.readings.origin import Origin
from fieldlab.readings.reject import Reason
from fieldlab.storage.selection import StatusFilter
from gateway.monitor import Health, health, monitor
from gateway.tally import Tallies
from tests.architecture.checkout import ROOT

DOCS = ROOT / "docs"
EXPLAINED: dict[str, tuple[type[Enum], ...]] = {
    "wire-formats.md": (Reason, Cause, TimeUnit, Security),
    "lab-file.md": (Role, Nature, Kind, Wire),
    "glossary.md": (Permission,),
    "querying.md": (Aggregate,),
}


@pytest.mark.parametrize(
    ("document", "kind"),
    [pytest.param(name, kind, id=f"{name} {kind.__name__}") for name, kinds in EXPLAINED.items() for kind in kinds],
)
def test_every_value_is_explained(document: str, kind: type[Enum]) -> None:
    text = (DOCS / document).read_text()
    assert [str(member.value) for member in kind if str(member.value) not in text] == []


def test_every_origin_is_explained() -> None:
    text = (DOCS / "wire-formats.md").read_text()
    assert [origin.name.lower() for origin in Origin if f"| `{origin.name.lower()}` |" not in text] == []


def test_the_filter_of_status_is_explained() -> None:
    assert f"`{StatusFilter.GOOD.value}`" in (DOCS / "querying.md").read_text()


@pytest.mark.parametrize(
    "part",
    [
        *(lab.Lab, lab.DeclaredParticipant, lab.DeclaredSource, lab.DeclaredType, lab.DeclaredAsset),
        *(lab.DeclaredStream, lab.DeclaredTrial, lab.DeclaredBooking),
    ],
    ids=str,
)
def test_every_key_of_a_lab_is_explained(part: type[lab.Lab]) -> None:
    text = (DOCS / "lab-file.md").read_text()
    keys = [field.alias or name for name, field in part.model_fields.items()]
    assert [key for key in keys if not re.search(rf"^(\|[^|]*`{key}`[^|]*\||## {key}$)", text, re.MULTILINE)] == []


@pytest.mark.parametrize(("wire", "options"), [("mqtt", MqttOptions), ("opcua", OpcuaOptions)])
def test_sample_and_readme_name_every_option_of_their_connector(
    wire: str, options: type[MqttOptions] | type[OpcuaOptions]
) -> None:
    sample, readme = ((ROOT / "connectors" / wire / name).read_text() for name in ("sample.yaml", "README.md"))
    assert {key for key in options.model_fields if f" {key}:" not in sample} <= {"password_file"}
    assert [key for key in options.model_fields if f"`{key}`" not in readme] == []


def test_every_problem_is_explained() -> None:
    text = (DOCS / "querying.md").read_text()
    assert [
        slug for slug, problem in ALL.items() if f"`{slug}`" not in text or f"| {problem.status} |" not in text
    ] == []


async def test_every_metric_that_is_named_is_given() -> None:
    tallies = Tallies()
    tally = tallies.of(1)
    tally.rejected[Reason.UNBOUND] += 1
    tally.newest = Instant(0)

    def seen() -> Health:
        return health(tallies, now=Instant(0), down_since=None, patience=1)

    inside = httpx.ASGITransport(app=monitor(tallies, seen))
    async with httpx.AsyncClient(transport=inside, base_url="http://gateway") as client:
        given = (await client.get("/metrics")).text
    named = set(re.findall(r"`(fieldlab_(?:samples|source|database)_\w+)`", (DOCS / "operations.md").read_text()))
    assert named
    assert {name for name in named if f"{name}{{" not in given and f"{name} " not in given} == set()
