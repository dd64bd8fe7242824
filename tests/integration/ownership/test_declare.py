"""A declaration adds what is missing and changes what differs, all of it or nothing; twice is the same as once."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from fieldlab.assets.lab import Lab
from fieldlab.errors import Conflict
from fieldlab.storage.database import open_engine
from fieldlab.storage.declare import declare
from tests.integration.ownership.floor import LAB
from tests.servers.database import Database


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    engine = open_engine(database.admin, name="tests")
    yield engine
    engine.dispose()


def declared(**changes: object) -> Lab:
    """Give the lab with properties of its mill changed."""
    mill = LAB.assets["mill-1"].model_copy(update=changes)
    return LAB.model_copy(update={"assets": {**LAB.assets, "mill-1": mill}})


def contents(connection: Connection) -> list[object]:
    tables = ("participant", "asset", "stream", "source", "binding", "tenure")
    return [
        tuple(row)
        for table in tables
        for row in connection.execute(text(f"SELECT to_jsonb(t) FROM fieldlab.{table} AS t ORDER BY t"))
    ]


def test_a_lab_is_declared_and_declared_again(engine: Engine) -> None:
    with engine.begin() as connection:
        lines = [str(change) for change in declare(connection, LAB).changes]
    assert {"+ participant sme-a", "+ asset mill-1", "+ stream mill-1.state", "+ binding floor mill/current"} <= set(
        lines
    )
    with engine.begin() as connection:
        before = contents(connection)
        assert declare(connection, LAB).changes == ()
        assert contents(connection) == before


def test_what_differs_is_changed_and_named(engine: Engine) -> None:
    with engine.begin() as connection:
        declare(connection, LAB)
        (change,) = declare(connection, declared(name="A better mill", description="with coolant")).effective
        assert str(change) == "~ asset mill-1"
        assert [(one.name, one.new) for one in change.properties] == [
            ("name", "A better mill"),
            ("description", "with coolant"),
        ]
        assert connection.scalar(text("SELECT name FROM fieldlab.asset WHERE slug = 'mill-1'")) == "A better mill"


def test_what_is_no_longer_declared_stays(engine: Engine) -> None:
    with engine.begin() as connection:
        declare(connection, LAB)
        before = contents(connection)
        assert declare(connection, Lab()).effective == ()
        assert contents(connection) == before


def test_a_stream_moved_to_another_address_keeps_its_binding_of_old(engine: Engine) -> None:
    streams = LAB.assets["mill-1"].streams
    moved = {**streams, "spindle_current": streams["spindle_current"].model_copy(update={"address": "mill/new"})}
    with engine.begin() as connection:
        declare(connection, LAB)
        plan = declare(connection, declared(streams=moved))
        assert [str(change) for change in plan.effective] == ["+ binding floor mill/new"]
        assert "= binding floor mill/current" in map(str, plan.changes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"home_owner": "sme-a"}, "mill-1: home_owner is lab and cannot"),
        ({"unit": "mA"}, "mill-1.spindle_current: unit is A and cannot"),
        ({"kind": "text"}, "mill-1.spindle_current: kind is number and cannot"),
    ],
)
def test_what_stored_data_means_and_whose_it_was_cannot_change(
    engine: Engine, changes: dict[str, str], named: str
) -> None:
    with engine.begin() as connection:
        declare(connection, LAB)
        before = contents(connection)
    lab = LAB.model_dump(mode="json", exclude_none=True)
    mill = lab["assets"]["mill-1"]
    (mill if "home_owner" in changes else mill["streams"]["spindle_current"]).update(changes)
    lab["participants"]["sme-a"]["name"] = "renamed on the way"
    with pytest.raises(Conflict, match=named), engine.begin() as connection:
        declare(connection, Lab.model_validate(lab))
    with engine.begin() as connection:
        assert contents(connection) == before
