"""Libraries that results are held against, loaded when a test first uses them.

Each process of the tests reads all of their modules, and few of these tests: SciPy and what stands on it take 2.5 s of
CPU to load.

    if TYPE_CHECKING:
        from scipy import stats
    else:
        stats = on_use("scipy.stats")
"""

import importlib
from types import ModuleType
from typing import Any


class _OnUse:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        # pytest asks everything in a module whether it is a fixture or a test.
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        module: ModuleType = importlib.import_module(self._name)
        return getattr(module, attribute)


def on_use(name: str) -> Any:
    """Return what stands for a module, and imports it with the first attribute that is asked for."""
    return _OnUse(name)
