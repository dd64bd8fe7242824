"""What an emergency opens may be followed and exported too: broken glass is no agreement, and was looked for as one."""

from typing import Final

from alembic import op

from migrations.edit import edit

revision = "0037"
down_revision = "0036"

EDITS: Final = (
    (
        "fieldlab.export_holds(uuid)",
        "e.basis = CASE WHEN part.agreement_id IS NULL THEN 'own' ELSE 'agreement' END",
        "e.basis = ANY (CASE WHEN part.agreement_id IS NULL THEN '{own}' ELSE '{agreement,break_glass}'::text[] END)",
    ),
    (
        "visible.live_samples(bytea[],integer[],integer[],bytea,bytea,integer,timestamptz,integer)",
        "(e.agreement_id IS NULL OR EXISTS (",
        "(e.basis IN ('own', 'break_glass') OR EXISTS (",
    ),
)
"""For each function what stood in it, and what stands there instead."""


def upgrade() -> None:
    op.execute("ALTER TABLE fieldlab.export_part DROP CONSTRAINT export_part_agreement_id_fkey")
    for function, old, new in EDITS:
        edit(function, old, new)


def downgrade() -> None:
    for function, old, new in EDITS:
        edit(function, new, old)
    op.execute(
        "DELETE FROM fieldlab.export AS x USING fieldlab.export_part AS p"
        " WHERE p.export_id = x.id AND p.agreement_id IN (SELECT b.id FROM fieldlab.break_glass AS b)"
    )
    op.execute(
        "ALTER TABLE fieldlab.export_part ADD CONSTRAINT export_part_agreement_id_fkey"
        " FOREIGN KEY (agreement_id) REFERENCES fieldlab.agreement"
    )
