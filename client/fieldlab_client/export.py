"""A job of the lab that makes a package: watched, and its file downloaded, also where an earlier download broke off."""

import json
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import httpx
from tqdm.auto import tqdm

from fieldlab_client.connection import Connection, Document
from fieldlab_client.errors import FieldlabClientError, NotWhole
from fieldlab_client.package import Package

_PAUSE: Final = 0.5
_TRIES: Final = 5
_CHUNK: Final = 1 << 18
_WAITING: Final = ("queued", "running")


class Export:
    """A package in the making. Nothing of it is lost when the notebook ends: `lab.export(id)` finds it again."""

    columns: ClassVar = (
        *("id", "state", "question", "requested_at", "expires_at", "progress", "rows", "size", "detail"),
    )
    """What a table of them shows."""

    def __init__(self, connection: Connection, shown: Document) -> None:
        self._connection = connection
        self._shown = shown

    @classmethod
    def asked(cls, connection: Connection, question: Mapping[str, Any]) -> Self:
        """Ask for one."""
        return cls(connection, connection.change("/v1/exports", question))

    @classmethod
    def known(cls, connection: Connection, id_: str) -> Self:
        """Find one."""
        return cls(connection, connection.get(f"/v1/exports/{id_}"))

    @property
    def id(self) -> str:
        """Its id."""
        return str(self._shown["id"])

    @property
    def state(self) -> str:
        """Where it stood when last looked at: `queued`, `running`, `ready`, or how it ended."""
        return str(self._shown["state"])

    @property
    def size(self) -> int | None:
        """Bytes of the package, once it is ready."""
        size: int | None = self._shown["size"]
        return size

    @property
    def question(self) -> str:
        """What was asked for, as JSON."""
        return json.dumps(self._shown["question"], sort_keys=True)

    @property
    def requested_at(self) -> str:
        """When it was asked for."""
        return str(self._shown["requested_at"])

    @property
    def expires_at(self) -> str:
        """When the lab deletes it."""
        return str(self._shown["expires_at"])

    @property
    def progress(self) -> float:
        """How much of it was done, from 0 to 1."""
        return float(self._shown["progress"])

    @property
    def rows(self) -> int:
        """How many rows were written."""
        return int(self._shown["rows"])

    @property
    def detail(self) -> str:
        """Why there will be no package, where there will be none."""
        return str(self._shown["detail"])

    def wait(self) -> Self:
        """Wait until the package is ready; raises FieldlabClientError, saying why, if there will be none."""
        with tqdm(
            desc="making",
            total=100,
            unit="%",
            disable=not self._connection.progress,
            leave=False,
            bar_format="{l_bar}{bar}|",
        ) as bar:
            while self.state in _WAITING:
                time.sleep(_PAUSE)
                self._shown = self._connection.get(f"/v1/exports/{self.id}")
                bar.update(100 * self._shown["progress"] - bar.n)
        if self.state != "ready":
            raise FieldlabClientError(f"The export is {self.state}: {self._shown['detail']}")
        return self

    def download(self, path: str | Path) -> Package:
        """Wait, and bring the package to a file; the part that is there already is not fetched again.

        Raises NotWhole if what came is not what the lab made.
        """
        self.wait()
        target = Path(path)
        part = target.with_name(f"{target.name}.{self.id[:8]}.part")
        for left in reversed(range(_TRIES)):
            try:
                self._fetch(part)
                break
            except (NotWhole, httpx.TransportError):
                if not left:
                    raise
                time.sleep(_PAUSE)
        digest = sha256()
        with part.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != self._shown["sha256"]:
            part.unlink()
            raise NotWhole("The file is not the one that the lab made; download it again.")
        part.replace(target)
        return Package(target)

    def end(self) -> None:
        """Stop it, and delete what there is of it in the lab."""
        self._shown = self._connection.delete(f"/v1/exports/{self.id}")

    def _fetch(self, part: Path) -> None:
        there = part.stat().st_size if part.exists() else 0
        if there == self.size:
            return
        headers = {"Range": f"bytes={there}-", "If-Range": f'"{self._shown["sha256"]}"'} if there else {}
        headers["Accept-Encoding"] = "identity"
        with self._connection.streamed("GET", self._shown["package"], headers=headers) as answer:
            goes_on = answer.status_code == httpx.codes.PARTIAL_CONTENT
            with (
                part.open("ab" if goes_on else "wb") as file,
                tqdm(
                    desc=part.name,
                    total=self.size,
                    initial=there if goes_on else 0,
                    unit="B",
                    unit_scale=True,
                    disable=not self._connection.progress,
                    leave=False,
                ) as bar,
            ):
                for chunk in answer.iter_bytes(_CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))

    def __repr__(self) -> str:
        """Show where it stands."""
        return f"Export({self.id}, {self.state})"
