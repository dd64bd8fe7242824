"""A list, page by page."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from api.cursor import Cursors
from fieldlab.ownership.scope import ReadScope

Item = TypeVar("Item", bound=BaseModel)
Row = TypeVar("Row")


class Page(BaseModel, Generic[Item]):
    """A page of a list. There is no total: what you may not see is not counted either."""

    items: list[Item]
    next: Annotated[str | None, Field(description="The cursor of the next page; null on the last one.")]


class ListQuery(BaseModel):
    """How much of a list, and from where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=1000, description="Items a page, at most.")] = 100
    cursor: Annotated[
        str | None, Field(max_length=2000, description="`next` of the page before, with the same other parameters.")
    ] = None

    def question(self, route: str) -> dict[str, object]:
        """Give what is asked, without the page: what a cursor is bound to."""
        return {"route": route, **self.model_dump(mode="json", exclude={"limit", "cursor"})}


async def page(
    scope: ReadScope,
    cursors: Cursors,
    query: ListQuery,
    *,
    route: str,
    fetch: Callable[[list[Any] | None, int], Awaitable[Sequence[Row]]],
    place: Callable[[Row], list[str | int]],
    shown: Callable[[Row], Item],
) -> Page[Item]:
    """Give one page of a keyset-ordered list.

    `fetch` takes the place after which to begin (None for the start) and how many; `place` is a row's place.
    """
    kept, cursor = await cut(scope, cursors, query, route=route, fetch=fetch, place=place)
    return Page(items=[shown(row) for row in kept], next=cursor)


async def cut(
    scope: ReadScope,
    cursors: Cursors,
    query: ListQuery,
    *,
    route: str,
    fetch: Callable[[list[Any] | None, int], Awaitable[Sequence[Row]]],
    place: Callable[[Row], list[str | int]],
) -> tuple[Sequence[Row], str | None]:
    """Give the rows of one page as they are, and the cursor of the next one."""
    question = query.question(route)
    after = cursors.open(scope, question, query.cursor) if query.cursor else None
    rows = await fetch(after, query.limit + 1)
    kept = rows[: query.limit]
    return kept, cursors.seal(scope, question, place(kept[-1])) if len(rows) > query.limit else None
