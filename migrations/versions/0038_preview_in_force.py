"""The value in force can be previewed: of an agreement the owner is shown what it opens, and not its own besides."""

from typing import Final

from migrations.edit import edit

revision = "0038"
down_revision = "0037"

_FUNCTION: Final = "visible.in_force(integer[],timestamptz,boolean,uuid[])"
_OLD: Final = "(e.basis = 'own' OR e.basis <> 'preview' AND e.agreement_id = ANY (under))"
_NEW: Final = """(e.agreement_id = ANY (under) OR e.basis = 'own' AND NOT EXISTS (
              SELECT FROM fieldlab.agreement AS a WHERE a.id = ANY (under) AND a.owner_id = reader))"""


def upgrade() -> None:
    edit(_FUNCTION, _OLD, _NEW)


def downgrade() -> None:
    edit(_FUNCTION, _NEW, _OLD)
