"""Packing answers as their reader asks (RFC 9110, 12.5.3): zstd or gzip, piece by piece, nothing held back."""

import asyncio
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Protocol

import zstandard
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_WORTH_PACKING: Final = 1 << 10
_WORTH_A_THREAD: Final = 1 << 15
_GZIP: Final = 16 + zlib.MAX_WBITS
_UNPACKED: Final = ("application/vnd.apache.parquet", "application/zip", "image/", "text/event-stream")


class Packer(Protocol):
    """Packs a body that comes in pieces."""

    def __call__(self, piece: bytes, *, last: bool) -> bytes:
        """Pack a piece; what comes out so far can be unpacked so far."""


class Packing:
    """Packs bodies that are worth it, unless the answer is packed already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and pack its answer."""
        name = chosen(Headers(scope=scope).get("accept-encoding", "")) if scope["type"] == "http" else None
        await self._app(scope, receive, send if name is None else _Packed(send, name).send)


class _Packed:
    """The way back of one request."""

    def __init__(self, send: Send, name: str) -> None:
        self._send = send
        self._name = name
        self._start: Message | None = None
        self._packer: Packer | None = None

    async def send(self, message: Message) -> None:
        """Hold the head until it is known whether the body is packed; pack each piece of it."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._start is not None:
            start, self._start = self._start, None
            headers = MutableHeaders(raw=start["headers"])
            if (more or len(body) >= _WORTH_PACKING) and _worth(headers):
                self._packer = PACKERS[self._name]()
                headers["Content-Encoding"] = self._name
                del headers["Content-Length"]
            headers.add_vary_header("Accept-Encoding")
            if self._packer is not None and not more:
                body = await _pack(self._packer, body, last=True)
                headers["Content-Length"] = str(len(body))
                self._packer = None
            await self._send(start)
        if self._packer is not None:
            body = await _pack(self._packer, body, last=not more)
        await self._send({**message, "body": body})


@lru_cache(maxsize=256)
def chosen(accepted: str) -> str | None:
    """Choose what the reader prefers of what is offered, zstd where it has no preference; None for no packing."""
    weights: dict[str, float] = {}
    for offer in accepted.lower().split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        weights[name] = next((_number(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
    offered = {name: weights.get(name, weights.get("*", 0.0)) for name in PACKERS}
    best = max(offered, key=lambda name: offered[name])
    return best if offered[best] > 0 and offered[best] >= weights.get("identity", 0.0) else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _worth(headers: MutableHeaders) -> bool:
    return "content-encoding" not in headers and not headers.get("content-type", "").startswith(_UNPACKED)


async def _pack(packer: Packer, body: bytes, *, last: bool) -> bytes:
    if len(body) < _WORTH_A_THREAD:
        return packer(body, last=last)
    return await asyncio.to_thread(packer, body, last=last)


def _zstd() -> Packer:
    packing = zstandard.ZstdCompressor(level=3).compressobj()

    def pack(piece: bytes, *, last: bool) -> bytes:
        mark = zstandard.COMPRESSOBJ_FLUSH_FINISH if last else zstandard.COMPRESSOBJ_FLUSH_BLOCK
        return packing.compress(piece) + packing.flush(mark)

    return pack


def _gzip() -> Packer:
    packing = zlib.compressobj(4, zlib.DEFLATED, _GZIP)

    def pack(piece: bytes, *, last: bool) -> bytes:
        return packing.compress(piece) + packing.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)

    return pack


PACKERS: Final[dict[str, Callable[[], Packer]]] = {"zstd": _zstd, "gzip": _gzip}
"""What is offered, the preferred one first."""
