"""Asking a running query service as any participant does: its address, a key, and what it answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer

from fieldlab.errors import FieldlabError, InvalidInput, InvalidSettings, Unavailable

Api = Annotated[str, typer.Option(envvar="FIELDLAB_API", show_envvar=True, help="The query service's address.")]
Token = Annotated[str, typer.Option(envvar="FIELDLAB_TOKEN", show_envvar=True, help="A key of the participant: flk_…")]

_UNFIT: Final = 422


@contextmanager
def asking(api: str, token: str) -> Iterator[Any]:
    """Open an HTTP client of the query service; raises Unavailable where it cannot be reached."""
    import httpx

    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
    try:
        with httpx.Client(base_url=api, headers=headers, timeout=60) as client:
            yield client
    except httpx.UnsupportedProtocol:
        raise InvalidSettings(f"{api!r} is no address; write it like http://127.0.0.1:8000.") from None
    except httpx.TransportError as error:
        raise Unavailable(f"{api} cannot be reached: {error}. Run the command again.") from None


def answered(answer: Any) -> dict[str, Any]:  # noqa: ANN401 - httpx is imported when it is needed
    """Give the document of an answer; raises what a refusal says, as InvalidInput where the question was wrong."""
    if answer.is_error:
        problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        detail = problem.get("detail", f"{answer.url} answered {answer.status_code}.")
        faults = [one["detail"] for one in problem.get("errors", ()) if "detail" in one]
        kind = InvalidInput if answer.status_code == _UNFIT else FieldlabError
        raise kind(" ".join([detail, *(fault for fault in faults if fault not in detail)]))
    document: dict[str, Any] = answer.json()
    return document


def every(client: Any, path: str, **parameters: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - as above
    """Give all items of a list, page by page."""
    while True:
        page = answered(client.get(path, params={"limit": "1000", **parameters}))
        yield from page["items"]
        if page["next"] is None:
            return
        parameters["cursor"] = page["next"]
