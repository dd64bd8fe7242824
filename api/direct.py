"""Short questions by GET, read straight from the address: the framework's way takes longer than their answer does."""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Final

from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from api.guarded import Handler, ReadingRoute, parameters

_LONGEST: Final = 512
"""Bytes of a question that is remembered once it has been read; longer ones take the framework's way."""

_REMEMBERED: Final = 1024


class DirectRoute(ReadingRoute):
    """A reading route whose only parameters are one model of the query, and which gives its answer itself.

    What a question says is remembered by its text, never what it was answered. What the model refuses takes the
    framework's way, and is refused as everywhere.
    """

    def way(self, framework: Handler) -> Handler:
        """Call the endpoint with the question; a route of another shape takes the framework's way alone."""
        models = [parameter.field_info.annotation for parameter in self.dependant.query_params]
        model = models[0] if len(models) == 1 else None
        if self.methods != {"GET"} or not isinstance(model, type) or not issubclass(model, BaseModel):
            return framework
        said = lru_cache(maxsize=_REMEMBERED)(partial(_said, model, parameters(self.dependant)))

        async def direct(request: Request) -> Response:
            text = request.scope["query_string"]
            query = said(text) if len(text) <= _LONGEST else None
            if query is None:
                return await framework(request)
            scope, desk = request.state.scope, request.app.state.desk
            answer: Response = await self.endpoint(request=request, scope=scope, desk=desk, query=query)
            return answer

        return direct


def _said(model: type[BaseModel], known: Mapping[str, bool], text: bytes) -> BaseModel | None:
    asked = QueryParams(text)
    values = {name: asked.getlist(name) if known.get(name) else asked[name] for name in asked}
    try:
        return model.model_validate(values)
    except ValidationError:
        return None
