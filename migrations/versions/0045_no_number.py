"""A sample without a number is marked as one, so that answers give null for it: shifts bind no closer than `|`."""

from alembic import op

revision = "0045"
down_revision = "0044"

_LOST = "(m.value IS NULL)::integer << 24 | (m.origin & 255) << 16 | (m.status & 65535)"
_KEPT = "((m.value IS NULL)::integer << 24) | ((m.origin & 255) << 16) | (m.status & 65535)"

_MARKS = """
DO $do$
DECLARE
    packed oid := (SELECT p.oid FROM pg_proc AS p WHERE p.proname = 'packed_samples'
                   AND p.pronamespace = 'visible'::regnamespace);
    text text := pg_get_functiondef(packed);
BEGIN
    IF position({before} IN text) = 0 THEN
        RAISE EXCEPTION 'visible.packed_samples does not mark samples as it did';
    END IF;
    EXECUTE replace(text, {before}, {after});
END $do$
"""


def upgrade() -> None:
    op.execute(_MARKS.replace("{before}", f"'{_LOST}'").replace("{after}", f"'{_KEPT}'"))


def downgrade() -> None:
    op.execute(_MARKS.replace("{before}", f"'{_KEPT}'").replace("{after}", f"'{_LOST}'"))
