"""The application, put together; building it opens nothing, starting it does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from api.body_limit import BodyLimit
from api.desk import opened
from api.edge import Edge
from api.errors import handle_errors
from api.methods import Methods
from api.metrics import Metrics
from api.openapi import DescribedApp
from api.packing import Packing
from api.routes import (
    accesses,
    agreements,
    assets,
    bookings,
    catalogue,
    custody,
    discoveries,
    docs,
    exports,
    gaps,
    health,
    ingest,
    keys,
    latest,
    live,
    me,
    measurements,
    participants,
    problems,
    sources,
    streams,
    tenures,
    trials,
)
from api.upgrade import Upgrade
from fieldlab.settings import ApiSettings

_LARGEST_BODY: Final = 1 << 20

_CORS_METHODS: Final = ("GET", "HEAD", "POST", "PATCH", "DELETE")
_CORS_ASKED: Final = (
    *("Accept", "Authorization", "Content-Type", "Data-Purpose", "Idempotency-Key", "If-None-Match", "Last-Event-ID"),
    *("Range", "X-Request-Id"),
)
_CORS_TOLD: Final = (
    *("Content-Disposition", "Content-Range", "ETag", "Idempotency-Replayed", "Link", "Location", "RateLimit"),
    *("RateLimit-Policy", "Retry-After", "X-Request-Id"),
)
_CORS_AGE: Final = 600

_ABOUT: Final = """
What the machines of a field lab have measured, answered to each participant as far as it has a right to it. Every
answer says whose data it is: each row carries the number of a *segment*, a stretch of one stream with one owner.

Press **Authorize** and paste a key. Times are RFC 3339 with an offset; ranges are half-open, `[from, until)`; units are
UCUM codes. Errors are problem details (RFC 9457) whose `type` is stable.
"""


def create_app(settings: ApiSettings, *, options_of: sources.OptionsOf | None = None) -> FastAPI:
    """Put the query service together; the database is opened when the application starts.

    `options_of` gives the model that the options of a wire's sources must fit; this process knows no wire.

    Starting raises ExcessRights if the database user may do more than the query service needs, Unavailable if the
    database cannot be used.
    """

    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(settings) as desk:
            app.state.desk = desk
            metrics.watch(desk.at_work)
            yield

    app = DescribedApp(
        title="Fieldlab",
        description=_ABOUT,
        version="1",
        openapi_url=docs.OPENAPI,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        generate_unique_id_function=lambda route: route.name,
    )
    answering = (  # routes are tried in this order, so those that are asked most often come first
        latest,
        measurements,
        me,
        keys,
        participants,
        assets,
        streams,
        catalogue,
        gaps,
        live,
        exports,
        trials,
        tenures,
        bookings,
        agreements,
        accesses,
        custody,
        ingest,
        discoveries,
    )
    for part in (*answering, docs, problems):
        app.include_router(part.router())
    app.include_router(health.router(metrics))
    app.include_router(sources.router(options_of))
    handle_errors(app)
    app.add_middleware(Packing)
    app.add_middleware(Methods, routes=app.routes)
    app.add_middleware(BodyLimit, largest=_LARGEST_BODY)
    if settings.api_cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.api_cors_origins,
            allow_methods=_CORS_METHODS,
            allow_headers=_CORS_ASKED,
            expose_headers=_CORS_TOLD,
            max_age=_CORS_AGE,
        )
    app.add_middleware(Edge, metrics=metrics)
    app.add_middleware(Upgrade, paths={live.SOCKET})
    return app
