"""Changing a few words of a function of the database, where all of it stands in an earlier revision."""

from typing import Final

from alembic import op

_EDIT: Final = """
DO $edit$ DECLARE
    was text := pg_get_functiondef('{function}'::regprocedure);
    made text := replace(was, '{old}', '{new}');
BEGIN
    IF made = was THEN
        RAISE EXCEPTION '% has nothing to edit', '{function}';
    END IF;
    EXECUTE made;
END $edit$
"""


def edit(function: str, old: str, new: str) -> None:
    """Put one text for another, wherever it stands in a function's definition; fails where it does not."""
    parts = {"function": function, "old": old, "new": new}
    op.execute(_EDIT.format(**{name: text.replace("'", "''") for name, text in parts.items()}))
