"""An error as its JSON looks (RFC 9457); written by `api.errors`."""

from typing import Annotated

from pydantic import BaseModel, Field


class Fault(BaseModel):
    """One parameter or field that is wrong."""

    parameter: Annotated[str, Field(description="Its name; empty for the request as a whole.", examples=["from"])]
    detail: Annotated[str, Field(description="What is wrong, and what to write instead.")]


class Problem(BaseModel):
    """Problem details: `type` is stable and leads to a page, `detail` says what to do."""

    type: Annotated[str, Field(examples=["/problems/not-found"])]
    title: str
    status: int
    detail: str
    request_id: Annotated[str, Field(description="The request stands under this in the log; also X-Request-Id.")]
    errors: Annotated[list[Fault], Field(description="Only where parameters or fields are wrong.")] = []
