"""People and members of a project below `/api/`."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.contract import NonEmptyStr, OpenObject, UnixTime, WireModel

RoleName = Literal["viewer", "editor", "admin"]


class AddMemberRequest(WireModel):
    """Say who becomes a member of the project, and what they may do there."""

    person: NonEmptyStr = Field(
        description="Somebody who has logged in before: their id, or an address that their provider has verified."
    )
    role: RoleName = Field(description="`viewer` sees, `editor` also changes and executes, `admin` also manages.")


class ChangeMemberRequest(WireModel):
    """Say what a member may do in the project from now on."""

    role: RoleName = Field(description="`viewer` sees, `editor` also changes and executes, `admin` also manages.")


class Person(OpenObject):
    """Show somebody who has logged in."""

    object: Literal["person"]
    id: str = Field(description="By which they are made a member.")
    name: str = Field(description="What their provider calls them: by name, else by address, else by subject.")
    email: str | None = Field(description="Their address, as the provider says it; null if it says none.")
    is_email_verified: bool = Field(
        description="Whether the provider said at their last login that it has made sure that the address is theirs."
    )
    issuer: str = Field(description="The provider that vouches for them.")
    subject: str = Field(description="By what the provider knows them.")
    is_organization_admin: bool = Field(description="Whether they administer the organization.")
    created_at: UnixTime = Field(description="When they first logged in.")
    last_seen_at: UnixTime | None = Field(description="When they last logged in.")


class PersonList(OpenObject):
    """List people, those who came last first."""

    object: Literal["list"]
    data: list[Person] = Field(description="Those who are found.")
    has_more: bool = Field(description="Whether there are more of them: narrow the search down.")


class Member(OpenObject):
    """Show a person in the project."""

    object: Literal["member"]
    person: Person = Field(description="Who it is.")
    role: RoleName = Field(description="What they are in the project.")
    created_at: UnixTime = Field(description="Since when they are a member.")


class MemberList(OpenObject):
    """List the members of the project, in the order in which they came."""

    object: Literal["list"]
    data: list[Member] = Field(description="The members.")


class MemberRemoved(OpenObject):
    """Show that a person is no member of the project any more."""

    object: Literal["member.deleted"]
    id: str = Field(description="Id of the person.")
    deleted: bool = Field(description="Always true.")
