"""Who holds which key, remembered for a moment, so that a busy reader is asked for once a second and not each time.

Nothing is granted on what is remembered: each transaction is bound by the database, which looks at the key again.
"""

import time
from collections import OrderedDict
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.ownership.scope import Credential, ReadScope
from fieldlab.storage import keys

_REMEMBERED: Final = 1.0
"""Seconds; what a revoked key may still do meanwhile is to be refused in the database."""

_MOST: Final = 4096


class Keyring:
    """The keys that were shown to one process lately."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: OrderedDict[bytes, tuple[float, ReadScope]] = OrderedDict()

    async def authenticate(self, token: str) -> ReadScope:
        """Turn a bearer token into the right to read, as `fieldlab.storage.keys.authenticate` does."""
        digest = Credential.of(token).digest
        seen_at, scope = self._known.get(digest, (0.0, None))
        if scope is not None and time.monotonic() - seen_at < _REMEMBERED:
            return scope
        self._known.pop(digest, None)
        scope = await keys.authenticate(self._engine, token)
        self._known[digest] = time.monotonic(), scope
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return scope
