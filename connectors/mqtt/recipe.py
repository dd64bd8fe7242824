"""The recipes that come along: how a source is configured for a device as one meets it."""

from importlib.resources import files
from typing import Any, Final

import yaml

from fieldlab.errors import InvalidInput

_HOME: Final = "connectors.mqtt.recipes"


def names() -> tuple[str, ...]:
    """List the recipes there are."""
    return tuple(sorted(one.name.removesuffix(".yaml") for one in files(_HOME).iterdir() if one.name.endswith(".yaml")))


def options(name: str) -> dict[str, Any]:
    """Give the options of a recipe's source; raises InvalidInput for one that is not there, naming those that are."""
    if name not in names():
        raise InvalidInput(f"There is no recipe {name!r}; there is: {', '.join(names())}.")
    source = next(iter(yaml.safe_load_all(files(_HOME).joinpath(f"{name}.yaml").read_text(encoding="utf-8"))))
    return dict(source["options"])
