"""Everything that was sealed, sealed again with the first of the vault's keys."""

from evalhaven.domain.scopes import EngineScope
from evalhaven.runs.vault import Vault, VaultError
from evalhaven.storage.database import Database
from evalhaven.storage.sealed import Resealed, find_sealed, reseal_all


async def reseal_everything(database: Database, vault: Vault) -> Resealed:
    """Seal again what older keys have sealed, of all projects, in one transaction."""
    async with database.write() as tx:
        return await reseal_all(tx, EngineScope(), vault.reseal, VaultError)


async def explain_unreadable(database: Database, vault: Vault) -> str | None:
    """Return how many secrets the vault cannot open, why, and what to do; None if it opens all of them."""
    sealed = await database.fetch(lambda tx: find_sealed(tx, EngineScope()))
    reasons = [reason for each in sealed if (reason := _why_shut(vault, each)) is not None]
    if not reasons:
        return None
    return (
        f"{len(reasons)} of {len(sealed)} stored secrets cannot be read: {reasons[0]}. Put the key back that encrypted "
        "them, into EVALHAVEN_SECRET_KEY or the file secret.key, and restart; if it is lost, rotate the secrets of "
        "webhooks."
    )


def _why_shut(vault: Vault, sealed: bytes) -> str | None:
    try:
        vault.open(sealed)
    except (OSError, VaultError) as error:
        return str(error)
    return None
