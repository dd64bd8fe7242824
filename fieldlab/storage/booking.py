"""Booking machines for declared trials: the same arithmetic and the same history as a hand-over."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from sqlalchemy import Connection, text

from fieldlab.assets.asset import Nature
from fieldlab.assets.difference import Change, Mark, Property
from fieldlab.assets.inventory import AssetEntry, Booking, Inventory
from fieldlab.errors import Conflict, TenureConflict
from fieldlab.ownership import tenure as timelines
from fieldlab.ownership.booking import joined, missing, remaining
from fieldlab.ownership.interval import Interval
from fieldlab.ownership.tenure import Tenure, Timeline
from fieldlab.storage.tenures import moment, tenure_of, written

PRINCIPAL: Final = "fieldlab apply"
"""Who stands in the history of tenures for what a declaration booked."""

_LOCK: Final = text("LOCK TABLE fieldlab.tenure IN SHARE ROW EXCLUSIVE MODE")
"""Lets no hand-over in between; those that had begun begin anew."""

_TIMELINES: Final = text(
    """
    SELECT t.id, a.slug AS asset, s.name AS stream, t.stream_id, p.slug AS owner, r.slug AS trial, t.start, t.until,
           t.booked
    FROM fieldlab.tenure AS t
    JOIN fieldlab.stream AS s ON s.id = t.stream_id
    JOIN fieldlab.asset AS a ON a.id = s.asset_id
    JOIN fieldlab.participant AS p ON p.id = t.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = t.trial_id
    WHERE a.slug = ANY (:assets) ORDER BY a.slug, t.stream_id, t.start
    """
)
"""The tenures of these machines, by machine, stream and time."""

_RETURNS: Final = text(
    """
    SELECT a.slug AS asset, s.name AS stream, r.slug AS trial, gone ->> 'start' AS start, gone ->> 'until' AS until,
           ARRAY(SELECT ARRAY[new ->> 'start', new ->> 'until'] FROM jsonb_array_elements(e.added) AS new
                 WHERE new -> 'stream_id' = gone -> 'stream_id' AND new -> 'trial_id' = gone -> 'trial_id') AS kept
    FROM fieldlab.tenure_event AS e
    JOIN fieldlab.asset AS a ON a.id = e.asset_id
    CROSS JOIN LATERAL jsonb_array_elements(e.removed) AS gone
    JOIN fieldlab.trial AS r ON r.id = (gone ->> 'trial_id')::integer
    JOIN fieldlab.stream AS s ON s.id = (gone ->> 'stream_id')::integer
    WHERE e.kind <> 'hand_over' AND a.slug = ANY (:assets)
    """
)
"""What trials gave back early, or never had as it turned out."""

_MEASURED: Final = text(
    """
    SELECT EXISTS (SELECT FROM fieldlab.measurement
                   WHERE stream_id = ANY (:streams) AND time >= :start AND time < :until)
    """
)
"""Whether anything is stored that a booking of the past would give to another."""

_TAKE_OUT: Final = text(
    """
    WITH gone AS (
        DELETE FROM fieldlab.tenure WHERE id = ANY (:ids)
        RETURNING stream_id, owner_id, trial_id, start, until, booked)
    SELECT coalesce(jsonb_agg(to_jsonb(gone)), '[]') FROM gone
    """
)
"""Takes tenures out, and gives them for the history."""

_PUT_IN: Final = text(
    """
    WITH new AS (
        INSERT INTO fieldlab.tenure (stream_id, owner_id, trial_id, start, until, booked)
        SELECT row.stream, p.id, r.id, row.start, row.until, row.booked
        FROM jsonb_to_recordset(CAST(:rows AS jsonb))
            AS row (stream integer, owner text, trial text, start timestamptz, until timestamptz, booked boolean)
        JOIN fieldlab.participant AS p ON p.slug = row.owner
        LEFT JOIN fieldlab.trial AS r ON r.slug = row.trial
        RETURNING stream_id, owner_id, trial_id, start, until, booked)
    SELECT coalesce(jsonb_agg(to_jsonb(new)), '[]') FROM new
    """
)
"""Puts tenures in, and gives them for the history."""

_RECORD: Final = text(
    """
    INSERT INTO fieldlab.tenure_event (asset_id, principal, kind, removed, added)
    SELECT id, :principal, 'hand_over', CAST(:removed AS jsonb), CAST(:added AS jsonb)
    FROM fieldlab.asset WHERE slug = :asset
    """
)
"""Appends what was booked to the history."""

_Part = tuple[str, str, str]
"""Trial, machine, and the name of a stream of it, or nothing for all of them."""

Streams = dict[tuple[int, str], dict[Tenure, int]]
"""For each stream of a machine, by key and name, its tenures, in order of time, with their keys."""


def book(connection: Connection, present: Inventory, declared: Inventory) -> tuple[Change, ...]:
    """Enter what is missing of the declared bookings, and list that, and the bookings that are not declared.

    Raises TenureConflict where a machine is booked by others, Conflict where data is stored in time that would change
    its owner.
    """
    changes: list[Change] = []
    assets = sorted({booking.asset for booking in declared.bookings})
    if assets:
        connection.execute(_LOCK)
        timelines_, returned = _timelines(connection, assets), _returned(connection, assets)
        for asset in assets:
            bookings = [booking for booking in declared.bookings if booking.asset == asset]
            owned = [(booking, declared.trials[booking.trial].participant) for booking in bookings]
            _refuse_replay(declared.assets[asset], owned)
            changes += _book(connection, asset, owned, timelines_.get(asset, {}), returned)
    return (*changes, *_kept(present, declared))


def _refuse_replay(asset: AssetEntry, bookings: Sequence[tuple[Booking, str]]) -> None:
    """Raise Conflict where a recording is booked by anybody but its home owner."""
    for booking, owner in bookings:
        if asset.nature is Nature.REPLAY and owner != asset.home_owner:
            raise Conflict(
                f"booking {booking}: the asset is a recording, and what it plays stays {asset.home_owner}'s; "
                "leave it out, and ask that owner for an agreement."
            )


def _book(
    connection: Connection,
    asset: str,
    bookings: Sequence[tuple[Booking, str]],
    streams: Streams,
    returned: Mapping[_Part, list[Interval]],
) -> Iterator[Change]:
    """Enter the bookings of one machine as one event of its history."""
    if not streams:
        raise Conflict(f"booking {bookings[0][0]}: the asset has no stream yet; declare its streams first.")
    after: dict[tuple[int, str], Timeline] = {stream: tuple(before) for stream, before in streams.items()}
    for booking, owner in bookings:
        interval = Interval(start=booking.start, until=booking.until)
        tenure = Tenure(owner=owner, trial=booking.trial, booked=True, interval=interval)
        entered: list[Interval] = []
        meant = {one: line for one, line in after.items() if booking.stream in {"", one[1]}}
        for stream, timeline in meant.items():
            parts = missing(timeline, tenure, returned=returned.get((booking.trial, asset, booking.stream), []))
            after[stream] = _handed_over(timeline, tenure, parts, booking)
            entered += parts
        for part in joined(entered):
            if connection.scalar(
                _MEASURED, {"streams": [key for key, _ in meant], "start": part.start, "until": part.until}
            ):
                raise Conflict(
                    f"booking {booking}: data of {part.start} until {part.until} is stored, and a file does not change "
                    "whose it is; begin later, or use a hand-over."
                )
            yield _change(Mark.ADDED, booking, part)
    removed = [id_ for stream, before in streams.items() for one, id_ in before.items() if one not in after[stream]]
    added = [written(one[0], new) for one, before in streams.items() for new in after[one] if new not in before]
    if added:
        gone = connection.scalar(_TAKE_OUT, {"ids": removed})
        new = connection.scalar(_PUT_IN, {"rows": json.dumps(added)})
        record = {"asset": asset, "removed": json.dumps(gone), "added": json.dumps(new)}
        connection.execute(_RECORD, {"principal": PRINCIPAL, **record})


def _handed_over(timeline: Timeline, tenure: Tenure, parts: tuple[Interval, ...], booking: Booking) -> Timeline:
    for part in parts:
        try:
            timeline = timelines.hand_over(timeline, replace(tenure, interval=part))
        except TenureConflict as error:
            raise TenureConflict(f"booking {booking}: {error}") from None
    return timeline


def _timelines(connection: Connection, assets: list[str]) -> dict[str, Streams]:
    found: dict[str, Streams] = defaultdict(dict)
    rows = connection.execute(_TIMELINES, {"assets": assets})
    for (asset, stream), tenures in groupby(rows, key=lambda row: (row.asset, (row.stream_id, row.stream))):
        found[asset][stream] = {tenure_of(row): row.id for row in tenures}
    return found


def _returned(connection: Connection, assets: list[str]) -> dict[_Part, list[Interval]]:
    """Give for trial and machine, and for each stream of it, the time that was booked and given back."""
    found: dict[_Part, list[Interval]] = defaultdict(list)
    for row in connection.execute(_RETURNS, {"assets": assets}):
        kept = [Interval(start=moment(start), until=moment(until)) for start, until in row.kept]
        parts = remaining(Interval(start=moment(row.start), until=moment(row.until)), kept)
        for stream in ("", row.stream):
            found[row.trial, row.asset, stream] += parts
    return found


def _kept(present: Inventory, declared: Inventory) -> Iterator[Change]:
    for booking in present.bookings:
        interval = Interval(start=booking.start, until=booking.until)
        having = [one for one in declared.bookings if (one.trial, one.asset) == (booking.trial, booking.asset)]
        rest: dict[tuple[Interval, ...], list[str]] = defaultdict(list)
        for name in [booking.stream] if booking.stream else present.streams_of(booking.asset):
            meant = [one for one in having if one.stream in {"", name}]
            rest[remaining(interval, [Interval(start=one.start, until=one.until) for one in meant])].append(name)
        for parts, names in rest.items():
            for name in [booking.stream] if len(rest) == 1 else names:
                yield from (_change(Mark.KEPT, replace(booking, stream=name), part) for part in parts)


def _change(mark: Mark, booking: Booking, part: Interval) -> Change:
    times = tuple(Property(name=name, old=None, new=at) for name, at in (("from", part.start), ("until", part.until)))
    return Change(mark=mark, kind="booking", name=str(booking), properties=times)
