"""What arrives is plugged in by one address, a pattern or a whole asset; what would mix up streams is refused."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldlab.assets.asset import Kind, Nature
from fieldlab.assets.difference import difference
from fieldlab.assets.inventory import AssetEntry, BindingEntry, Inventory, SourceEntry, StreamEntry
from fieldlab.assets.name import STREAM_NAME
from fieldlab.assets.plug import Plug, Plugged, Seen, plugged, stream_name
from fieldlab.assets.source import Wire
from fieldlab.errors import Conflict, InvalidInput, NotFound


def stream(kind: Kind = Kind.NUMBER, unit: str = "1") -> StreamEntry:
    return StreamEntry.of(kind, unit)


def asset(*topics: str) -> AssetEntry:
    return AssetEntry(name="A machine", home_owner="lab", nature=Nature.REAL, place="", description="", topics=topics)


LAB = Inventory(
    sources={"floor": SourceEntry(wire=Wire.MQTT, url="mqtt://broker", options={})},
    assets={"mill-1": asset(), "press-1": asset("hall/press/#")},
    streams={"mill-1.power": stream(unit="W"), "mill-1.state": stream(Kind.TEXT)},
    bindings={("floor", "lab/mill-1/old#state"): BindingEntry(stream="mill-1.state")},
)
SEEN = (
    Seen(address="lab/mill-1/telemetry#power", kind=Kind.NUMBER),
    Seen(address="lab/mill-1/telemetry#spindle.current", kind=Kind.NUMBER, unit="A"),
    Seen(address="lab/mill-1/telemetry#doorOpen", kind=Kind.BOOLEAN),
    Seen(address="lab/robot-9/telemetry#joint", kind=Kind.NUMBER),
    Seen(address="hall/press/left/force", kind=Kind.NUMBER),
    Seen(address="hall/press/right/force", kind=Kind.NUMBER),
)


def bound(found: Plugged) -> dict[str, str]:
    return {address: entry.stream for (_, address), entry in found.declared.bindings.items()}


def test_one_address_feeds_a_stream_of_the_name_that_is_given() -> None:
    plug = Plug(source="floor", asset="mill-1", address="lab/mill-1/telemetry#spindle.current", stream="current")
    found = plugged(LAB, plug, SEEN)
    assert bound(found) == {"lab/mill-1/telemetry#spindle.current": "mill-1.current"}
    assert found.declared.streams["mill-1.current"] == stream(unit="A"), "the unit is what the source tells"
    assert [str(change) for change in difference(LAB, found.declared) if change.mark.value != "="] == [
        "+ stream mill-1.current",
        "+ binding floor lab/mill-1/telemetry#spindle.current",
    ]


def test_a_pattern_names_asset_and_streams_and_leaves_unknown_assets_out() -> None:
    found = plugged(LAB, Plug(source="floor", pattern="lab/{asset}/telemetry#{stream}"), SEEN)
    assert bound(found) == {
        "lab/mill-1/telemetry#power": "mill-1.power",
        "lab/mill-1/telemetry#spindle.current": "mill-1.spindle_current",
        "lab/mill-1/telemetry#doorOpen": "mill-1.door_open",
    }
    assert found.declared.streams["mill-1.power"] == stream(unit="W"), "a stream that is there is taken as it is"
    assert found.declared.streams["mill-1.door_open"].kind is Kind.BOOLEAN
    assert found.left_out == ("lab/robot-9/telemetry#joint",)


def test_a_whole_asset_is_what_names_it_or_what_its_topics_cover() -> None:
    assert set(bound(plugged(LAB, Plug(source="floor", asset="mill-1"), SEEN)).values()) == {
        "mill-1.power",
        "mill-1.spindle_current",
        "mill-1.door_open",
    }
    assert bound(plugged(LAB, Plug(source="floor", asset="press-1"), SEEN)) == {
        "hall/press/left/force": "press-1.left_force",
        "hall/press/right/force": "press-1.right_force",
    }, "where the last level does not tell them apart, the one before does"


def test_what_a_message_says_of_itself_counts_on_nobody_else_s_topic() -> None:
    """A device publishes on its own asset's topics alone, and says there whatever it likes."""
    own = ("lab/mill-1/telemetry#power", "lines#cpu,host=mill-1 usage", "senml#mill-1/temperature")
    others = (
        "lab/robot-2/telemetry#mill-1.power",
        "lab/robot-2/telemetry#power,for=mill-1 value",
        "hall/press/left#mill-1",
        "hall/press/mill-1/telemetry#torque",
    )
    lab = replace(LAB, assets={**LAB.assets, "robot-2": asset()})
    seen = [Seen(address=address, kind=Kind.NUMBER) for address in (*own, *others)]
    assert set(bound(plugged(lab, Plug(source="floor", asset="mill-1"), seen))) == set(own)
    assert set(bound(plugged(lab, Plug(source="floor", asset="press-1"), seen))) == set(others[2:])
    assert set(bound(plugged(lab, Plug(source="floor", asset="robot-2"), seen))) == set(others[:2])


