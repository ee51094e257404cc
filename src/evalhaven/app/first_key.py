"""The first start where other machines reach the server: an admin key is made, and shown once."""

from collections.abc import Callable

from evalhaven.api.access.making import make_admin_key
from evalhaven.api.services import Services
from evalhaven.domain.scopes import OrganizationScope
from evalhaven.storage.access.keys import has_keys, insert_key
from evalhaven.storage.access.projects import lock_organization

FIRST_KEY_NAME = "first admin key"


async def make_first_key(services: Services, show: Callable[[str], None]) -> None:
    """Make an admin key unless there is a key, and show it: it is nowhere else.

    Args:
        services: Those of the server.
        show: Shows its secret to whoever started the server.
    """
    scope = OrganizationScope()
    key, secret = make_admin_key(services.ids, FIRST_KEY_NAME, services.now())
    async with services.database.write() as tx:
        # Of several servers that start at once, one makes it.
        await lock_organization(tx, scope)
        if await has_keys(tx, scope):
            return
        await insert_key(tx, scope, key)
    services.door.forget()
    show(secret)
