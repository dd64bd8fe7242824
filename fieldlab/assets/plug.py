"""Which streams discovered addresses shall feed: one of them, those of a pattern, or all that name an asset; pure."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fieldlab.assets.asset import Kind
from fieldlab.assets.inventory import AssetEntry, BindingEntry, Inventory, StreamEntry
from fieldlab.assets.lab import ASSET, STREAM
from fieldlab.assets.quantity import quantity_of
from fieldlab.assets.topic import covers, topic_of
from fieldlab.errors import Conflict, InvalidInput, NotFound

ANYTHING: Final = "*"
MOST_WILDCARDS: Final = 2
"""Asterisks of a pattern: more would take long to match."""

_LONGEST_NAME: Final = 63
_PARTS: Final = {ASSET: r"(?P<asset>[a-z0-9-]+)", STREAM: r"(?P<stream>.+)", ANYTHING: ".*"}
_BROWSE_PATH: Final = "path="
_NAMESPACE: Final = re.compile(r"nsu=[^;]*;")
_BETWEEN: Final = re.compile(r"[^a-z0-9-]+")
_MARKS: Final = re.compile(r"(\{asset\}|\{stream\}|\*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """An address that arrives and is not bound: the kind of its values, and what its source says of it.

    `low` and `high` are what its sensor can show, in the unit.
    """

    address: str
    kind: Kind
    unit: str | None = None
    quantity: str | None = None
    description: str | None = None
    semantic_id: str | None = None
    low: float | None = None
    high: float | None = None

    def stream(self, unit: str | None) -> StreamEntry:
        """Make the stream that it feeds; in another `unit` than its own, its range and quantity are not known."""
        own = unit is None or unit == self.unit
        return StreamEntry.of(
            self.kind,
            unit or self.unit or "1",
            quantity=(self.quantity if own else quantity_of(unit or "")) or "",
            semantic_id=self.semantic_id,
            description=self.description or "",
            low=self.low if own else None,
            high=self.high if own else None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Plug:
    """What shall be bound at one source.

    `address` alone, or what `pattern` covers, or, with neither, whatever names the asset: in its topic, or within the
    message where the topic is no other asset's. A pattern is an address in which `{asset}` and `{stream}` stand for
    their names and `*` for anything. `stream` names the stream of the one address; `unit` is the UCUM code of what is
    new, if the source tells none or a wrong one.
    """

    source: str
    asset: str | None = None
    address: str | None = None
    pattern: str | None = None
    stream: str | None = None
    unit: str | None = None

    def check(self) -> None:
        """Raise InvalidInput for parts that do not go together."""
        if self.address is not None and self.pattern is not None:
            raise InvalidInput("Give an address or a pattern, not both.")
        if self.stream is not None and self.address is None:
            raise InvalidInput("A stream is named for one address; give the address, or leave the name out.")
        marks = _MARKS.findall(self.pattern or "")
        if marks.count(ANYTHING) > MOST_WILDCARDS or marks.count(ASSET) > 1 or marks.count(STREAM) > 1:
            once = "A pattern holds {asset} and {stream} once"
            raise InvalidInput(f"{once}, and * at most {MOST_WILDCARDS} times; make it narrower.")
        if self.asset is None and ASSET not in marks:
            raise InvalidInput("Name the asset, or let the pattern find it: lab/{asset}/telemetry#{stream}.")
        if self.asset is not None and ASSET in marks:
            raise InvalidInput("The asset is given and the pattern would find it too; keep one of the two.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plugged:
    """What is to be declared, and addresses that match and are left out because their asset is not in the lab."""

    declared: Inventory
    left_out: tuple[str, ...] = ()


@dataclass(kw_only=True, slots=True)
class _Wanted:
    """An address that shall be bound, to a stream of this name where one is given."""

    seen: Seen
    asset: str
    stream: str | None = None


def plugged(present: Inventory, plug: Plug, seen: Sequence[Seen]) -> Plugged:
    """Work out streams and bindings; a stream that is there and fed by nothing is taken, a missing one is made.

    `seen` is what is not bound at the source. What is bound already as asked changes nothing. Raises InvalidInput for
    parts that do not go together, NotFound where source or asset are not there or nothing matches, and Conflict,
    with every case, where a stream is fed already or does not fit what arrives.
    """
    plug.check()
    if plug.source not in present.sources:
        raise NotFound(f"There is no source {plug.source!r}; GET /v1/sources lists those there are.")
    if plug.asset is not None and plug.asset not in present.assets:
        raise NotFound(f"There is no asset {plug.asset!r}; enter it with POST /v1/assets or in lab.yaml.")
    match = _Matcher(plug, present.assets)
    wanted, left_out = list[_Wanted](), list[str]()
    for one in seen:
        found = match(one.address)
        if found is None:
            continue
        asset, stream = found
        if asset in present.assets:
            wanted.append(_Wanted(seen=one, asset=asset, stream=stream))
        else:
            left_out.append(one.address)
    if not wanted:
        return Plugged(declared=_bound_already(present, plug, match, left_out), left_out=tuple(left_out))
    _name(wanted)
    return Plugged(declared=_declared(present, plug, wanted), left_out=tuple(left_out))


class _Matcher:
    """Tells the asset and the stream's name of an address, as far as it says them; None for one that is not meant."""

    def __init__(self, plug: Plug, assets: Mapping[str, AssetEntry]) -> None:
        self._plug = plug
        self._pattern = None if plug.pattern is None else _expression(plug.pattern)
        self._assets = assets

    def __call__(self, address: str) -> tuple[str, str | None] | None:
        plug = self._plug
        if plug.address is not None:
            return (plug.asset or "", plug.stream) if address == plug.address else None
        if self._pattern is not None:
            match = self._pattern.fullmatch(address)
            if match is None:
                return None
            parts = match.groupdict()
            stream = parts.get("stream")
            return plug.asset or parts["asset"], None if stream is None else stream_name(stream)
        asset = plug.asset or ""
        return (asset, None) if self._names(asset, address) else None

    def _names(self, asset: str, address: str) -> bool:
        """Tell whether an address is the asset's.

        A topic is whose `topics` cover it; else of the assets that it names. What a message says of itself counts on a
        topic that is nobody's, or a device could speak for another's machine.
        """
        topic = topic_of(address)
        declared = {slug for slug, entry in self._assets.items() if any(covers(one, topic) for one in entry.topics)}
        return asset in (declared or _words(topic) & self._assets.keys() or _words(address))


