"""What is asked for by a text that no id can be is not there, though PostgreSQL would not even take it."""

import pytest

from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.scopes import DEFAULT_PROJECT, OrganizationScope
from evalhaven.storage.access.audit import AuditFilter, list_deeds
from evalhaven.storage.access.keys import get_key, list_valid_keys, revoke_key
from evalhaven.storage.access.members import find_member
from evalhaven.storage.access.people import get_person
from evalhaven.storage.access.projects import find_project, list_projects
from evalhaven.storage.access.service_accounts import get_account, list_accounts
from evalhaven.storage.database import Database

ORGANIZATION = OrganizationScope()


@pytest.mark.parametrize("text", ["\0", "key_\0", "\ud800", "", "a b"])
async def test_what_can_be_no_id_is_not_found(database: Database, text: str) -> None:
    page = PageRequest(after=text, limit=1, order="desc")
    async with database.read() as tx:
        assert await find_project(tx, ORGANIZATION, text) is None
        assert await find_member(tx, DEFAULT_PROJECT, text) is None
        for refused, error in (
            (get_key(tx, DEFAULT_PROJECT, text), NotFoundError),
            (get_key(tx, ORGANIZATION, text), NotFoundError),
            (get_person(tx, ORGANIZATION, text), NotFoundError),
            (get_account(tx, DEFAULT_PROJECT, text), NotFoundError),
            (list_valid_keys(tx, DEFAULT_PROJECT, page), InvalidRequestError),
            (list_accounts(tx, DEFAULT_PROJECT, page), InvalidRequestError),
            (list_projects(tx, ORGANIZATION, page, with_archived=True), InvalidRequestError),
        ):
            with pytest.raises(error):
                await refused
        for wanted in (AuditFilter(action=text), AuditFilter(caller=text), AuditFilter(target=text)):
            assert await list_deeds(tx, ORGANIZATION, wanted, None, 10) == []
    async with database.write() as tx:
        assert not await revoke_key(tx, DEFAULT_PROJECT, text, 1)
