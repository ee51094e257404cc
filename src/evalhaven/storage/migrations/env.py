"""Alembic's entry: runs the migrations on the connection that `upgrade_database` hands over."""

from alembic import context

from evalhaven.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=True,
    # Also on SQLite: a step that is cut short leaves nothing behind, so that the next start can take it again.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
