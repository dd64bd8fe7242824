"""What a server offers of that which a source's options choose: by folder, by browse path, by type."""

from typing import Final

from connectors.opcua.address import PathAddress, parse
from connectors.opcua.browse import Browser, Found
from connectors.opcua.config import OpcuaOptions, Take
from connectors.opcua.selection import chosen, depth_of
from connectors.opcua.session import Session

_MOST_SEEN: Final = 20
"""Nodes that are looked at for each one that may be taken."""


class Offer:
    """Looks, by one session, what `options.take` chooses; raises Unavailable when the connection fails."""

    def __init__(self, session: Session, options: OpcuaOptions) -> None:
        self._session = session
        self._options = options

    async def look(self) -> tuple[list[Found], list[str]]:
        """Give the variables that are chosen, each once, and what could not be done as it was said."""
        browser = Browser(self._session.requests, self._session.namespaces)
        found: dict[str, Found] = {}
        faults: list[str] = []
        for take in self._options.take:
            missing = await self._missing(take)
            if missing:
                faults.append(f"options.take names {missing}, which the server does not have.")
                continue
            for one in await self._chosen(browser, take):
                found.setdefault(one.address, one)
        most = self._options.take_most
        if len(found) > most:
            faults.append(f"options.take chooses {len(found)} variables, more than take_most; {most} are taken.")
        return list(found.values())[:most], faults

    async def _missing(self, take: Take) -> str | None:
        """Give what the server does not have of the nodes that an entry names."""
        named = [one for one in (take.folder, take.type) if one is not None]
        nodes = [parse(one) for one in named]
        await self._session.find(nodes)
        ids = self._session.node_ids(nodes)
        return next((one for one, id_ in zip(named, ids, strict=True) if id_.is_null()), None)

    async def _chosen(self, browser: Browser, take: Take) -> list[Found]:
        folder = None if take.folder is None else parse(take.folder)
        above = () if folder is None else folder.steps if isinstance(folder, PathAddress) else None
        deepest = self._options.take_depth
        tree = await browser.tree(
            depth=min(deepest, depth_of(take.path) or deepest),
            most=_MOST_SEEN * self._options.take_most,
            root=None if folder is None else self._session.node_ids([folder])[0],
            above=above,
        )
        types = None
        if take.type is not None:
            types = await browser.subtypes(self._session.node_ids([parse(take.type)])[0])
        return list(chosen(tree, pattern=take.path, types=types, above=len(above or ())))
