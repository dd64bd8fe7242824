"""The way to one lab: requests with a key, and errors that say what to do."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

import httpx

from fieldlab_client.errors import Answered, NotWhole

Document = dict[str, Any]
"""A JSON object."""

_PAGES: Final = (100, 1000)
"""Items on the first page of a list, and on all others: who looks at a little asks for a little."""

_TRIES: Final = 5
_LONGEST: Final = 60
"""Seconds that a lab may have one wait because one asks too often."""


class Connection:
    """Asks one lab in the name of whoever holds the key; `progress` tells whether long answers show a bar."""

    def __init__(self, url: str, token: str, *, progress: bool = True, timeout: float = 60.0) -> None:
        self.progress = progress
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {token}", "User-Agent": "fieldlab-client"},
            timeout=timeout,
            follow_redirects=True,
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Document:
        """Give the JSON answer of a GET."""
        return self._asked("GET", path, params=_said(parameters))

    def post(self, path: str, body: Mapping[str, Any]) -> Document:
        """Give the JSON answer of a POST that changes nothing."""
        return self._asked("POST", path, json=_said(body))

    def change(self, path: str, body: Mapping[str, Any]) -> Document:
        """Give the JSON answer of a POST that changes something: sent again where no answer came, and done once."""
        headers = {"Idempotency-Key": str(uuid4())}
        try:
            return self._asked("POST", path, json=_said(body), headers=headers)
        except httpx.TransportError:
            return self._asked("POST", path, json=_said(body), headers=headers)

    def delete(self, path: str) -> Document:
        """Give the JSON answer of a DELETE."""
        return self._asked("DELETE", path)

    def pages(self, path: str, parameters: Mapping[str, Any] | None = None) -> Iterator[Document]:
        """Give the items of a list, asking for pages as they are needed."""
        limit, larger = _PAGES
        cursor: str | None = None
        while True:
            page = self.get(path, {**(parameters or {}), "limit": limit, "cursor": cursor})
            yield from page["items"]
            cursor, limit = page["next"], larger
            if cursor is None:
                return

    @contextmanager
    def streamed(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        patient: bool = False,
    ) -> Iterator[httpx.Response]:
        """Open an answer whose body comes bit by bit; `patient` waits for ever for the next bit.

        Raises NotWhole if it breaks off.
        """
        asked: dict[str, Any] = {"params": _said(parameters), "headers": dict(headers or {})}
        if body is not None:
            asked["json"] = _said(body)
        if patient:
            asked["timeout"] = httpx.Timeout(self._http.timeout.connect, read=None)
        with self._http.stream(method, path, **asked) as answer:
            if answer.is_error:
                answer.read()
                _refuse(answer)
            try:
                yield answer
            except (httpx.RemoteProtocolError, httpx.ReadError) as error:
                raise NotWhole(f"The answer broke off: {error}. Ask again.") from error

    def _asked(self, method: str, path: str, **given: Any) -> Document:  # noqa: ANN401 - what httpx takes
        for left in reversed(range(_TRIES)):
            answer = self._http.request(method, path, **given)
            wait = answer.headers.get("Retry-After", "")
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS or not left or not wait.isdecimal():
                break
            time.sleep(min(int(wait), _LONGEST))
        if answer.is_error:
            _refuse(answer)
        document: Document = answer.json()
        return document


def _said(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (parameters or {}).items() if value is not None and value != []}


def _refuse(answer: httpx.Response) -> None:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    raise Answered(
        str(problem.get("detail") or answer.text or answer.reason_phrase),
        status=answer.status_code,
        type_=str(problem.get("type", "about:blank")),
        request_id=str(problem.get("request_id", "")),
    )
