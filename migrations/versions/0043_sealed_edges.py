"""Bounds of buckets come in order, so that none reaches into a bucket that a floor seals; announcements say nothing."""

from importlib import import_module

from alembic import op

revision = "0043"
down_revision = "0042"

_earlier = import_module("migrations.versions.0033_stretch_by_stretch")

_BEGIN = "BEGIN\n    IF NOT floored"
_ORDERED = """BEGIN
    IF array_ndims(edges) > 1 OR edges IS DISTINCT FROM ARRAY(SELECT DISTINCT e FROM unnest(edges) AS e ORDER BY e)
       AND edges IS NOT NULL THEN
        RAISE EXCEPTION 'the bounds of buckets come in order, each once' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT floored"""
BUCKETS = _earlier.BUCKETS.replace(_BEGIN, _ORDERED, 1)

_TOLD = "jsonb_build_object('streams', ARRAY[bound.stream_id])::text"
_SILENT = "''"
RELEASE = """
DO $do$ BEGIN
    EXECUTE replace(pg_get_functiondef('fieldlab.release(bigint, text)'::regprocedure),
                    $call$pg_notify('fieldlab_measurements', {before})$call$,
                    $call$pg_notify('fieldlab_measurements', {after})$call$);
END $do$
"""


def upgrade() -> None:
    if BUCKETS.count(_ORDERED) != 1:
        raise AssertionError("visible.buckets does not begin as it did")
    op.execute(BUCKETS)
    op.execute(RELEASE.replace("{before}", _TOLD).replace("{after}", _SILENT))


def downgrade() -> None:
    op.execute(_earlier.BUCKETS)
    op.execute(RELEASE.replace("{before}", _SILENT).replace("{after}", _TOLD))
