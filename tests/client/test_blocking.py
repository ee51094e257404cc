"""Facts about the two clients: one is made from the other."""

import inspect

from evalhaven.client import AsyncClient, Client
from tests.client.blocking import ROOM, blocking_text


def test_the_blocking_client_is_what_is_made_from_the_asynchronous_one() -> None:
    assert (ROOM / "blocking.py").read_text() == blocking_text()


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(each).parameters) for name, each in found if name[0] != "_"}

    assert methods(Client) == methods(AsyncClient)
    assert len(methods(Client)) >= 15
