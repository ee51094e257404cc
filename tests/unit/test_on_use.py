"""Facts about libraries that are loaded when a test first uses them."""

import pytest

from tests.on_use import on_use


def test_a_library_is_loaded_by_its_first_use() -> None:
    with pytest.raises(ModuleNotFoundError):
        _ = on_use("no_such_library").anything
    assert on_use("textwrap").dedent("  a") == "a"


def test_what_pytest_asks_of_everything_in_a_module_loads_nothing() -> None:
    assert not hasattr(on_use("no_such_library"), "__test__")
    assert not hasattr(on_use("no_such_library"), "_fixture_function")