def test_a_browse_path_names_streams_by_its_names_and_not_by_their_namespaces() -> None:
    maker = "path=nsu=http://maker.example/UA/;mill-1"
    paths = ("Spindle1/Current", "Spindle2/Current", "nsu=urn:other;Door", "Tool#Torque.Value")
    seen = [Seen(address=f"{maker}/{path}", kind=Kind.NUMBER) for path in paths]
    found = bound(plugged(LAB, Plug(source="floor", asset="mill-1"), seen))
    assert list(found.values()) == [
        "mill-1.spindle1_current", "mill-1.spindle2_current", "mill-1.door", "mill-1.torque_value",
    ]  # fmt: skip


def test_what_is_bound_as_asked_already_changes_nothing() -> None:
    again = Plug(source="floor", asset="mill-1", address="lab/mill-1/old#state", stream="state")
    assert [one for one in difference(LAB, plugged(LAB, again, SEEN).declared) if one.mark.value != "="] == []
    other = Plug(source="floor", asset="press-1", address="lab/mill-1/old#state")
    with pytest.raises(Conflict, match=r"feeds mill-1\.state already"):
        plugged(LAB, other, SEEN)


@pytest.mark.parametrize(
    ("plug", "said"),
    [
        (
            Plug(source="floor", asset="mill-1", address=SEEN[0].address, stream="state"),
            "fed by floor lab/mill-1/old#state",
        ),
        (Plug(source="floor", asset="mill-1", address=SEEN[0].address, unit="kW"), "has the unit W, and kW arrives"),
        (Plug(source="floor", asset="press-1", pattern="hall/press/*/{stream}"), "would be fed by another"),
    ],
    ids=["fed already", "another unit", "two of one name"],
)
def test_what_would_mix_up_streams_is_refused_with_every_case(plug: Plug, said: str) -> None:
    with pytest.raises(Conflict, match=re.escape(said)):
        plugged(LAB, plug, SEEN)


def test_text_is_not_bound_to_a_stream_of_numbers() -> None:
    texts = [Seen(address="lab/mill-1/x#power", kind=Kind.TEXT)]
    with pytest.raises(Conflict, match="values of the kind number, and text arrives"):
        plugged(LAB, Plug(source="floor", asset="mill-1"), texts)


@pytest.mark.parametrize(
    ("plug", "said"),
    [
        (Plug(source="floor", asset="mill-1", address="a", pattern="b"), "not both"),
        (Plug(source="floor", asset="mill-1", stream="x"), "give the address"),
        (Plug(source="floor"), "Name the asset"),
        (Plug(source="floor", pattern="lab/*#{stream}"), "Name the asset"),
        (Plug(source="floor", asset="mill-1", pattern="{asset}/#{stream}"), "keep one of the two"),
        (Plug(source="floor", asset="mill-1", pattern="*a*b*"), "make it narrower"),
    ],
    ids=["both", "stream alone", "nothing", "no asset", "two assets", "too wide"],
)
def test_parts_that_do_not_go_together_are_told(plug: Plug, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        plugged(LAB, plug, SEEN)


@pytest.mark.parametrize(
    "plug",
    [
        Plug(source="roof", asset="mill-1"),
        Plug(source="floor", asset="mill-7"),
        Plug(source="floor", asset="mill-1", address="nothing"),
        Plug(source="floor", pattern="lab/{asset}/telemetry#joint"),
    ],
    ids=["source", "asset", "address", "assets of a pattern"],
)
def test_what_is_not_there_is_told(plug: Plug) -> None:
    with pytest.raises(NotFound):
        plugged(LAB, plug, SEEN)


@given(st.text(max_size=200))
def test_any_text_makes_a_stream_name(text: str) -> None:
    assert re.fullmatch(STREAM_NAME, stream_name(text))


@given(st.lists(st.text(alphabet="ab/#.{}*é", min_size=1, max_size=12), unique=True, min_size=1, max_size=8))
def test_addresses_of_any_form_are_each_bound_once_or_refused(addresses: list[str]) -> None:
    seen = [Seen(address=f"mill-1/{address}", kind=Kind.NUMBER) for address in addresses]
    try:
        found = plugged(LAB, Plug(source="floor", asset="mill-1"), seen)
    except (Conflict, NotFound):
        return
    streams = list(bound(found).values())
    assert len(streams) == len(set(streams)) == len(seen)
