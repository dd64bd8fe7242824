"""Real servers for every test, obtained and started once a run; a database of its own for each test.

| fixture | what a test gets |
|---|---|
| `database` | a migrated database, on plain PostgreSQL and on TimescaleDB: the test runs twice |
| `blank_database` | the same, empty: for the tests of migrations |
| `engine_server` | the server below them; parametrise it indirectly to run on one engine only |
| `broker` | a shared MQTT broker, embedded and mosquitto: use topics and client ids of your own |
| `private_broker` | one that the test may stop, kill and start again |

A server that this machine cannot have skips its tests with one loud line. With `CI=true` or `FIELDLAB_FORBID_SKIPS=1`
every skip is a failure.
"""

import os
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.broker import Broker, BrokerName
from tests.servers.database import Database, Template, blank, clone, template
from tests.servers.embedded_broker import embedded_broker
from tests.servers.engine import Engine, EngineName
from tests.servers.mosquitto import mosquitto
from tests.servers.plain import plain
from tests.servers.timescaledb import timescaledb
from tests.servers.unavailable import Unavailable

ENGINES = {EngineName.PLAIN: plain, EngineName.TIMESCALEDB: timescaledb}
BROKERS = {BrokerName.EMBEDDED: embedded_broker, BrokerName.MOSQUITTO: mosquitto}
T = TypeVar("T")
MISSING = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    # A slow machine is no fault of what is tested.
    settings.register_profile("fieldlab", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("fieldlab")
    config.stash[MISSING] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for server, reason in config.stash[MISSING].items():
        terminalreporter.write_line(f"NOT TESTED: everything on {server}. {reason}", red=True, bold=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _skips_are_forbidden():
        report.outcome = "failed"
        report.longrepr = f"skips are forbidden here, and {item.nodeid} skipped: {call.excinfo and call.excinfo.value}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and _skips_are_forbidden():
        report.outcome = "failed"
    return report


def _skips_are_forbidden() -> bool:
    return os.environ.get("CI") == "true" or os.environ.get("FIELDLAB_FORBID_SKIPS") == "1"


def _running(request: pytest.FixtureRequest, name: str, server: AbstractContextManager[T]) -> Iterator[T]:
    """Give the server while it runs; skip where this machine cannot have it."""
    missing = request.config.stash[MISSING]
    if name in missing:
        pytest.skip(missing[name])
    try:
        running = server.__enter__()
    except Unavailable as reason:
        missing[name] = str(reason)
        pytest.skip(str(reason))
    try:
        yield running
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(scope="session", params=list(EngineName), ids=str)
def engine_server(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A database server with its superuser's URL."""
    name = EngineName(request.param)
    yield from _running(request, name, ENGINES[name]())


@pytest.fixture(scope="session")
def database_template(engine_server: Engine) -> Iterator[Template]:
    """A migrated database that nobody may enter, to be cloned."""
    with template(engine_server) as migrated:
        yield migrated


@pytest.fixture
def database(database_template: Template) -> Iterator[Database]:
    """A migrated database of the test's own, with a URL for each role."""
    with clone(database_template) as own:
        yield own


@pytest.fixture
def blank_database(engine_server: Engine) -> Iterator[Database]:
    """An empty database of the test's own."""
    with blank(engine_server) as own:
        yield own


@pytest.fixture(scope="session", params=list(BrokerName), ids=str)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A running MQTT broker that all tests share."""
    name = BrokerName(request.param)
    yield from _running(request, name, BROKERS[name]())


@pytest.fixture(params=list(BrokerName), ids=str)
def private_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A running MQTT broker of the test's own."""
    name = BrokerName(request.param)
    yield from _running(request, name, BROKERS[name]())
