"""`evalhaven secrets rotate`: everything sealed is sealed again with a new key."""

from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from evalhaven.app.stores import StartError, database_path, database_url, vault
from evalhaven.runs.resealing import reseal_everything
from evalhaven.runs.vault import VaultError
from evalhaven.settings import Settings
from evalhaven.storage.database import open_database
from evalhaven.storage.revisions import schema_revisions
from evalhaven.storage.sealed import Resealed


@dataclass(frozen=True, slots=True)
class Rotation:
    """What was done.

    Attributes:
        has_new_key: Whether a new key was put into the key file.
        keys: How many keys are configured; 0: those of the key file are used.
        resealed: What became of the secrets.
    """

    has_new_key: bool
    keys: int
    resealed: Resealed


async def rotate_secrets(settings: Settings) -> Rotation:
    """Seal all secrets with the first of the configured keys, or with a new one of the key file.

    Servers and workers may be at work meanwhile.

    Raises:
        StartError: There is no database of this release, or the keys cannot be used.
    """
    if settings.database_url is None and not database_path(settings.data_dir).exists():
        raise StartError(f"There is no database in {str(settings.data_dir)!r}: name the directory with --data-dir.")
    url = database_url(settings)
    try:
        revision, wanted = schema_revisions(url)
        if revision != wanted:
            raise StartError("The database is of another release: upgrade it with `evalhaven db upgrade` first.")
        keys, holder = settings.secret_key, vault(settings)
        has_new_key = keys is None and holder.put_new_key()
        database = open_database(url)
        try:
            resealed = await reseal_everything(database, holder)
        finally:
            await database.close()
    except DBAPIError as error:
        raise StartError(f"The database cannot be used: {str(error.orig).strip()}") from error
    except (OSError, VaultError) as error:
        raise StartError(f"The keys cannot be used: {error}.") from error
    return Rotation(has_new_key, 0 if keys is None else len(keys.get_secret_value().split(",")), resealed)
