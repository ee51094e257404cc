"""What the figures were measured on: without that, they cannot be compared."""

import os
import platform
import sqlite3
from pathlib import Path

import psutil

from evalhaven import __version__


def machine_facts() -> dict[str, str]:
    """Return processor, memory, system, versions and current load."""
    cores = psutil.cpu_count(logical=True) or 0
    return {
        "processor": f"{_processor_name()}, {cores} cores",
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "versions": f"Evalhaven {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "load at start": f"{os.getloadavg()[0]:.2f} of {cores}",
    }


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
