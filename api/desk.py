"""What every route needs at hand: the database and the cursors."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from api.cursor import Cursors
from fieldlab.storage import keys


@dataclass(kw_only=True, slots=True)
class Desk:
    """One process's way to the database; the cursor key is fetched at first use."""

    engine: AsyncEngine
    _cursors: Cursors | None = None

    async def cursors(self) -> Cursors:
        """Give the cursors of the lab; raises Unavailable while the database cannot be reached."""
        if self._cursors is None:
            self._cursors = Cursors(await keys.cursor_key(self.engine))
        return self._cursors


def desk_of(request: Request) -> Desk:
    """Give the desk of the application that received a request."""
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(desk_of)]
"""The desk, for a route."""
