"""The lab, as one asks it from a notebook."""

import os
from types import TracebackType
from typing import Self

from fieldlab_client.agreement import Agreement, Terms
from fieldlab_client.catalogue import Catalogue
from fieldlab_client.connection import Connection
from fieldlab_client.errors import FieldlabClientError
from fieldlab_client.export import Export
from fieldlab_client.holdings import Asset, Participant, Tenure, Trial
from fieldlab_client.ledger import Ledger
from fieldlab_client.listing import Listing
from fieldlab_client.package import Package
from fieldlab_client.selection import Selection


class Lab:
    """One field lab, in the name of whoever holds the key. Nothing is asked before something is needed.

    Without `url` and `token` they are taken from the environment variables `API` and `TOKEN`.
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, progress: bool = True) -> None:
        given = {"API": url or os.environ.get("API"), "TOKEN": token or os.environ.get("TOKEN")}
        for name, value in given.items():
            if not value:
                raise FieldlabClientError(f"Give the lab's address and a key, or set {name} in the environment.")
        self._connection = Connection(str(given["API"]), str(given["TOKEN"]), progress=progress)

    def me(self) -> str:
        """Give the participant that the key speaks for."""
        return str(self._connection.get("/v1/me")["participant"])

    def catalogue(
        self,
        words: str | None = None,
        *,
        asset: str | None = None,
        quantity: str | None = None,
        unit: str | None = None,
    ) -> Catalogue:
        """Give what you may have, with all of these words in it."""
        return Catalogue(self._connection, {"q": words, "asset": asset, "quantity": quantity, "unit": unit})

    def streams(self, *references: str) -> Selection:
        """Choose streams, such as `mill-1.spindle_current`."""
        if not references:
            raise FieldlabClientError("Name at least one stream; lab.catalogue() shows them.")
        return Selection(connection=self._connection, streams=references)

    def asset(self, slug: str) -> Selection:
        """Choose all that you may have of an asset."""
        return Selection(connection=self._connection, asset=slug)

    def trial(self, slug: str) -> Selection:
        """Choose all that you may have of a trial."""
        return Selection(connection=self._connection, trial=slug)

    def participants(self) -> Listing[Participant]:
        """List who is in the lab."""
        return Listing(self._connection, "/v1/participants", {}, Participant.read, Participant.__slots__)

    def assets(self) -> Listing[Asset]:
        """List the machines that concern you."""
        return Listing(self._connection, "/v1/assets", {}, Asset.read, Asset.__slots__)

    def trials(self) -> Listing[Trial]:
        """List the trials of which you may have something."""
        return Listing(self._connection, "/v1/trials", {}, Trial.read, Trial.__slots__)

    def tenures(self, asset: str | None = None) -> Listing[Tenure]:
        """List whose each stream is when, as far as it concerns you; of one asset, or of all."""
        return Listing(self._connection, "/v1/tenures", {"asset": asset}, Tenure.read, Tenure.__slots__)

    def agreements(self, state: str | None = None) -> Listing[Agreement]:
        """List what you permit others and others permit you, newest first; in one state, such as `active`, or all."""
        return Listing(
            self._connection,
            "/v1/agreements",
            {"state": state},
            lambda shown: Agreement(self._connection, shown),
            Agreement.columns,
        )

    def agreement(self, id_: str) -> Agreement:
        """Find an agreement to which you are a party."""
        return Agreement.known(self._connection, id_)

    def offer(
        self, grantee: str, terms: Terms, *, answer_within: str | None = None, replaces: str | None = None
    ) -> Agreement:
        """Offer data of your own to another, who approves or not; unanswered it expires, after a month at the latest.

        `replaces` is the id of the agreement that ends in the moment in which this one is approved.
        """
        return Agreement.proposed(
            self._connection, terms, answer_within=answer_within, replaces=replaces, grantee=grantee
        )

    def request(
        self, owner: str, terms: Terms, *, answer_within: str | None = None, replaces: str | None = None
    ) -> Agreement:
        """Ask an owner for its data, who approves or not; see `offer`."""
        return Agreement.proposed(self._connection, terms, answer_within=answer_within, replaces=replaces, owner=owner)

    def ledger(self) -> Ledger:
        """Look who read what of yours, and whether the record of it is still what you were shown."""
        return Ledger(self._connection)

    def exports(self) -> Listing[Export]:
        """List the packages that you asked for, newest first."""
        return Listing(
            self._connection, "/v1/exports", {}, lambda shown: Export(self._connection, dict(shown)), Export.columns
        )

    def export(self, id_: str) -> Export:
        """Find an export that was asked for before."""
        return Export.known(self._connection, id_)

    def take_out(self, path: str) -> Package:
        """Have the lab pack everything that is yours, with agreements, bookings and ledger, and download it."""
        return Export.asked(self._connection, {"everything": True}).download(path)

    def close(self) -> None:
        """Let go of the connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Close at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
