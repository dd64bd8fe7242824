"""Every error as a caller sees it: problem details (RFC 9457), and the one table of HTTP statuses."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.faults import in_words
from fieldlab import errors

_log: Final = logging.getLogger("fieldlab.api")

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A kind of problem: `type` is `/problems/<slug>`, where `meaning` is read."""

    slug: str
    status: int
    title: str
    meaning: str


INVALID_INPUT: Final = Problem(
    slug="invalid-input",
    status=422,
    title="Invalid input",
    meaning="A parameter or field breaks a rule. The answer names it and says what to write instead.",
)
NOT_FOUND: Final = Problem(
    slug="not-found",
    status=404,
    title="Not found",
    meaning="It is not there, or you may not see it: the two are never told apart.",
)
UNAVAILABLE: Final = Problem(
    slug="unavailable",
    status=503,
    title="Unavailable",
    meaning="The database cannot be reached at this moment. Try again after the seconds in Retry-After.",
)
INTERNAL: Final = Problem(
    slug="internal",
    status=500,
    title="Internal error",
    meaning="The service failed. Tell the operator of the lab the request id; the log has the rest under it.",
)

PROBLEMS: Final[Mapping[type[errors.FieldlabError], Problem]] = {
    errors.InvalidInput: INVALID_INPUT,
    errors.InvalidTime: Problem(
        slug="invalid-time",
        status=422,
        title="Invalid time",
        meaning="Times are RFC 3339 with an offset, such as 2026-11-21T08:00:00Z or 2026-11-21T09:00:00+01:00.",
    ),
    errors.InvalidInterval: Problem(
        slug="invalid-interval",
        status=422,
        title="Invalid interval",
        meaning="A range is half-open and not empty: from lies before until. Ownership changes on whole minutes.",
    ),
    errors.InvalidName: Problem(
        slug="invalid-name",
        status=422,
        title="Invalid name",
        meaning="Slugs are small letters, digits and hyphens; stream names small letters, digits and underscores.",
    ),
    errors.InvalidCursor: Problem(
        slug="invalid-cursor",
        status=422,
        title="Invalid cursor",
        meaning="A cursor is good for the participant and the query it was given for. Ask again without it.",
    ),
    errors.InvalidTerms: Problem(
        slug="invalid-terms",
        status=422,
        title="Invalid terms",
        meaning="A term of the agreement is unknown, stands there twice, or cannot be kept. Nothing unknown is signed.",
    ),
    errors.InvalidSettings: INVALID_INPUT,
    errors.Unauthenticated: Problem(
        slug="unauthenticated",
        status=401,
        title="Not authenticated",
        meaning="Send `Authorization: Bearer flk_…` with a key that is neither expired nor revoked.",
    ),
    errors.Forbidden: Problem(
        slug="forbidden",
        status=403,
        title="Forbidden",
        meaning="The key lacks the scope that the route needs. Ask the operator of the lab for one that has it.",
    ),
    errors.OutsideAgreement: Problem(
        slug="outside-agreement",
        status=403,
        title="Outside the agreement",
        meaning="An agreement does not allow the purpose or the format. State the purpose with purpose=… or "
        "Data-Purpose; a wrong one is recorded for the owner to see.",
    ),
    errors.RightEnded: Problem(
        slug="right-ended",
        status=403,
        title="The right has ended",
        meaning="An agreement, a tenure or the key ended while the answer was under way. Ask again for what is left.",
    ),
    errors.NotFound: NOT_FOUND,
    errors.Gone: Problem(
        slug="gone",
        status=410,
        title="Gone",
        meaning="It was yours and is not to be had any more: withdrawn with the right to it, ended, or over. Ask anew.",
    ),
    errors.Conflict: Problem(
        slug="conflict",
        status=409,
        title="Conflict",
        meaning="The present state does not allow what was asked. The detail says what to change.",
    ),
    errors.TenureConflict: Problem(
        slug="tenure-conflict",
        status=409,
        title="Asset is booked",
        meaning="The asset is booked for some of that time, or nothing that could be returned is booked then.",
    ),
    errors.TooMany: Problem(
        slug="too-many-requests",
        status=429,
        title="Too many requests",
        meaning="Your participant asks more often than it may. Try again after the seconds in Retry-After; the headers "
        "RateLimit-Policy and RateLimit say how often one may, and how often still.",
    ),
    errors.Unavailable: UNAVAILABLE,
    errors.ExcessRights: INTERNAL,
    errors.FieldlabError: INTERNAL,
}
"""Which problem each error of the product is."""

