"""What is in the catalogue of a lab, read whole, for whoever administers it."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from sqlalchemy import Connection, text

from fieldlab.assets.asset import Kind, Nature
from fieldlab.assets.inventory import (
    AssetEntry,
    BindingEntry,
    Booking,
    Inventory,
    ParticipantEntry,
    SourceEntry,
    StreamEntry,
    TrialEntry,
)
from fieldlab.assets.participant import Role
from fieldlab.assets.source import Wire
from fieldlab.ownership.booking import joined
from fieldlab.ownership.interval import Interval

_PARTICIPANTS: Final = text("SELECT slug, name, role FROM fieldlab.participant ORDER BY id")
"""Everybody in the lab."""

_SOURCES: Final = text("SELECT slug, wire, url, options FROM fieldlab.source ORDER BY id")
"""Every configured connection."""

_ASSETS: Final = text(
    """
    SELECT a.slug, a.name, p.slug AS home_owner, a.nature, a.place, a.description, a.topics
    FROM fieldlab.asset AS a JOIN fieldlab.participant AS p ON p.id = a.home_owner_id ORDER BY a.id
    """
)
"""Every machine."""

_STREAMS: Final = text(
    """
    SELECT a.slug AS asset, s.name, s.kind, s.unit, s.quantity, s.semantic_id, s.description, s.low, s.high,
           s.lateness
    FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id ORDER BY a.id, s.id
    """
)
"""Every stream."""

_BINDINGS: Final = text(
    """
    SELECT q.slug AS source, b.address, a.slug AS asset, s.name
    FROM fieldlab.binding AS b
    JOIN fieldlab.source AS q ON q.id = b.source_id
    JOIN fieldlab.stream AS s ON s.id = b.stream_id
    JOIN fieldlab.asset AS a ON a.id = s.asset_id
    ORDER BY q.id, s.id, b.address
    """
)
"""Every bound address."""

_TRIALS: Final = text(
    """
    SELECT t.slug, p.slug AS participant
    FROM fieldlab.trial AS t JOIN fieldlab.participant AS p ON p.id = t.participant_id ORDER BY t.id
    """
)
"""Every trial."""

_BOOKINGS: Final = text(
    """
    SELECT r.slug AS trial, a.slug AS asset, s.name AS stream, t.start, t.until,
           (SELECT count(*) FROM fieldlab.stream AS o WHERE o.asset_id = a.id) AS streams
    FROM fieldlab.tenure AS t
    JOIN fieldlab.trial AS r ON r.id = t.trial_id
    JOIN fieldlab.stream AS s ON s.id = t.stream_id
    JOIN fieldlab.asset AS a ON a.id = s.asset_id
    ORDER BY trial, asset, s.id, t.start
    """
)
"""When each trial has which streams of which machine, and how many streams that has."""


def read_inventory(connection: Connection) -> Inventory:
    """Read all of it; neighbouring tenures of one trial are one booking."""
    return Inventory(
        participants={
            row.slug: ParticipantEntry(name=row.name, role=Role(row.role)) for row in connection.execute(_PARTICIPANTS)
        },
        sources={
            row.slug: SourceEntry(wire=Wire(row.wire), url=row.url, options=row.options)
            for row in connection.execute(_SOURCES)
        },
        assets={
            row.slug: AssetEntry(
                name=row.name,
                home_owner=row.home_owner,
                nature=Nature(row.nature),
                place=row.place,
                description=row.description,
                topics=tuple(row.topics),
            )
            for row in connection.execute(_ASSETS)
        },
        streams={
            f"{row.asset}.{row.name}": StreamEntry(
                kind=Kind(row.kind),
                unit=row.unit,
                quantity=row.quantity,
                semantic_id=row.semantic_id,
                description=row.description,
                low=row.low,
                high=row.high,
                lateness=row.lateness,
            )
            for row in connection.execute(_STREAMS)
        },
        bindings={
            (row.source, row.address): BindingEntry(stream=f"{row.asset}.{row.name}")
            for row in connection.execute(_BINDINGS)
        },
        trials={row.slug: TrialEntry(participant=row.participant) for row in connection.execute(_TRIALS)},
        bookings=tuple(_bookings(connection)),
    )


def _bookings(connection: Connection) -> Iterator[Booking]:
    """Read what is booked when: of a machine as a whole where all its streams are, else stream by stream."""
    for (trial, asset, streams), rows in groupby(
        connection.execute(_BOOKINGS), key=lambda row: (row.trial, row.asset, row.streams)
    ):
        held: dict[str, list[Interval]] = defaultdict(list)
        for row in rows:
            held[row.stream].append(Interval(start=row.start, until=row.until))
        having: dict[Interval, list[str]] = defaultdict(list)
        for stream, intervals in held.items():
            for part in joined(intervals):
                having[part].append(stream)
        for part, names in sorted(having.items()):
            for name in [""] if len(names) == streams else names:
                yield Booking(trial=trial, asset=asset, stream=name, start=part.start, until=part.until)
