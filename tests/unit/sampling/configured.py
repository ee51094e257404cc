"""Loading a text as evalhaven.toml."""

from collections.abc import Callable
from pathlib import Path

import pytest

from evalhaven.sampling.catalog import Catalog, CatalogError
from evalhaven.sampling.configuration.loading import Upstream, load_catalog

KEY = "sk-made-up-and-secret"

Load = Callable[..., Catalog]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a text as a configuration file."""

    def load(text: str | bytes, upstream: Upstream | None = None, **environment: str) -> Catalog:
        path = tmp_path / "evalhaven.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load_catalog(path, upstream or Upstream(), environment)

    return load


@pytest.fixture
def faults(load: Load, tmp_path: Path) -> Callable[..., list[str]]:
    """Load a text that is wrong; return what is said of it, without the file's name."""

    def faults(text: str | bytes, **environment: str) -> list[str]:
        with pytest.raises(CatalogError) as refusal:
            load(text, **environment)
        lines = str(refusal.value).splitlines()
        assert all(line.startswith(f"{tmp_path / 'evalhaven.toml'}") for line in lines)
        return [line.removeprefix(f"{tmp_path / 'evalhaven.toml'}").removeprefix(": ") for line in lines]

    return faults


def endpoint(keys: str = "", base_url: str = "http://host/v1") -> str:
    """Return the text of an endpoint named a."""
    return f'[endpoints.a]\nbase_url = "{base_url}"\n{keys}\n'
