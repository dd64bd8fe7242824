"""A long answer on its way: encoded beside the reading, held back by a slow reader, broken off when a right ends.

What is given to the connection was confirmed by the database less than half a second before, also where the reader
takes its time: so a running answer ends within a second of a revocation's commit. An answer that breaks off is never
ended as a whole one is: its last chunk is missing, whatever the format.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from typing import Final

import pyarrow as pa
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.answers.encoder import Encoder, Ending
from api.answers.tally import Tally
from api.answers.word import Word
from api.ear import Ear
from api.methods import WITHOUT_BODY
from fieldlab.errors import FieldlabError, RightEnded
from fieldlab.ownership.access import EndKind
from fieldlab.readings.origin import Origin
from fieldlab.storage.columns import origins_in
from fieldlab.storage.selection import Answer

_PIECE: Final = 1 << 18
"""Bytes given to the connection at once: what can still be on its way when a right ends."""

_FAREWELL: Final = 30.0
"""Seconds that a slow reader has to take the word that its answer is broken off, with what it was given before."""


class BrokenOff(Exception):
    """The answer under way ends here, and is not whole; whoever serves it closes the connection."""


class Delivery(Response):
    """Sends an answer batch by batch, reading one batch ahead."""

    def __init__(
        self, answer: Answer, encoder: Encoder, tally: Tally, ear: Ear, *, headers: dict[str, str], media_type: str
    ) -> None:
        self._answer = answer
        self._encoder = encoder
        self._tally = tally
        self._origins: dict[int, set[Origin]] = {}
        self._rows = 0
        self._ear = ear
        self._first = Word(ear)
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything, or raise BrokenOff; whoever asked for no body gets none, and a reader that left no more."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope.get("state", {}).get(WITHOUT_BODY):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            self._tally.end(EndKind.ANSWERED)
            return
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            self._tally.end(EndKind.BROKEN)

    async def _send(self, send: Send) -> None:
        try:
            await self._give(send, self._encoder.begin(), self._answer.rows, self._first)
            async for batch, word in self._ahead():
                self._note(batch)
                await self._give(send, await asyncio.to_thread(self._encoder.rows, batch), batch, word)
        except FieldlabError as why:
            reason = why.reason if isinstance(why, RightEnded) else "unavailable"
            self._tally.end(EndKind.CUT if isinstance(why, RightEnded) else EndKind.BROKEN, reason)
            last = {"type": "http.response.body", "body": self._encoder.broken(reason), "more_body": True}
            if last["body"]:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_FAREWELL):
                        await send(last)
            raise BrokenOff(reason) from why
        ending = None if self._answer.rest is None else Ending(rows=self._rows, origins=self._origins)
        ended = await asyncio.to_thread(self._encoder.end, ending)
        await send({"type": "http.response.body", "body": ended, "more_body": False})
        self._tally.end(EndKind.ANSWERED)

    async def _give(self, send: Send, written: bytes, batch: pa.RecordBatch, word: Word) -> None:
        """Send bytes piece by piece, for as long as the database's word is that the reader may have them."""
        rest = self._answer.rest
        word.about(None if rest is None else partial(rest.confirm, batch))
        for body in _pieces(written, lines=self._encoder.lines):
            await word.give(send, {"type": "http.response.body", "body": body, "more_body": True})

    async def _ahead(self) -> AsyncIterator[tuple[pa.RecordBatch, Word]]:
        """Give the batches, each with the word given at its reading, while the next one is being read."""
        yield self._answer.rows, self._first
        if self._answer.rest is None:
            return
        batches = aiter(self._answer.rest)
        following = asyncio.create_task(_next(batches, Word(self._ear)))
        try:
            while (read := await following) is not None:
                following = asyncio.create_task(_next(batches, Word(self._ear)))
                yield read
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    def _note(self, batch: pa.RecordBatch) -> None:
        self._rows += len(batch)
        self._tally.add(batch)
        if self._answer.rest is not None:
            for number, origins in origins_in(batch).items():
                self._origins.setdefault(number, set()).update(origins)


async def _next(batches: AsyncIterator[pa.RecordBatch], word: Word) -> tuple[pa.RecordBatch, Word] | None:
    try:
        return await anext(batches), word
    except StopAsyncIteration:
        return None


def _pieces(written: bytes, *, lines: bool) -> Iterator[bytes]:
    """Cut bytes into pieces, behind whole lines where they are lines."""
    start = 0
    while start < len(written):
        until = start + _PIECE
        if lines and until < len(written):
            until = written.rfind(b"\n", start, until) + 1 or until
        yield written[start:until]
        start = until


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
