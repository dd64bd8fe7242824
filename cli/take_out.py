"""`fieldlab take-out`: everything that is a participant's, in one file, asked for with its own key over HTTP."""

import time
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from cli.lab_client import Api, Token, answered, asking
from fieldlab.errors import Conflict, Unavailable

_PAUSE: Final = 0.5
_CHUNK: Final = 1 << 18
_WAITING: Final = ("queued", "running")


def take_out(
    file: Annotated[Path, typer.Argument(help="Where to put the ZIP.", dir_okay=False)],
    api: Api,
    token: Token,
) -> None:
    """Take out everything that is yours: measurements as Parquet, manifest, agreements, bookings and ledger.

    A download that broke off goes on when the command is run again.
    """
    with (
        asking(api, token) as client,
        Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), transient=True) as bar,
    ):
        shown = _made(client, file, bar)
        _download(client, shown, file, bar)
    typer.echo(f"{file}: {shown['size']:,} bytes, {shown['rows']:,} rows, SHA-256 {shown['sha256']}")


def _made(client: Any, file: Path, bar: Progress) -> dict[str, Any]:  # noqa: ANN401 - httpx is imported when it is needed
    """Find the export that is under way, or whose download broke off, or ask for one; wait until it is ready."""
    listed = answered(client.get("/v1/exports"))["items"]
    mine = [
        one
        for one in listed
        if one["question"].get("everything")
        and (one["state"] in _WAITING or (one["state"] == "ready" and _part(file, one).exists()))
    ]
    shown = mine[0] if mine else answered(client.post("/v1/exports", json={"everything": True}))
    task = bar.add_task("making the package", total=None)
    while shown["state"] in _WAITING:
        time.sleep(_PAUSE)
        shown = answered(client.get(f"/v1/exports/{shown['id']}"))
    bar.remove_task(task)
    if shown["state"] != "ready":
        raise Conflict(f"There is no package: {shown['detail']}")
    return shown


def _download(client: Any, shown: dict[str, Any], file: Path, bar: Progress) -> None:  # noqa: ANN401 - as above
    part = _part(file, shown)
    there = part.stat().st_size if part.exists() else 0
    if there < shown["size"]:
        headers = {"Range": f"bytes={there}-", "If-Range": f'"{shown["sha256"]}"'} if there else {}
        with client.stream("GET", shown["package"], headers=headers) as answer:
            if answer.is_error:
                answer.read()
                answered(answer)
            goes_on = answer.status_code == 206  # noqa: PLR2004 - Partial Content
            task = bar.add_task(file.name, total=shown["size"], completed=there if goes_on else 0)
            with part.open("ab" if goes_on else "wb") as target:
                for chunk in answer.iter_bytes(_CHUNK):
                    target.write(chunk)
                    bar.advance(task, len(chunk))
    with part.open("rb") as source:
        digest = sha256()
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != shown["sha256"]:
        part.unlink()
        raise Unavailable("The file is not the one that was made; run the command again.")
    part.replace(file)


def _part(file: Path, shown: dict[str, Any]) -> Path:
    return file.with_name(f"{file.name}.{shown['id'][:8]}.part")
