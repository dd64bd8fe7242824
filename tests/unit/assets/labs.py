"""Random labs, as strategies: everything that a declaration can say, and texts as people and machines write them."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from fieldlab.assets.lab import Lab
from fieldlab.readings.instant import MINUTE, Instant

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    [
        "1",
        "1e3",
        "0x1F",
        "on",
        "no",
        "null",
        "~",
        "2026-01-01",
        "- a",
        "a: b",
        "#",
        "{asset}",
        "{stream}",
        "=",
        "<<",
        " ",
    ]
)
NAMES = TEXTS.filter(bool)
SLUGS = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
STREAM_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def limits(draw: st.DrawFn) -> dict[str, float | None]:
    low, high = draw(st.none() | FLOATS), draw(st.none() | FLOATS)
    if low is not None and high is not None and low > high:
        low, high = high, low
    return {"low": low, "high": high}


def streams() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "unit": NAMES,
            "quantity": TEXTS,
            "kind": st.sampled_from(["number", "boolean", "text"]),
            "description": TEXTS,
            "semantic_id": st.none() | TEXTS,
            "limits": limits(),
            "lateness": st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=9999)),
        },
    )


def minute(number: int) -> str:
    return str(Instant(1_800_000_000_000_000 + number * MINUTE))


@st.composite
def labs(draw: st.DrawFn) -> Lab:
    """A lab that can be applied: names are declared, addresses and bookings do not collide."""
    participants = draw(st.dictionaries(SLUGS, st.fixed_dictionaries({"name": NAMES}), min_size=1, max_size=3))
    options = st.dictionaries(TEXTS, JSON, max_size=3)
    wires = st.sampled_from(["mqtt", "opcua"])
    sources = draw(
        st.dictionaries(SLUGS, st.fixed_dictionaries({"wire": wires, "url": NAMES, "options": options}), max_size=2)
    )
    typed = st.fixed_dictionaries({"streams": st.dictionaries(STREAM_NAMES, streams(), max_size=3)})
    types = draw(st.dictionaries(SLUGS, typed, max_size=2))
    taken: set[tuple[str, str]] = set()
    assets = {
        slug: draw(an_asset(sorted(participants), sorted(sources), types, taken))
        for slug in draw(st.lists(SLUGS, max_size=3, unique=True))
    }
    references = [f"{slug}.{name}" for slug, asset in assets.items() for name in asset["streams"]]
    bindings: dict[str, dict[str, str]] = {}
    if sources and references:
        for source, address in draw(st.sets(st.tuples(st.sampled_from(sorted(sources)), NAMES), max_size=3)) - taken:
            bindings.setdefault(source, {})[address] = draw(st.sampled_from(references))
    booked = {
        slug: sorted(asset["streams"])
        for slug, asset in assets.items()
        if asset["streams"] and asset["nature"] != "replay"
    }
    return Lab.model_validate(
        {
            "participants": participants,
            "types": types,
            "sources": sources,
            "assets": assets,
            "bindings": bindings,
            "trials": draw(some_trials(sorted(participants), booked)),
        }
    )


@st.composite
def an_asset(
    draw: st.DrawFn, owners: list[str], sources: list[str], types: dict[str, Any], taken: set[tuple[str, str]]
) -> dict[str, Any]:
    asset: dict[str, Any] = {
        "name": draw(NAMES),
        "home_owner": draw(st.sampled_from(owners)),
        "nature": draw(st.sampled_from(["real", "simulated", "replay"])),
        "place": draw(TEXTS),
        "description": draw(TEXTS),
        "topics": draw(st.lists(st.sampled_from(["lab/x/#", "a", "a/+/b"]), max_size=2)),
        "streams": draw(st.dictionaries(STREAM_NAMES, streams(), max_size=4)),
    }
    if draw(st.booleans()) and types:
        asset["type"] = draw(st.sampled_from(sorted(types)))
        brought = sorted(set(types[asset["type"]]["streams"]) - set(asset["streams"]))
        asset["leave_out"] = draw(st.lists(st.sampled_from(brought), unique=True)) if brought else []
    if sources:
        asset["source"] = draw(st.sampled_from(sources))
        if draw(st.booleans()):
            asset["address"] = "lab/{asset}/t#{stream}"
        for stream in asset["streams"].values():
            address = draw(st.none() | NAMES)
            if address is not None and (asset["source"], address) not in taken:
                taken.add((asset["source"], address))
                stream["address"] = address
    return asset


@st.composite
def some_trials(draw: st.DrawFn, participants: list[str], assets: dict[str, list[str]]) -> dict[str, Any]:
    trials: dict[str, Any] = {}
    at = 0
    for slug in draw(st.lists(SLUGS, max_size=3, unique=True)):
        bookings = []
        for _ in range(draw(st.integers(0, 2)) if assets else 0):
            start = at + draw(st.integers(0, 100))
            at = start + draw(st.integers(1, 100))
            whole = draw(st.lists(st.sampled_from(sorted(assets)), unique=True))
            references = [f"{slug}.{name}" for slug, names in assets.items() if slug not in whole for name in names]
            single = draw(st.lists(st.sampled_from(references), min_size=not whole, unique=True)) if references else []
            bookings.append({"assets": whole, "streams": single, "from": minute(start), "until": minute(at)})
        trials[slug] = {"participant": draw(st.sampled_from(participants)), "bookings": bookings}
    return trials
