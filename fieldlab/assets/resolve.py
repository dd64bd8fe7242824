"""Working a declaration out: types and templates put in, every name held against what is declared."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import combinations

from fieldlab.assets.asset_type import AssetTypes
from fieldlab.assets.inventory import (
    AssetEntry,
    BindingEntry,
    Booking,
    Inventory,
    ParticipantEntry,
    Place,
    SourceEntry,
    StreamEntry,
    TrialEntry,
)
from fieldlab.assets.lab import ASSET, STREAM, DeclaredAsset, DeclaredBooking, DeclaredStream, DeclaredTrial, Lab
from fieldlab.assets.name import split_reference
from fieldlab.errors import InvalidInput

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What is wrong in a declaration, and the keys that lead to it."""

    path: Path
    message: str

    def __str__(self) -> str:
        """Write it with dots between the keys."""
        return f"{'.'.join(map(str, self.path)) or 'the file'}: {self.message}"


@dataclass(kw_only=True, slots=True)
class Resolution:
    """A declaration worked out as far as it can be, and what is wrong with it."""

    inventory: Inventory
    faults: list[Fault] = field(default_factory=list)

    def sound(self) -> Inventory:
        """Give the inventory; raises InvalidInput with every fault."""
        if self.faults:
            raise InvalidInput("This does not declare a lab:\n" + "\n".join(f"  {fault}" for fault in self.faults))
        return self.inventory


def resolve(lab: Lab, types: AssetTypes) -> Resolution:
    """Work a declaration out; `types` are those that need not be declared."""
    known = {**types, **lab.types}
    of_asset = {slug: _streams_of(asset, known) for slug, asset in lab.assets.items()}
    streams = {f"{slug}.{name}": _entry(one) for slug, found in of_asset.items() for name, one in found.items()}
    faults = [*_type_faults(lab)]
    for slug, asset in lab.assets.items():
        faults += _asset_faults(lab, slug, asset, known)
    bindings: dict[Place, BindingEntry] = {}
    for place, stream, path in [*_own_bindings(lab, of_asset), *_other_bindings(lab, streams, faults)]:
        other = bindings.setdefault(place, BindingEntry(stream=stream))
        if other.stream != stream:
            faults.append(Fault(path=path, message=f"{' '.join(place)} feeds {other.stream} already"))
    bookings = tuple(_bookings(lab, streams, faults))
    inventory = Inventory(
        participants={slug: ParticipantEntry(name=one.name, role=one.role) for slug, one in lab.participants.items()},
        sources={
            slug: SourceEntry(wire=one.wire, url=one.url, options=one.options) for slug, one in lab.sources.items()
        },
        assets={
            slug: AssetEntry(
                name=one.name,
                home_owner=one.home_owner,
                nature=one.nature,
                place=one.place,
                description=one.description,
                topics=one.topics,
            )
            for slug, one in lab.assets.items()
        },
        streams=streams,
        bindings=bindings,
        trials={slug: TrialEntry(participant=one.participant) for slug, one in lab.trials.items()},
        bookings=bookings,
    )
    return Resolution(inventory=inventory, faults=faults)


def _type_faults(lab: Lab) -> Iterator[Fault]:
    message = "a type is for many machines; give the asset an address with {asset} and {stream}"
    for name, one in lab.types.items():
        for stream, declared in one.streams.items():
            if declared.address is not None:
                yield Fault(path=("types", name, "streams", stream, "address"), message=message)


def _own_bindings(lab: Lab, of_asset: Mapping[str, Mapping[str, DeclaredStream]]) -> Iterator[tuple[Place, str, Path]]:
    """Give the bindings that stand at the assets, with the keys that lead to each."""
    for slug, streams in of_asset.items():
        asset = lab.assets[slug]
        for name, declared in streams.items():
            address = declared.address or _put_in(asset.address, slug, name)
            if address is not None and asset.source is not None:
                own = ("streams", name) if declared.address else ()
                yield (asset.source, address), f"{slug}.{name}", ("assets", slug, *own, "address")


