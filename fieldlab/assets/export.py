"""Writing what is in a lab as a declaration: applied to the same lab it changes nothing, an empty one it fills."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from fieldlab.assets.inventory import AssetEntry, Booking, Inventory, StreamEntry
from fieldlab.assets.lab import ASSET, STREAM, Lab

Written = dict[str, Any]


def declaration(inventory: Inventory) -> Lab:
    """Give the declaration of an inventory, with every stream written out and addresses as short as they can be."""
    addresses: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for (source, address), binding in inventory.bindings.items():
        addresses[binding.stream][source].append(address)
    streams: dict[str, dict[str, StreamEntry]] = defaultdict(dict)
    for reference, stream in inventory.streams.items():
        asset, _, name = reference.partition(".")
        streams[asset][name] = stream
    bound: set[tuple[str, str]] = set()
    assets = {
        slug: _asset(slug, entry, streams[slug], {name: addresses[f"{slug}.{name}"] for name in streams[slug]}, bound)
        for slug, entry in inventory.assets.items()
    }
    others: dict[str, dict[str, str]] = defaultdict(dict)
    for (source, address), binding in inventory.bindings.items():
        if (source, address) not in bound:
            others[source][address] = binding.stream
    return Lab.model_validate(
        {
            "participants": {
                slug: {"name": one.name, "role": one.role} for slug, one in inventory.participants.items()
            },
            "sources": {
                slug: {"wire": one.wire, "url": one.url, "options": one.options}
                for slug, one in inventory.sources.items()
            },
            "assets": assets,
            "bindings": others,
            "trials": {
                slug: {"participant": one.participant, **_times(slug, inventory)}
                for slug, one in inventory.trials.items()
            },
        }
    )


def _asset(
    slug: str,
    entry: AssetEntry,
    streams: Mapping[str, StreamEntry],
    addresses: Mapping[str, Mapping[str, list[str]]],
    bound: set[tuple[str, str]],
) -> Written:
    """Write an asset, and enter in `bound` the addresses that it names."""
    written: Written = {
        "name": entry.name,
        "home_owner": entry.home_owner,
        "nature": entry.nature,
        "place": entry.place,
        "description": entry.description,
        "topics": entry.topics,
    }
    used = Counter(source for of_stream in addresses.values() for source in of_stream)
    source = used.most_common(1)[0][0] if used else None
    own = {name: of_stream[source][0] for name, of_stream in addresses.items() if source and source in of_stream}
    if source is not None:
        written["source"] = source
        bound |= {(source, address) for address in own.values()}
    template = _template(slug, own) if len(own) == len(streams) > 1 else None
    if template is not None:
        written["address"], own = template, {}
    written["streams"] = {
        name: {
            "unit": stream.unit,
            "quantity": stream.quantity,
            "kind": stream.kind,
            "description": stream.description,
            "semantic_id": stream.semantic_id,
            "limits": {"low": stream.low, "high": stream.high},
            "lateness": stream.lateness,
            "address": own.get(name),
        }
        for name, stream in streams.items()
    }
    return written


def _template(slug: str, addresses: Mapping[str, str]) -> str | None:
    """Find the one template that gives all these addresses, if there is one."""
    name, address = next(iter(addresses.items()))
    if not address.endswith(name):
        return None
    front = re.sub(rf"(?<![a-z0-9-]){slug}(?![a-z0-9-])", lambda _: ASSET, address.removesuffix(name))
    template = front + STREAM
    fits = all(template.replace(ASSET, slug).replace(STREAM, name) == given for name, given in addresses.items())
    return template if fits else None


def _times(trial: str, inventory: Inventory) -> Written:
    """Write when a trial has which assets and streams: at once if it is one time, else as bookings."""
    had: dict[tuple[str, str], list[Booking]] = defaultdict(list)
    for booking in inventory.bookings:
        if booking.trial == trial:
            had[str(booking.start), str(booking.until)].append(booking)
    times: list[Written] = [
        {
            "assets": [one.asset for one in bookings if not one.stream],
            "streams": [f"{one.asset}.{one.stream}" for one in bookings if one.stream],
            "from": start,
            "until": until,
        }
        for (start, until), bookings in had.items()
    ]
    return times[0] if len(times) == 1 else {"bookings": times}
