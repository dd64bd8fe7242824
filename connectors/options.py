"""A source's options, checked against its connector's model; what is wrong is named by its key."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ValidationError

from fieldlab.assets.source import Source
from fieldlab.errors import InvalidSettings

M = TypeVar("M", bound=BaseModel)


def checked(source: Source, model: type[M]) -> M:
    """Check the options of a source; raises InvalidSettings that names every wrong key and never shows its value."""
    try:
        return model.model_validate(dict(source.options))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        sentences = [_sentence(_key(f["loc"]), f["type"], f["msg"], model) for f in faults]
        raise InvalidSettings(f"Source {source.slug}: {' '.join(sentences)}") from None


def address_of(source: Source, ports: Mapping[str, int]) -> SplitResult:
    """Split the URL of a source, whose scheme must be one of `ports`; raises InvalidSettings that names the key.

    A user or password in the URL is refused: it would end up in the catalogue and in logs.
    """
    where = f"Source {source.slug}: url"
    schemes = " or ".join(f"{scheme}://host:{port}" for scheme, port in ports.items())
    try:
        url = urlsplit(source.url)
        port = url.port
    except ValueError:
        raise InvalidSettings(f"{where} has no usable port; write it like {schemes}.") from None
    if url.scheme not in ports or not url.hostname or port == 0:
        raise InvalidSettings(f"{where} is not of the form {schemes}.")
    if "@" in url.netloc:
        raise InvalidSettings(
            f"{where} holds a user or password; give options.user, and options.password_env or options.password_file."
        )
    return url


def _key(place: tuple[int | str, ...]) -> str:
    """Name a key by its place; a part in parentheses is no key but a variant of a union."""
    return ".".join(["options", *(str(part) for part in place if not str(part).startswith("("))])


def _sentence(key: str, kind: str, message: str, model: type[BaseModel]) -> str:
    if kind == "missing":
        return f"{key} is missing."
    if kind == "extra_forbidden":
        near = get_close_matches(key.removeprefix("options."), model.model_fields, n=1)
        return f"{key} is not an option" + (f"; did you mean options.{near[0]}?" if near else ".")
    return f"{key}: {message.removeprefix('Value error, ').rstrip('.')}."