def _other_bindings(
    lab: Lab, streams: Mapping[str, StreamEntry], faults: list[Fault]
) -> Iterator[tuple[Place, str, Path]]:
    """Give the bindings that stand by themselves; one that leads nowhere is a fault."""
    for source, addresses in lab.bindings.items():
        if source not in lab.sources:
            faults.append(_unknown(("bindings", source), "source", source, lab.sources))
        for address, reference in addresses.items():
            path = ("bindings", source, address)
            if split_reference(reference) is None:
                message = f"{reference!r} names no stream; write it as asset.stream, such as mill-1.spindle_current"
                faults.append(Fault(path=path, message=message))
            elif reference not in streams:
                faults.append(_unknown(path, "stream", reference, streams))
            else:
                yield (source, address), reference, path


def _streams_of(asset: DeclaredAsset, types: AssetTypes) -> dict[str, DeclaredStream]:
    typed = types[asset.type].streams if asset.type is not None and asset.type in types else {}
    kept = {name: one for name, one in typed.items() if name not in asset.leave_out}
    return kept | {name: one.over(kept[name]) if name in kept else one for name, one in asset.streams.items()}


def _put_in(template: str | None, asset: str, stream: str) -> str | None:
    return None if template is None else template.replace(ASSET, asset).replace(STREAM, stream)


def _asset_faults(lab: Lab, slug: str, asset: DeclaredAsset, types: AssetTypes) -> Iterator[Fault]:
    here = ("assets", slug)
    if asset.home_owner not in lab.participants:
        yield _unknown((*here, "home_owner"), "participant", asset.home_owner, lab.participants)
    if asset.source is not None and asset.source not in lab.sources:
        yield _unknown((*here, "source"), "source", asset.source, lab.sources)
    if asset.source is None:
        bound = next((name for name, stream in asset.streams.items() if stream.address is not None), None)
        if bound is not None:
            yield Fault(path=(*here, "streams", bound, "address"), message="the asset names no source")
        if asset.address is not None:
            yield Fault(path=(*here, "address"), message="the asset names no source")
    if asset.type is not None and asset.type not in types:
        yield _unknown((*here, "type"), "asset type", asset.type, types)
        return
    typed = types[asset.type].streams if asset.type is not None else {}
    for at, name in enumerate(asset.leave_out):
        if name not in typed:
            yield Fault(path=(*here, "leave_out", at), message=f"its type has no stream {name!r} to be left out")
        elif name in asset.streams:
            yield Fault(path=(*here, "leave_out", at), message=f"{name!r} stands among the asset's streams too")


def _bookings(lab: Lab, streams: Mapping[str, StreamEntry], faults: list[Fault]) -> Iterator[Booking]:
    by_asset: dict[str, list[Booking]] = {}
    for slug, trial in lab.trials.items():
        if trial.participant not in lab.participants:
            faults.append(_unknown(("trials", slug, "participant"), "participant", trial.participant, lab.participants))
        faults += _not_there(("trials", slug), trial, lab, streams)
        for number, part in enumerate(trial.bookings):
            faults += _not_there(("trials", slug, "bookings", number), part, lab, streams)
        for asset, stream, start, until in trial.booked():
            booking = Booking(trial=slug, asset=asset, stream=stream, start=start, until=until)
            by_asset.setdefault(asset, []).append(booking)
            yield booking
    for asset, bookings in by_asset.items():
        for one, other in combinations(bookings, 2):
            if one.meets(other) and one.start < other.until and other.start < one.until:
                message = f"{asset} is booked by {one.trial} from {one.start} until {one.until} already"
                faults.append(Fault(path=("trials", other.trial), message=message))


def _not_there(
    path: Path, booking: DeclaredTrial | DeclaredBooking, lab: Lab, streams: Mapping[str, StreamEntry]
) -> Iterator[Fault]:
    for at, name in enumerate(booking.assets):
        if name not in lab.assets:
            yield _unknown((*path, "assets", at), "asset", name, lab.assets)
    for at, name in enumerate(booking.streams):
        if name not in streams:
            yield _unknown((*path, "streams", at), "stream", name, streams)


def _entry(stream: DeclaredStream) -> StreamEntry:
    return StreamEntry(
        kind=stream.kind,
        unit=stream.unit,
        quantity=stream.quantity,
        semantic_id=stream.semantic_id,
        description=stream.description,
        low=stream.limits.low,
        high=stream.limits.high,
        lateness=stream.lateness,
    )


def _unknown(path: Path, kind: str, name: str, known: Mapping[str, object] | Iterable[str]) -> Fault:
    near = get_close_matches(name, list(known), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return Fault(path=path, message=f"no {kind} {name!r} is declared{hint}")
