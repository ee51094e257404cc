"""A pytest plugin that says which tests stay together where processes run them side by side (`--dist=loadfile`).

The tests of a file do, since they share servers. Those of tests/contract share all of theirs, and a model that takes
seconds to load: each process would start them anew. They are two groups, those on SQLite and the others, which share
no server: one group would take longer than all the rest.
"""

import re

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling, Scheduling

_TOGETHER = ("tests/contract/",)
_BESIDE_POSTGRESQL = re.compile(r"[\[-](postgresql|replicas)[\]-]")


def group_of(nodeid: str) -> str:
    """Return the name of what a test stays together with."""
    directory = next((directory for directory in _TOGETHER if nodeid.startswith(directory)), None)
    if directory is None:
        return nodeid.partition("::")[0]
    return f"{directory} beside PostgreSQL" if _BESIDE_POSTGRESQL.search(nodeid) else directory


class _Grouped(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Hand out groups instead of files."""
    return _Grouped(config, log) if config.getvalue("dist") == "loadfile" else None
