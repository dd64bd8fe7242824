"""Idempotency keys: a POST that is sent again is answered again, and done once."""

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from api.desk import Desk
from fieldlab.errors import Conflict, FieldlabError, InvalidInput
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage import requests
from fieldlab.storage.requests import Kept, Verdict

HEADER: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_LARGEST: Final = 1 << 18
_FAILED: Final = 500
_JSON: Final = "application/json"


class ShownOnce(Response):
    """An answer with a secret, which is sent and kept nowhere; the same request again is answered with `again`."""

    def __init__(
        self, content: str, status_code: int, headers: Mapping[str, str], media_type: str, *, again: Response
    ) -> None:
        super().__init__(content, status_code, headers, media_type)
        self.again = again


async def once(request: Request, scope: ReadScope, desk: Desk, handle: Callable[[], Awaitable[Response]]) -> Response:
    """Handle a request that changes something; with an idempotency key once, whatever comes how often.

    The key is bound to the participant, and to the path and the body that it came with first. Raises InvalidInput where
    it comes with others, Conflict while the first one is not answered yet. A request that is refused may be sent again.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return await handle()
    if not _KEY.fullmatch(key):
        raise InvalidInput(f"{HEADER} has 1 to 255 visible characters of ASCII, such as a UUID.")
    asked = b"\0".join((request.method.encode(), str(request.url.path).encode(), await request.body()))
    verdict, kept = await requests.begin(scope, desk.engine, key, sha256(asked).digest())
    match verdict:
        case Verdict.OTHER:
            raise InvalidInput(f"This {HEADER} came with another request before; take a new one for a new request.")
        case Verdict.RUNNING:
            raise Conflict("The same request is being answered at this moment; send it again in a moment.")
        case Verdict.ANSWERED if kept is not None:
            headers = {"Idempotency-Replayed": "true", **({"Location": kept.location} if kept.location else {})}
            return Response(kept.body, kept.status, headers=headers, media_type=kept.media_type)
    answered: Kept | None = None
    try:
        response = await handle()
        repeated = response.again if isinstance(response, ShownOnce) else response
        body = getattr(repeated, "body", None)
        if isinstance(body, bytes) and len(body) <= _LARGEST and repeated.status_code < _FAILED:
            media = repeated.headers.get("content-type", _JSON)
            answered = Kept(
                status=repeated.status_code, media_type=media, body=body, location=repeated.headers.get("location")
            )
        return response
    finally:
        with suppress(FieldlabError):
            await requests.end(scope, desk.engine, key, answered)