def _words(text: str) -> set[str]:
    return set(_BETWEEN.split(text.lower()))


def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_PARTS.get(part) or re.escape(part) for part in _MARKS.split(pattern)), flags=re.DOTALL)


def _bound_already(present: Inventory, plug: Plug, match: _Matcher, left_out: Sequence[str]) -> Inventory:
    """Declare what is bound as asked; raises NotFound where there is nothing of the kind, Conflict for another."""
    kept: dict[tuple[str, str], BindingEntry] = {}
    for place, binding in present.bindings.items():
        found = match(place[1]) if place[0] == plug.source else None
        if found is None:
            continue
        asset, stream = found
        is_asset, is_stream = binding.stream.split(".")
        if plug.address is not None and (asset, stream or is_stream) != (is_asset, is_stream):
            raise Conflict(f"{plug.address} at {plug.source} feeds {binding.stream} already.")
        kept[place] = binding
    if kept:
        return Inventory(bindings=kept)
    if left_out:
        raise NotFound(
            f"{left_out[0]} names an asset that is not in the lab; enter it with POST /v1/assets or in lab.yaml."
        )
    what = plug.address or plug.pattern or f"an address that names {plug.asset}"
    raise NotFound(
        f"Nothing that arrives at {plug.source} and is not bound yet is {what}; GET /v1/discoveries lists what does."
    )


def _declared(present: Inventory, plug: Plug, wanted: Sequence[_Wanted]) -> Inventory:
    """Hold each stream against those there are; raises Conflict with every case that does not fit."""
    fed = {binding.stream: place for place, binding in present.bindings.items()}
    streams: dict[str, StreamEntry] = {}
    bindings: dict[tuple[str, str], BindingEntry] = {}
    refused: list[str] = []
    for one in wanted:
        reference = f"{one.asset}.{one.stream}"
        entry = present.streams.get(reference)
        if reference in streams:
            refused.append(f"{one.seen.address}: {reference} would be fed by another of these too")
        elif reference in fed:
            refused.append(f"{one.seen.address}: {reference} is fed by {' '.join(fed[reference])} already")
        elif entry is not None and (why := _misfit(entry, one.seen, plug.unit)):
            refused.append(f"{one.seen.address}: {reference} {why}")
        streams[reference] = entry or one.seen.stream(plug.unit)
        bindings[plug.source, one.seen.address] = BindingEntry(stream=reference)
    if refused:
        hint = "Bind such an address alone, with a stream of another name or its right unit."
        raise Conflict(f"This cannot be bound. {hint}\n" + "\n".join(f"  {line}" for line in refused))
    return Inventory(streams=streams, bindings=bindings)


def _misfit(entry: StreamEntry, seen: Seen, unit: str | None) -> str:
    if (entry.kind is Kind.TEXT) != (seen.kind is Kind.TEXT):
        return f"holds values of the kind {entry.kind.value}, and {seen.kind.value} arrives"
    told = unit or seen.unit
    if told is not None and told != entry.unit:
        return f"has the unit {entry.unit}, and {told} arrives"
    return ""


def _name(wanted: Sequence[_Wanted]) -> None:
    """Name the streams that nobody named: by the end of the address, with as many levels as tell them apart."""
    unnamed = [one for one in wanted if one.stream is None]
    deepest = max((len(_levels(one.seen.address)) for one in unnamed), default=0)
    for depth in range(1, deepest + 1):
        names: dict[tuple[str, str], list[_Wanted]] = {}
        for one in unnamed:
            names.setdefault((one.asset, _ending(one.seen.address, one.asset, depth)), []).append(one)
        for (_, name), group in names.items():
            if len(group) == 1 or depth == deepest:
                for one in group:
                    one.stream = name
        unnamed = [one for one in unnamed if one.stream is None]


def _ending(address: str, asset: str, depth: int) -> str:
    levels = [level for level in _levels(address)[-depth:] if level != asset]
    return stream_name("_".join(levels) or "value")


def _levels(address: str) -> list[str]:
    """Cut an address into levels of its topic and the path within the message; or an OPC UA node id into its parts.

    An OPC UA browse path is cut into its names, without their namespaces.
    """
    if address.startswith(_BROWSE_PATH):
        address = _NAMESPACE.sub("", address.removeprefix(_BROWSE_PATH))
    topic, mark, path = address.partition("#")
    if not mark and ";" in address:
        return [part.partition("=")[2] or part for part in address.split(";", 1)]
    return [level for level in [*topic.split("/"), path] if level]


def stream_name(text: str) -> str:
    """Make a stream's name of any text: small letters, digits and underscores, a letter first."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower()
    name = re.sub(r"[^a-z0-9]+", "_", words).strip("_")
    if not name or not name[0].isalpha():
        name = f"value_{name}".rstrip("_")
    return name[:_LONGEST_NAME].rstrip("_")
