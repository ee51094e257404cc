"""A pytest plugin that says which tests stay together where processes run them side by side (`--dist=loadfile`).

The tests of a file do, since they share servers. Those of tests/contract share all of theirs, and a model that takes
seconds to load: four processes would start each four times.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling, Scheduling

_TOGETHER = ("tests/contract/",)


def group_of(nodeid: str) -> str:
    """Return the name of what a test stays together with."""
    return next((directory for directory in _TOGETHER if nodeid.startswith(directory)), nodeid.partition("::")[0])


class _Grouped(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Hand out groups instead of files."""
    return _Grouped(config, log) if config.getvalue("dist") == "loadfile" else None
