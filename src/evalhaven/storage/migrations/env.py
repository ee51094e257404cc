"""Alembic's entry: runs the migrations on the connection that `upgrade_database` hands over."""

from alembic import context

from evalhaven.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
