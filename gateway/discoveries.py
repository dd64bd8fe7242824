"""Addresses that no stream is bound to: what they send is noted, and held until somebody binds them."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import numpy as np

from fieldlab.assets.asset import Kind
from fieldlab.assets.quantity import quantity_of
from fieldlab.errors import Unavailable
from fieldlab.readings.instant import SECOND, Instant
from fieldlab.readings.reject import Reason
from fieldlab.storage.account import Refusal
from fieldlab.storage.bindings import Catalogue
from fieldlab.storage.rows import Rows
from fieldlab.storage.spool import Entry, Held, Spool, Stock
from fieldlab.storage.write import Discovery
from gateway.block import Block
from gateway.descriptions import Descriptions
from gateway.limits import Limits
from gateway.record import Record, decode, encode

_PIECES: Final = 200
"""Pieces that go back into the log in one step."""

Key = tuple[int, str]


class Discoveries:
    """What is known of unbound addresses; its samples lie in the spool. For the thread that works on the spool."""

    def __init__(self, *, spool: Spool, limits: Limits, descriptions: Descriptions) -> None:
        self._spool = spool
        self._limits = limits
        self._descriptions = descriptions
        self._held: dict[Key, Stock] = {}
        self._bytes = 0
        self._noted: dict[Key, Discovery] = {}

    @property
    def size(self) -> int:
        """Count the samples that are held."""
        return sum(stock.size for stock in self._held.values())

    def begin(self, *, written: int) -> dict[int, int]:
        """Take off the spool what is written, and forget what was held from batches that did not commit.

        Gives, by source, how many samples and rejects of the spool do not wait any more.
        """
        settled = self._spool.catch_up(written=written)
        self._held = self._spool.held()
        self._bytes = sum(stock.bytes for stock in self._held.values())
        return settled

    def hold(self, blocks: Iterable[Block], *, batch: int) -> list[Refusal]:
        """Hold samples at unbound addresses, as part of the batch that ends with this record.

        What there is no room for is refused.
        """
        held: list[Held] = []
        refusals: list[Refusal] = []
        for block in blocks:
            for code in np.unique(block.codes).tolist():
                part = block.at(code)
                self._note(part)
                piece = _piece(part, batch)
                if self._fits(piece):
                    held.append(piece)
                    self._count(piece, 1)
                else:
                    refusals.append(_refusal(part, "more came than is held"))
        try:
            self._spool.hold(held)
        except Unavailable:
            for piece in held:
                self._count(piece, -1)
                refusals.append(_refusal(decode(piece.body).block, "the disk did not take it"))
        return refusals

    def owes(self, catalogue: Catalogue) -> bool:
        """Tell whether something is held at an address that is bound now."""
        return any(address in catalogue.bindings.get(source, {}) for source, address in tuple(self._held))

    def release(self, catalogue: Catalogue, *, written: int) -> int:
        """Put what is held at addresses that are bound now back into the log; give its last record, 0 for none.

        What batches behind `written` held is not to be given yet. Where the disk takes no more, the rest stays held.
        """
        last = 0
        with suppress(Unavailable):
            for source, address in list(self._held):
                if address in catalogue.bindings.get(source, {}):
                    while pieces := self._spool.held_at(source=source, address=address, written=written, most=_PIECES):
                        last = self._return(pieces, [_entry(piece) for piece in pieces])
        return last

    def expire(self, *, now: Instant, written: int) -> int:
        """Turn what was held for too long into rejects; give their last record, 0 for none.

        Where the disk takes no more, the rest stays held.
        """
        last, oldest = 0, now - self._limits.held_age * SECOND
        with suppress(Unavailable):
            for (source, address), stock in list(self._held.items()):
                if stock.oldest >= oldest:
                    continue
                pieces = self._spool.held_at(source=source, address=address, written=written, most=_PIECES)
                old = [piece for piece in pieces if piece.received_at < oldest]
                last = max(last, self._return(old, [_expired(piece) for piece in old]))
        return last

    def noted(self, catalogue: Catalogue) -> list[Discovery]:
        """Give what was noted, or told by a source and is not bound, since the last time, and begin anew."""
        noted, self._noted = self._noted, {}
        for (source, address), at in self._descriptions.fresh().items():
            if (source, address) not in noted and address not in catalogue.bindings.get(source, {}):
                noted[source, address] = _announced(source, address, at)
        return [self._described(one) for one in noted.values()]

    def _described(self, one: Discovery) -> Discovery:
        """Put in what the source says; its word on the kind counts as long as the values fit it.

        Where it does not say what is measured, and its unit does, that stands there.
        """
        told = self._descriptions.of(one.source, one.address)
        if told is None:
            return one
        fits = one.samples == 0 or (told.kind is Kind.TEXT) == (one.kind is Kind.TEXT)
        kind = told.kind if told.kind is not None and fits else one.kind
        quantity = told.quantity or (None if told.unit is None else quantity_of(told.unit))
        return replace(one, kind=kind, told=replace(told, quantity=quantity))

    def _return(self, pieces: Sequence[Held], entries: Sequence[Entry]) -> int:
        if not pieces:
            return 0
        ids = self._spool.return_held([piece.id for piece in pieces], entries, now=Instant.now())
        for piece in pieces:
            self._count(piece, -1)
        return ids[-1]

    def _fits(self, piece: Held) -> bool:
        stock = self._held.get((piece.source, piece.address))
        return (stock.size if stock else 0) + piece.size <= self._limits.held_samples and self._bytes + len(
            piece.body
        ) <= self._limits.held_bytes

    def _count(self, piece: Held, sign: int) -> None:
        key, size, length = (piece.source, piece.address), sign * piece.size, sign * len(piece.body)
        stock = self._held.get(key, Stock(size=0, bytes=0, oldest=piece.received_at))
        self._bytes += length
        if stock.size + size > 0:
            self._held[key] = replace(stock, size=stock.size + size, bytes=stock.bytes + length)
        else:
            self._held.pop(key, None)

    def _note(self, block: Block) -> None:
        address, newest = block.addresses[0], len(block) - 1
        key = (block.source, address)
        known = self._noted.get(key)
        if known is None and len(self._noted) >= self._limits.discoveries:
            return
        text = block.texts.get(newest)
        self._noted[key] = Discovery(
            source=block.source,
            address=address,
            kind=Kind.NUMBER if text is None else Kind.TEXT,
            value=float(block.values[newest]) if block.numeric[newest] else None,
            text=text,
            samples=len(block) + (known.samples if known else 0),
            since=known.since if known else Instant(block.received[0]),
            seen=Instant(block.received[newest]),
        )


def _announced(source: int, address: str, at: Instant) -> Discovery:
    """Note an address that its source told of, and that has sent nothing."""
    return Discovery(
        source=source, address=address, kind=Kind.NUMBER, value=None, text=None, samples=0, since=at, seen=at
    )


def _piece(block: Block, batch: int) -> Held:
    received_at = Instant(block.received[0])
    return Held(
        batch=batch,
        source=block.source,
        address=block.addresses[0],
        received_at=received_at,
        size=len(block),
        body=encode(Record(received_at=received_at, block=block)),
    )


def _entry(piece: Held) -> Entry:
    return Entry(source=piece.source, received_at=piece.received_at, size=piece.size, body=piece.body)


def _expired(piece: Held) -> Entry:
    """Turn a piece into a record that holds it as a reject."""
    block = decode(piece.body).block
    record = Record(
        received_at=piece.received_at,
        block=block.take(np.empty(0, np.int64)),
        rejects=(_refusal(block, "nobody bound it in time").reject,),
    )
    return Entry(source=piece.source, received_at=piece.received_at, size=record.size, body=encode(record))


def _refusal(block: Block, why: str) -> Refusal:
    """Refuse the samples of a block, all at one unbound address."""
    count = len(block)
    rows = Rows(
        streams=np.zeros(count, np.int32),
        statuses=block.statuses,
        origins=block.origins,
        times=block.times,
        values=block.values,
        numeric=block.numeric,
        texts=block.texts,
        places=block.codes,
        addresses=((block.source, block.addresses[0]),),
    )
    reject = rows.reject(
        range(count),
        reason=Reason.UNBOUND,
        detail=f"No stream is bound to this address, and {why}; bind it, then release this.",
        received_at=Instant(block.received[0]),
    )
    return Refusal(source=block.source, reject=reject)
