"""Alembic's entry: runs the revisions on the connection that the runner hands over."""

from alembic import context

from fieldlab.storage.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table_schema="fieldlab",
    include_schemas=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
