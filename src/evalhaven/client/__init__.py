"""A client of what a server adds to the Evals API: reports, comparisons, the gate, items as frames.

    from evalhaven.client import Client

    with Client("http://127.0.0.1:8765") as haven:
        print(haven.gate(run, {"margin": 0.02}).sentence)

Evals, runs and files are created by the official SDK, which this client complements. `Client` and `AsyncClient` have
the same methods: each makes a call of `calls`, which says what is sent and what the answer is, and sends it.
"""

from evalhaven.client.asynchronous import AsyncClient, AsyncItems
from evalhaven.client.blocking import Client, Items
from evalhaven.client.errors import (
    AnswerError,
    ClientError,
    MissingLibraryError,
    NotFoundError,
    NotReadyError,
    RefusedError,
    RunDeletedError,
    ServerFailedError,
    UnexpectedAnswerError,
    UnreachableError,
)

__all__ = [
    "AnswerError",
    "AsyncClient",
    "AsyncItems",
    "Client",
    "ClientError",
    "Items",
    "MissingLibraryError",
    "NotFoundError",
    "NotReadyError",
    "RefusedError",
    "RunDeletedError",
    "ServerFailedError",
    "UnexpectedAnswerError",
    "UnreachableError",
]