BY_STATUS: Final[Mapping[int, Problem]] = {
    400: INVALID_INPUT,
    404: NOT_FOUND,
    405: Problem(
        slug="method-not-allowed",
        status=405,
        title="Method not allowed",
        meaning="The route does not take that method. The Allow header lists those that it takes.",
    ),
    406: Problem(
        slug="not-acceptable",
        status=406,
        title="Not acceptable",
        meaning="None of the formats in Accept or format is offered here. Ask for application/json or text/csv.",
    ),
    413: Problem(
        slug="content-too-large",
        status=413,
        title="Content too large",
        meaning="The body is larger than the service takes. Ask for fewer streams at a time.",
    ),
    426: Problem(
        slug="upgrade-required",
        status=426,
        title="Upgrade required",
        meaning="This address is a WebSocket (RFC 6455). Come with one, or read the same events at /v1/live.",
    ),
    500: INTERNAL,
    503: UNAVAILABLE,
}
"""Which problem an HTTP status is that the framework or the border raises."""

ALL: Final[Mapping[str, Problem]] = {problem.slug: problem for problem in (*PROBLEMS.values(), *BY_STATUS.values())}
"""Every problem by its slug."""


def answer(
    problem: Problem,
    detail: str,
    *,
    request_id: str,
    headers: Mapping[str, str] | None = None,
    errors: Iterable[Mapping[str, str]] = (),
) -> Response:
    """Write a problem as an answer; `errors` names each wrong parameter with its `parameter` and `detail`."""
    body: dict[str, object] = {
        "type": f"/problems/{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "request_id": request_id,
    }
    listed = list(errors)
    if listed:
        body["errors"] = listed
    return Response(orjson.dumps(body), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def handle_errors(app: FastAPI) -> None:
    """Give the application its answers to errors; what is not handled here becomes a 500 at the edge."""
    app.add_exception_handler(errors.FieldlabError, _on_fieldlab_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)


def request_id(request: Request) -> str:
    """Give the id under which this request stands in the log."""
    return str(request.state.request_id)


def _on_fieldlab_error(request: Request, error: Exception) -> Response:
    problem = next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)
    if problem is INTERNAL:
        raise error
    headers: dict[str, str] = {}
    if isinstance(error, errors.Unauthenticated):
        wrong = ', error="invalid_token"' if "authorization" in request.headers else ""
        headers["WWW-Authenticate"] = f'Bearer realm="fieldlab"{wrong}'
    elif isinstance(error, errors.Forbidden) and not isinstance(error, errors.OutsideAgreement):
        headers["WWW-Authenticate"] = 'Bearer realm="fieldlab", error="insufficient_scope"'
    elif isinstance(error, errors.TooMany):
        headers["Retry-After"] = str(error.seconds)
    elif isinstance(error, errors.Unavailable):
        headers["Retry-After"] = "1"
        _log.warning("unavailable: %s request=%s", error.__cause__, request_id(request))
    return answer(problem, str(error), request_id=request_id(request), headers=headers)


def _on_http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else INTERNAL.status
    problem = BY_STATUS.get(status, INVALID_INPUT if status < INTERNAL.status else INTERNAL)
    headers = error.headers if isinstance(error, HTTPException) else None
    told = str(error.detail) if isinstance(error, HTTPException) else problem.meaning
    detail = "There is nothing at this address; /docs lists the routes." if told == "Not Found" else told
    return answer(problem, detail, request_id=request_id(request), headers=headers)


def _on_invalid(request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    told = [in_words(fault) for fault in faults]
    slugs = {str(fault["type"]) for fault in faults}
    problem = ALL.get(slugs.pop(), INVALID_INPUT) if len(slugs) == 1 else INVALID_INPUT
    detail = " ".join(": ".join(filter(None, (one["parameter"], one["detail"]))) for one in told)
    return answer(problem, detail, request_id=request_id(request), errors=told)
