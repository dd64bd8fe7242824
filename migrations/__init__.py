"""The database schema, as Alembic revisions and one step that fits it to the engine."""
