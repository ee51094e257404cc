"""Whether lists are complete: one eval, run and output item each is also fetched by itself, and compared."""

from evalhaven.domain import jsontext
from evalhaven.importers.archive import UnitKind
from evalhaven.importers.hosted.client import HostedClient, HostedError
from evalhaven.importers.hosted.workspace import Workspace
from evalhaven.importers.pages import object_id


class Comparison:
    """Compares the first object of each kind in an export's lists with the answer of its own address."""

    def __init__(self, client: HostedClient, workspace: Workspace) -> None:
        self._client = client
        self._workspace = workspace
        self._done: set[UnitKind] = set()

    async def compare(self, kind: UnitKind, path: str, listed: bytes) -> None:
        """Compare an object of a list, unless one of its kind has been; a difference is noted.

        Raises:
            HostedError: The key is not accepted, or the server is gone.
        """
        if kind in self._done:
            return
        self._done.add(kind)
        try:
            alone = await self._client.get_object(path)
        except HostedError as error:
            if error.ends_everything:
                raise
            # It may be gone by now; if it cannot be read by itself, the list is all there is.
            return
        if names := differing_members(alone, listed):
            message = f"the list abbreviates {kind.replace('_', ' ')}: read by itself, this one differs in {names}"
            self._workspace.note(kind, object_id(listed), message, is_lacking=True)


def differing_members(first: bytes, second: bytes) -> str:
    """Return the names of the members in which two objects differ, comparing numbers by value; "" if they are equal."""
    ours, theirs = jsontext.parse(first), jsontext.parse(second)
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return ""
    absent = object()
    names = sorted(ours.keys() | theirs.keys())
    return ", ".join(name for name in names if ours.get(name, absent) != theirs.get(name, absent))
