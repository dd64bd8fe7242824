"""SQL in the documents runs on a migrated database."""

import psycopg
import pytest

from tests.docs.blocks import Block, blocks
from tests.servers.database import Database


@pytest.mark.parametrize("block", blocks("sql"), ids=str)
def test_a_statement_runs(database: Database, block: Block) -> None:
    with psycopg.connect(database.admin) as connection:
        answer = connection.execute(block.text)
        assert answer.description
