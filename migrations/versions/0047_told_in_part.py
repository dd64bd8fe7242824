"""A key that is limited to streams is told of an agreement what concerns these streams, and of no other.

The text that was signed names them all. To such a key it names those that the key reads, and a receipt counts theirs.
"""

from alembic import op

from migrations.edit import edit

revision = "0047"
down_revision = "0046"

PART = """
CREATE FUNCTION fieldlab.told_terms(terms text, limits integer[]) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named jsonb := CASE WHEN limits IS NOT NULL THEN terms::jsonb #> '{enforced,streams}' END;
    told jsonb;
BEGIN
    IF limits IS NULL THEN
        RETURN terms;
    END IF;
    SELECT coalesce(jsonb_agg(n.reference ORDER BY n.place), '[]') INTO told
    FROM jsonb_array_elements_text(named) WITH ORDINALITY AS n (reference, place)
    WHERE n.reference IN (SELECT a.slug || '.' || s.name FROM fieldlab.stream AS s
                          JOIN fieldlab.asset AS a ON a.id = s.asset_id WHERE s.id = ANY (limits));
    RETURN CASE WHEN told = named THEN terms ELSE jsonb_set(terms::jsonb, '{enforced,streams}', told)::text END;
END $$;
COMMENT ON FUNCTION fieldlab.told_terms IS
    'The text of an agreement as a key with these limits is told of it; all of it without limits.';
REVOKE ALL ON FUNCTION fieldlab.told_terms FROM PUBLIC;
"""

_EDITS = (
    ("fieldlab.seen_agreements(uuid[])", "a.replaces, a.terms,", "a.replaces, fieldlab.told_terms(a.terms, limits),"),
    (
        "visible.receipt(uuid,integer)",
        """FROM unnest(a.agreements, coalesce(a.rows, e.rows)) AS u (agreement, counted) WHERE u.agreement = g.id)""",
        """FROM unnest(a.streams, a.agreements, coalesce(a.rows, e.rows)) AS u (stream, agreement, counted)
        WHERE u.agreement = g.id AND (limits IS NULL OR u.stream = ANY (limits)) HAVING count(*) > 0)""",
    ),
)


def upgrade() -> None:
    op.execute(PART)
    for function, old, new in _EDITS:
        edit(function, old, new)


def downgrade() -> None:
    for function, old, new in _EDITS:
        edit(function, new, old)
    op.execute("DROP FUNCTION fieldlab.told_terms")
