"""A ZIP that is written from the front to the back, with the SHA-256 of each of its files and of itself."""

import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from io import RawIOBase
from pathlib import Path
from typing import IO, Final, cast

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """A file in the archive."""

    path: str
    media_type: str
    size: int
    sha256: str


class Archive:
    """Takes files one after the other; what is written to them is on disk at once and nowhere else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")
        self._zip = zipfile.ZipFile(self._file, "w", compression=zipfile.ZIP_STORED, allowZip64=True)
        self.files: list[Packed] = []

    @contextmanager
    def file(self, path: str, media_type: str) -> Iterator[IO[bytes]]:
        """Open a file of the archive; one at a time."""
        entry = zipfile.ZipInfo(path, date_time=time.gmtime()[:6])
        entry.compress_type = zipfile.ZIP_STORED
        entry.external_attr = 0o644 << 16
        with self._zip.open(entry, "w", force_zip64=True) as member:
            counted = _Counted(member)
            yield cast("IO[bytes]", counted)
        self.files.append(
            Packed(path=path, media_type=media_type, size=counted.size, sha256=counted.digest.hexdigest())
        )

    def add(self, path: str, media_type: str, content: bytes) -> None:
        """Put a whole file in."""
        with self.file(path, media_type) as file:
            file.write(content)

    def copy(self, path: str, media_type: str, content: Path) -> None:
        """Put a file of the disk in."""
        with content.open("rb") as source, self.file(path, media_type) as file:
            shutil.copyfileobj(source, file, _CHUNK)

    def finish(self, place: Callable[[str], Path]) -> tuple[int, str]:
        """Write the end, move the archive to the place of its SHA-256, and give both size and that."""
        self._zip.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.seek(0)
        digest = sha256()
        while chunk := self._file.read(_CHUNK):
            digest.update(chunk)
        size = self._file.tell()
        self._file.close()
        self._path.replace(place(digest.hexdigest()))
        return size, digest.hexdigest()

    def abandon(self) -> None:
        """Delete what there is; a finished archive stays."""
        if not self._file.closed:
            self._zip.close()
        self._file.close()
        self._path.unlink(missing_ok=True)


class _Counted(RawIOBase):
    """Passes bytes on, counting and hashing them."""

    def __init__(self, onto: IO[bytes]) -> None:
        self._onto = onto
        self.size = 0
        self.digest = sha256()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: object) -> int:
        content = bytes(memoryview(cast("bytes", data)))
        self._onto.write(content)
        self.digest.update(content)
        self.size += len(content)
        return len(content)
