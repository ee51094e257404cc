"""Everything that was sealed, sealed again with the first of the vault's keys."""

from evalhaven.domain.scopes import EngineScope
from evalhaven.runs.vault import Vault, VaultError
from evalhaven.storage.database import Database
from evalhaven.storage.sealed import Resealed, reseal_all


async def reseal_everything(database: Database, vault: Vault) -> Resealed:
    """Seal again what older keys have sealed, of all projects, in one transaction."""
    async with database.write() as tx:
        return await reseal_all(tx, EngineScope(), vault.reseal, VaultError)
