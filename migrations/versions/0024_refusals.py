"""A purpose that was refused stands in the ledger, too, for both parties."""

from alembic import op

revision = "0024"
down_revision = "0023"

NOTE = """
CREATE OR REPLACE FUNCTION visible.note_refused_purpose(of uuid, purpose text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM fieldlab.note_step(a.id, 'refuse_purpose', left(purpose, 200)) FROM fieldlab.agreement AS a
    WHERE a.id = of AND a.grantee_id = fieldlab.bound_with('data:read');
END $$;
"""

SAID = """    PERFORM fieldlab.note_notice(party.id, a.grantee_id, jsonb_build_object(
        'kind', 'refused_purpose', 'agreement', a.id, 'purpose', left(purpose, 200),
        'participant', p.slug, 'principal', (fieldlab.bound()).principal))
    FROM fieldlab.agreement AS a
    JOIN fieldlab.participant AS p ON p.id = a.grantee_id
    CROSS JOIN LATERAL unnest(ARRAY[a.owner_id, a.grantee_id]) AS party (id)
    WHERE a.id = of AND a.grantee_id = fieldlab.bound_with('data:read');
END $$;
"""


def upgrade() -> None:
    op.execute(NOTE.replace("END $$;\n", SAID))


def downgrade() -> None:
    op.execute(NOTE)
