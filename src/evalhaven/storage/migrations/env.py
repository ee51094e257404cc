"""Alembic's entry point: runs the migrations on the connection that `upgrade_database` passes in."""

from alembic import context

from evalhaven.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=True,
    # On SQLite too, an interrupted step leaves nothing behind, so that the next start can repeat it.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
