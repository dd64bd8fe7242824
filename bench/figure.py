"""One figure of the bench: its name, what it says, and what it should be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.servers.engine import Engine


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A number with a name like `ingest.write_path_vs_copy`; `meaning` says in a line what is divided by what.

    A figure is good when it is at least `least` and at most `most`, where these are given.
    """

    name: str
    meaning: str
    least: float | None = None
    most: float | None = None

    def good(self, value: float) -> bool:
        """Tell whether a value is what it should be."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def target(self) -> str:
        """Say what the figure should be."""
        bounds = [f"≥ {self.least:g}" if self.least is not None else "", f"≤ {self.most:g}" if self.most else ""]
        return " ".join(bound for bound in bounds if bound)


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """Figures that are measured together on one database server; `run` gives each figure's value by its name."""

    figures: tuple[Figure, ...]
    run: Callable[[Engine], Mapping[str, float]]
