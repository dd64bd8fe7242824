"""Both engines at once, for tests that compare them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.servers.database import Database, Template, clone, template
from tests.servers.engine import Engine
from tests.servers.plain import plain
from tests.servers.timescaledb import timescaledb
from tests.servers.unavailable import Unavailable


@contextmanager
def _both() -> Iterator[tuple[Engine, Engine]]:
    with plain() as one, timescaledb() as other:
        yield one, other


def both_engines() -> Iterator[tuple[Engine, Engine]]:
    """Start a plain server and one with TimescaleDB; skip where this machine cannot have the latter."""
    running = _both()
    try:
        engines = running.__enter__()
    except Unavailable as reason:
        pytest.skip(str(reason))
    try:
        yield engines
    finally:
        running.__exit__(None, None, None)


@contextmanager
def migrated(engines: tuple[Engine, Engine]) -> Iterator[tuple[Database, Database]]:
    """Give a migrated database on each."""
    with template(engines[0]) as one, template(engines[1]) as other:
        yield from _cloned(one, other)


def _cloned(one: Template, other: Template) -> Iterator[tuple[Database, Database]]:
    with clone(one) as first, clone(other) as second:
        yield first, second
