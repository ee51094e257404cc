"""Queries on people: those who have logged in, as their provider calls them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.ids import is_id_text
from evalhaven.domain.scopes import OrganizationScope
from evalhaven.storage.access.tables import people
from evalhaven.storage.reading import ReadTransaction


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has logged in.

    Attributes:
        id: Public id.
        issuer: The provider that vouches for them.
        subject: By what the provider knows them.
        email: Their address, as the provider says it.
        name: What they are called.
        is_organization_admin: Whether they administered the organization at their last login.
        created_at: Unix second of their first login.
        is_email_verified: Whether the provider said at their last login that the address is theirs for certain.
        last_seen_at: Unix second of their last login.
        key: Their row; 0 before it is stored.
    """

    id: str
    issuer: str
    subject: str
    email: str | None
    name: str | None
    is_organization_admin: bool
    created_at: int
    is_email_verified: bool = False
    last_seen_at: int | None = None
    key: int = 0

    @property
    def shown_name(self) -> str:
        """What lists and messages call them."""
        return self.name or self.email or self.subject


async def find_person_by_subject(
    tx: ReadTransaction, _scope: OrganizationScope, issuer: str, subject: str
) -> Person | None:
    """Return the person whom a provider vouches for; None if they have never been here."""
    query = select(people).where(people.c.issuer == issuer, people.c.subject == subject)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else person_of(row)


async def find_person_by_row(tx: ReadTransaction, _scope: OrganizationScope, key: int) -> Person | None:
    """Return the person of a row."""
    row = (await tx.execute(select(people).where(people.c.key == key))).one_or_none()
    return None if row is None else person_of(row)


async def get_person(tx: ReadTransaction, _scope: OrganizationScope, person_id: str) -> Person:
    """Return a person.

    Raises:
        NotFoundError: There is none with this id.
    """
    query = select(people).where(people.c.public_id == person_id)
    row = (await tx.execute(query)).one_or_none() if is_id_text(person_id) else None
    if row is None:
        raise NotFoundError("Person", person_id, "person")
    return person_of(row)


async def find_people_by_email(tx: ReadTransaction, _scope: OrganizationScope, email: str) -> Sequence[Person]:
    """Return those who have this address, whatever its case: several providers may tell it of several people."""
    sought = email.casefold()
    return [each for each in await _all(tx) if each.email is not None and each.email.casefold() == sought]


async def list_people(
    tx: ReadTransaction, _scope: OrganizationScope, search: str | None, limit: int
) -> Sequence[Person]:
    """Return people, those who came last first.

    Args:
        tx: Open transaction.
        search: What their name, address or subject must hold, whatever its case.
        limit: Most to return.
    """
    sought = (search or "").casefold()
    found = (each for each in await _all(tx) if any(sought in text.casefold() for text in _texts(each)))
    return list(islice(found, limit))


async def insert_person(tx: AsyncConnection, _scope: OrganizationScope, new: Person) -> None:
    """Store somebody who logs in for the first time."""
    await tx.execute(
        insert(people).values(
            public_id=new.id,
            issuer=new.issuer,
            subject=new.subject,
            email=new.email,
            is_email_verified=new.is_email_verified,
            name=new.name,
            is_organization_admin=new.is_organization_admin,
            created_at=new.created_at,
            last_seen_at=new.last_seen_at,
        )
    )


async def update_person(tx: AsyncConnection, _scope: OrganizationScope, person: Person) -> None:
    """Store what a provider says of a person now, and that they were here."""
    await tx.execute(
        update(people)
        .where(people.c.key == person.key)
        .values(
            email=person.email,
            is_email_verified=person.is_email_verified,
            name=person.name,
            is_organization_admin=person.is_organization_admin,
            last_seen_at=person.last_seen_at,
        )
    )


async def _all(tx: ReadTransaction) -> list[Person]:
    # Databases compare the letters of other alphabets each in its own way, and there are thousands at most.
    return [person_of(row) for row in (await tx.execute(select(people).order_by(people.c.key.desc()))).all()]


def _texts(person: Person) -> list[str]:
    return [each for each in (person.name, person.email, person.subject) if each is not None]


def person_of(row: Row[Any]) -> Person:
    """Return the person of a row of `people`."""
    return Person(
        id=row.public_id,
        issuer=row.issuer,
        subject=row.subject,
        email=row.email,
        is_email_verified=row.is_email_verified,
        name=row.name,
        is_organization_admin=row.is_organization_admin,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        key=row.key,
    )
