"""A database behind a dead link is given up on, by every process alike."""

from fieldlab.storage.database import arguments, open_async_engine
from tests.servers.database import Database


async def test_connections_of_the_query_service_are_opened_to_notice_a_dead_link(database: Database) -> None:
    engine = open_async_engine(database.api, name="tests")
    try:
        async with engine.connect() as connection:
            raw = await connection.get_raw_connection()
            settings = raw.driver_connection.info.get_parameters()  # type: ignore[union-attr]
    finally:
        await engine.dispose()
    expected = arguments("tests")
    assert {name: settings[name] for name in ("connect_timeout", "keepalives_idle", "tcp_user_timeout")} == {
        name: str(expected[name]) for name in ("connect_timeout", "keepalives_idle", "tcp_user_timeout")
    }
