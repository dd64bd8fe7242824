"""A change that begins anew where somebody else was faster: serialisable transactions give way to each other."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from fieldlab.errors import FieldlabError
from fieldlab.ownership.scope import ReadScope
from fieldlab.storage.transaction import Bound, changing

T = TypeVar("T")

RACED: Final = frozenset({"40001", "40P01"})
"""SQLSTATEs of a transaction that somebody else was faster than: nothing is wrong with it."""

_TRIES: Final = 5
_NOTHING: Final[Mapping[str, FieldlabError]] = MappingProxyType({})


async def changed(
    scope: ReadScope,
    engine: AsyncEngine,
    change: Callable[[Bound], Awaitable[T]],
    *,
    busy: FieldlabError,
    refused: Mapping[str, FieldlabError] = _NOTHING,
    raced: frozenset[str] = RACED,
    opened: Callable[[ReadScope, AsyncEngine], AbstractAsyncContextManager[Bound]] = changing,
) -> T:
    """Give what a change gives that is committed, in a transaction of its own.

    What the database refuses is raised as the error that `refused` has for its SQLSTATE, else as it is; `busy` where
    others were faster again and again.
    """
    for _ in range(_TRIES):
        try:
            async with opened(scope, engine) as bound:
                return await change(bound)
        except DBAPIError as error:
            sqlstate = str(getattr(error.orig, "sqlstate", None))
            if sqlstate in refused:
                raise refused[sqlstate] from None
            if sqlstate not in raced:
                raise
    raise busy
