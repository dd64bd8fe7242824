"""The OPC UA connector: keeps a subscription for ever, hands over what comes, and acknowledges it once it is safe."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from connectors.backoff import Backoff
from connectors.opcua.attendance import Attendance
from connectors.opcua.browse import Browser, Found
from connectors.opcua.config import PORTS, OpcuaOptions, Security
from connectors.opcua.credentials import Credentials, Login
from connectors.opcua.record import Record
from connectors.opcua.session import Session, SubscriptionLost
from connectors.opcua.subscription import Subscription
from connectors.opcua.trust import ServerChanged
from connectors.options import address_of, checked
from connectors.secret import secret_of
from connectors.together import together
from fieldlab.assets.source import Source
from fieldlab.errors import InvalidSettings, Unavailable
from fieldlab.ports import Deliver, Delivery
from fieldlab.readings.gap import Cause, OpenGap
from fieldlab.readings.instant import Instant

_WAITING: Final = 2
"""Deliveries between the wire and the gateway."""

_DAY: Final = 86_400.0

_log = logging.getLogger(__name__)


class OpcuaConnector:
    """One OPC UA server as a source."""

    def __init__(
        self,
        source: Source,
        *,
        client_name: str,
        environment: Mapping[str, str],
        heard_until: Instant | None = None,
        directory: Path = Path(".fieldlab/gateway"),
    ) -> None:
        self._options = checked(source, OpcuaOptions)
        url = address_of(source, PORTS)
        self._secret = secret_of(
            source,
            variable=self._options.password_env,
            file=self._options.password_file,
            environment=environment,
        )
        self._slug = source.slug
        self._credentials = _credentials(self._options, directory, source.slug)
        self._login = Login(
            user=self._options.user,
            certificate=self._options.user_certificate_file,
            key=self._options.user_key_file,
        )
        self._name = f"fieldlab-{client_name}"
        port = url.port or PORTS[url.scheme]
        host = f"[{url.hostname}]" if ":" in str(url.hostname) else url.hostname
        self._url = url._replace(netloc=f"{host}:{port}").geturl()
        backfill = self._options.backfill // timedelta(microseconds=1)
        self._record = Record(heard=heard_until, backfill=backfill)

    @property
    def connected(self) -> bool:
        """Tell whether a session stands and has been asked for every node, also for those that the server refused."""
        return self._record.attended

    def watch(self, addresses: Iterable[str]) -> None:
        """Ask for these addresses from now on, and no others; elements of an array share its node."""
        self._record.want(addresses)

    def recall(self, gaps: Iterable[OpenGap]) -> None:
        """Take up gaps that are open; what the server's history holds of them is fetched while a session stands."""
        self._record.recall(gaps)

    async def run(self, deliver: Deliver) -> None:
        """Hand over what arrives until cancelled; connections that fail are tried again for ever.

        While `deliver` waits, the server keeps what it has to say: up to `queue_size` values of each node, for as long
        as `lifetime`.
        """
        self._prepare()
        library = logging.getLogger("asyncua")
        if library.level == logging.NOTSET:
            library.setLevel(logging.CRITICAL)  # what it logs is told here, once and with the source's name
        waiting: asyncio.Queue[Delivery] = asyncio.Queue(_WAITING)
        await together(self._keep_connected(waiting), _hand_over(waiting, deliver), self._warn_of_ends())

    async def browse(self, *, depth: int, most: int) -> list[Found]:
        """Give what the server offers, `depth` levels deep; raises InvalidSettings or Unavailable."""
        library = logging.getLogger("asyncua")
        library.setLevel(logging.CRITICAL)
        self._prepare()
        session = await self._opened(None)
        try:
            return await Browser(session.requests, session.namespaces).tree(depth=depth, most=most)
        finally:
            await session.close()

    def _prepare(self) -> None:
        """Check the files, and make the certificate where there is none."""
        self._check_files()
        self._secret.read()
        if self._credentials is not None and self._options.certificate_file is None:
            self._credentials.make(self._options.application_uri, now=datetime.now(UTC))

    async def _opened(self, earlier: Subscription | None) -> Session:
        return await Session.opened(
            url=self._url,
            options=self._options,
            credentials=self._credentials,
            login=replace(self._login, password=self._secret.read()),
            name=self._name,
            earlier=earlier,
        )

    async def _keep_connected(self, waiting: asyncio.Queue[Delivery]) -> None:
        backoff = Backoff()
        told = ""
        cause = Cause.SUBSCRIPTION_LOST
        while True:
            try:
                earlier, self._record.subscription = self._record.subscription, None
                session = await self._opened(earlier)
                earlier, opened = None, time.monotonic()
                _log.info("Source %s: connected to %s.", self._slug, self._url)
                attendance = Attendance(
                    session, self._record, waiting, options=self._options, slug=self._slug, cause=cause
                )
                try:
                    await attendance.attend()
                except Unavailable as loss:
                    if attendance.can_be_continued and not (isinstance(loss, SubscriptionLost) and loss.for_good):
                        self._record.subscription = session.subscription
                    raise
                finally:
                    told = "" if backoff.stood(time.monotonic() - opened) else told
                    await session.close(keep=self._record.subscription is not None)
            except ServerChanged:
                raise
            except SubscriptionLost as loss:
                reason, cause = str(loss), Cause.SUBSCRIPTION_LOST
            except (Unavailable, InvalidSettings) as loss:  # a password file may be away for a moment
                reason, cause = str(loss), Cause.SOURCE_UNREACHABLE
                self._record.subscription = self._record.subscription or earlier
            if reason != told:
                _log.warning("Source %s: %s: %s; trying again.", self._slug, self._url, reason)
                told = reason
            await asyncio.sleep(backoff.pause())

    async def _warn_of_ends(self) -> None:
        """Tell each day which certificates end soon."""
        while True:
            now = datetime.now(UTC)
            for said in [*(self._credentials.ending(now) if self._credentials else ()), *self._login.ending(now)]:
                _log.warning("Source %s: %s", self._slug, said)
            await asyncio.sleep(_DAY)

    def _check_files(self) -> None:
        """Raise InvalidSettings for a certificate or key that cannot be read."""
        for key in (
            "certificate_file",
            "key_file",
            "server_certificate_file",
            "user_certificate_file",
            "user_key_file",
        ):
            path: Path | None = getattr(self._options, key)
            try:
                if path is not None:
                    path.read_bytes()
            except OSError as error:
                raise InvalidSettings(
                    f"Source {self._slug}: options.{key} names {path}, which cannot be read: {error.strerror}."
                ) from None


def _credentials(options: OpcuaOptions, directory: Path, slug: str) -> Credentials | None:
    """Name the files to use: those that are configured, else those kept by the gateway; None without security."""
    if options.security is Security.NONE:
        return None
    kept = Credentials.kept(directory, slug)
    return Credentials(
        certificate=options.certificate_file or kept.certificate,
        key=options.key_file or kept.key,
        server=options.server_certificate_file or kept.server,
    )


async def browsed(
    source: Source, *, environment: Mapping[str, str], directory: Path, depth: int, most: int
) -> list[Found]:
    """Connect to a source's server once, and give what it offers; raises InvalidSettings or Unavailable."""
    one = OpcuaConnector(source, client_name="browse", environment=environment, directory=directory)
    return await one.browse(depth=depth, most=most)


async def _hand_over(waiting: asyncio.Queue[Delivery], deliver: Deliver) -> None:
    while True:
        await deliver(await waiting.get())
