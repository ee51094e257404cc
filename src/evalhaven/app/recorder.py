"""The recorder's parts, put together: the process that stores logged calls."""

import gc
import os
import socket
import sys

import anyio

from evalhaven.app.neighbours import close_to_neighbours
from evalhaven.app.retention import drop_old_calls
from evalhaven.app.server_link import beat, follow_parent
from evalhaven.app.stores import database_url, log_store
from evalhaven.domain.clock import Clock
from evalhaven.logs.handover.receiver import LogReceiver
from evalhaven.logs.reading.redaction import Redaction
from evalhaven.meters.board import Board
from evalhaven.sandbox.inside.parent import die_with_parent
from evalhaven.settings import Settings
from evalhaven.storage.database import open_database


def record_calls(settings: Settings, parent_pid: int, calls_descriptor: int) -> None:
    """Act as the recorder: store calls until the parent is gone, then end this process.

    Args:
        settings: Those of the server.
        parent_pid: The server's process.
        calls_descriptor: The inherited socket on which calls come.
    """
    die_with_parent(parent_pid)
    close_to_neighbours()
    gc.freeze()  # imported modules stay for the life of the process
    uvloop = {"use_uvloop": sys.platform != "win32"}
    anyio.run(_record_calls, settings, socket.socket(fileno=calls_descriptor), backend_options=uvloop)


async def _record_calls(settings: Settings, channel: socket.socket) -> None:
    channel.setblocking(False)
    board = Board("recorder")
    database = open_database(database_url(settings), board=board)
    store = log_store(settings, database)
    receiver = LogReceiver(channel, store, Redaction.of(settings.log_redact))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receiver.serve)
        tasks.start_soon(drop_old_calls, store, database, settings, Clock())
        tasks.start_soon(beat, lambda: receiver.problem, board)
        await follow_parent(lambda: None)
        # Ends as if by SIGKILL, like the executor: what was not acknowledged is counted by the next server.
        os._exit(1)
