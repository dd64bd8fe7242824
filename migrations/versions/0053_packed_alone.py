"""Samples leave the database packed alone: the function that gave them row by row had no caller in the product."""

from importlib import import_module

from alembic import op

revision = "0053"
down_revision = "0052"

_earlier = import_module("migrations.versions.0042_noted")
_BEGIN = _earlier.READS.index("CREATE OR REPLACE FUNCTION visible.samples(")
SAMPLES = _earlier.READS[_BEGIN : _earlier.READS.index("CREATE OR REPLACE FUNCTION visible.latest(")]
COMMENT = """
COMMENT ON FUNCTION visible.samples IS
    'The samples of one stream in [since, before) that are the reader''s own, or that it may read under one agreement,
oldest first, at most so many; none under a floor.';
"""
RIGHTS = """
REVOKE ALL ON FUNCTION visible.samples FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.samples TO fieldlab_api;
"""


def upgrade() -> None:
    op.execute("DROP FUNCTION visible.samples")


def downgrade() -> None:
    for part in (SAMPLES, COMMENT, RIGHTS):
        op.execute(part)
