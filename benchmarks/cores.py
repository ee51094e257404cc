"""Pins processes to cores: the measured process and what it calls must not take turns on one."""

import os
from collections.abc import Generator
from contextlib import contextmanager

MEASURED, ENDPOINT = 0, 1


@contextmanager
def on_core(core: int) -> Generator[None]:
    """Pin processes that are started in the block to this core; if there is no second core, pin nothing."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    if len(before) > 1:
        os.sched_setaffinity(0, {sorted(before)[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
