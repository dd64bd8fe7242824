"""The recipes that come along with the MQTT connector, as tests read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

import connectors
from fieldlab.assets.source import Source, Wire
from fieldlab.readings.instant import Instant

HOME = Path(str(connectors.__file__)).parent / "mqtt" / "recipes"
NAMES = sorted(path.stem for path in HOME.glob("*.yaml"))


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A sample that a recipe promises; a time of None is that of the receipt."""

    address: str
    value: float | None
    text: str | None
    time: Instant | None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A source as the recipe configures it, messages, and what they become."""

    source: Source
    messages: tuple[tuple[str, bytes], ...]
    becomes: tuple[Expected, ...]
    units: Mapping[str, str] = field(default_factory=dict)


def recipe(name: str, *, url: str = "mqtt://broker") -> Recipe:
    """Read a recipe, for a broker of the test's own."""
    source, example = yaml.safe_load_all((HOME / f"{name}.yaml").read_text())
    becomes = example.get("becomes", {})
    return Recipe(
        source=Source(id=1, slug=source["slug"], wire=Wire(source["wire"]), url=url, options=source["options"]),
        messages=tuple((one["topic"], _payload(one)) for one in example.get("messages", [])),
        becomes=tuple(
            Expected(
                address=address,
                value=sample.get("value"),
                text=sample.get("text"),
                time=Instant.parse(sample["time"]) if "time" in sample else None,
            )
            for address, samples in becomes.items()
            for sample in samples
        ),
        units={
            address: sample["unit"] for address, samples in becomes.items() for sample in samples if "unit" in sample
        },
    )


def _payload(message: Mapping[str, str]) -> bytes:
    return bytes.fromhex(message["payload_hex"]) if "payload_hex" in message else message["payload"].encode()
