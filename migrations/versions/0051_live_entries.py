"""An entry of a live answer opens nothing but that: its stretches may reach beyond the tenures that it names.

So nobody reads another's samples for an entry that tells somebody else of them.
"""

from migrations.edit import edit

revision = "0051"
down_revision = "0050"

_FUNCTION = "fieldlab.noted(integer)"
_ANY = "a.participant_id = reader AND ("
_NOT_LIVE = "a.participant_id = reader AND a.kind <> 'live' AND ("


def upgrade() -> None:
    edit(_FUNCTION, _ANY, _NOT_LIVE)


def downgrade() -> None:
    edit(_FUNCTION, _NOT_LIVE, _ANY)
