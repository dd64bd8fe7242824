"""What every route needs at hand: the database, keys, cursors, the ledger's clerk and the worker behind exports."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from api.cursor import Cursors
from api.ear import Ear
from api.exports.place import Place
from api.exports.worker import Worker, working
from api.live.hub import Hub
from api.metrics import AtWork
from api.oidc import Issuer, Trust
from api.rate import Rates
from api.sealer import Ends, sealing_while
from fieldlab.errors import InvalidSettings, Unavailable
from fieldlab.readings.instant import MINUTE
from fieldlab.settings import ApiSettings
from fieldlab.storage import keys
from fieldlab.storage.admission import AdmissionKey
from fieldlab.storage.database import open_async_engine
from fieldlab.storage.keyring import Keyring
from fieldlab.storage.pool import Pool, open_pool
from fieldlab.storage.rights import ProcessRole, check


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """One process's ways to the database, keys, cursors, where ends of answers go, and who works behind routes.

    Measurements are read on `pool`, everything else on `engine`. `ear` hears what the database announces. Behind routes
    work the hub of those who follow data, and the worker that makes exports, kept for so many microseconds. `rates`
    counts how often each participant asks; None where nobody counts.
    """

    engine: AsyncEngine
    pool: Pool
    keyring: Keyring
    cursors: Cursors
    ends: Ends
    ear: Ear
    hub: Hub
    exports: Worker
    export_lives: int
    rates: Rates | None
    issuer: Issuer | None

    def at_work(self) -> AtWork:
        """Tell what goes on at the moment."""
        worker = self.exports
        return AtWork(readers=self.hub.readers, exports_running=worker.running, exports_ended=worker.ended)


@asynccontextmanager
async def opened(settings: ApiSettings) -> AsyncIterator[Desk]:
    """Open the database, closed again at the end.

    Raises ExcessRights if its user may do more than the query service needs, Unavailable if it cannot be used.
    """
    url = settings.api_database_url.get_secret_value()
    connections = settings.api_connections
    engine = open_async_engine(url, name="fieldlab api", connections=connections)
    try:
        cursors = Cursors(await _key(engine))
        async with engine.connect() as connection:
            await connection.run_sync(check, ProcessRole.API)
        place, lives = Place(settings.api_exports_directory), settings.api_exports_hours * 60 * MINUTE
        async with (
            open_pool(url, name="fieldlab api", connections=connections) as pool,
            sealing_while(engine) as ends,
            working(engine, pool, place, ends.add) as exports,
        ):
            ear = Ear(url)
            hub = Hub(engine, ear=ear, most_readers=settings.api_live_readers)
            try:
                quota = settings.api_requests_per_minute
                yield Desk(
                    engine=engine,
                    pool=pool,
                    keyring=Keyring(engine),
                    cursors=cursors,
                    ends=ends,
                    ear=ear,
                    hub=hub,
                    exports=exports,
                    export_lives=lives,
                    rates=Rates(quota) if quota else None,
                    issuer=_issuer(settings, engine),
                )
            finally:
                await hub.close()
                await ear.close()
    finally:
        await engine.dispose()


def _issuer(settings: ApiSettings, engine: AsyncEngine) -> Issuer | None:
    if settings.api_oidc_issuer is None:
        return None
    if settings.api_oidc_audience is None or settings.api_oidc_key is None:
        raise InvalidSettings(
            "FIELDLAB_API_OIDC_ISSUER needs FIELDLAB_API_OIDC_AUDIENCE, and FIELDLAB_API_OIDC_KEY, which "
            "`fieldlab key admission` prints."
        )
    trust = Trust(
        issuer=settings.api_oidc_issuer,
        audience=settings.api_oidc_audience,
        key=AdmissionKey.read(settings.api_oidc_key.get_secret_value()),
        participant_claim=settings.api_oidc_participant_claim,
        participants=settings.api_oidc_participants,
        role_claim=settings.api_oidc_role_claim,
        roles=settings.api_oidc_roles,
    )
    return Issuer(trust, engine)


async def _key(engine: AsyncEngine) -> bytes:
    try:
        return await keys.cursor_key(engine)
    except Unavailable as error:
        raise Unavailable(f"{error} ({error.__cause__})") from error


async def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(_desk)]
"""The desk, for a route."""
