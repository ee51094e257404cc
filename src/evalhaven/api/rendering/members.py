"""People and members as they are shown."""

from evalhaven.storage.access.members import Member
from evalhaven.storage.access.people import Person
from evalhaven.wire import members as wire


def shown_person(person: Person, *, is_organization_admin: bool) -> wire.Person:
    """Return somebody who has logged in.

    Args:
        person: Who it is.
        is_organization_admin: Whether they administer the organization now.
    """
    return wire.Person(
        object="person",
        id=person.id,
        name=person.shown_name,
        email=person.email,
        is_email_verified=person.is_email_verified,
        issuer=person.issuer,
        subject=person.subject,
        is_organization_admin=is_organization_admin,
        created_at=person.created_at,
        last_seen_at=person.last_seen_at,
    )


def shown_member(member: Member, *, is_organization_admin: bool) -> wire.Member:
    """Return a person in a project."""
    return wire.Member(
        object="member",
        person=shown_person(member.person, is_organization_admin=is_organization_admin),
        role=member.role.value,
        created_at=member.created_at,
    )
