"""A file on its way out, whole or in ranges (RFC 9110, 14), cut off as soon as it is not the reader's any more."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from starlette.responses import FileResponse
from starlette.types import Message, Receive, Scope, Send

from api.answers.word import Word
from api.ear import Ear
from api.methods import WITHOUT_BODY

MEDIA_TYPE: Final = "application/zip"


class WatchedFile(FileResponse):
    """Sends a file, and asks again and again whether it may, also while its reader takes nothing.

    When it may not, what is under way ends short of its Content-Length, so that nobody takes it for whole.
    """

    def __init__(self, path: Path, *, sha256: str, name: str, allowed: Callable[[], Awaitable[bool]], ear: Ear) -> None:
        super().__init__(path, media_type=MEDIA_TYPE, filename=name, headers={"ETag": f'"{sha256}"'})
        self._allowed = allowed
        self._ear = ear

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET, or the headers alone where HEAD was asked."""
        word = Word(self._ear, self._ask)

        async def watched(message: Message) -> None:
            await word.give(send, message)

        head = scope.get("state", {}).get(WITHOUT_BODY, False)
        await super().__call__({**scope, "method": "HEAD"} if head else scope, receive, watched)

    async def _ask(self) -> None:
        if not await self._allowed():
            raise ConnectionAbortedError("the right to the file ended while it was sent")
