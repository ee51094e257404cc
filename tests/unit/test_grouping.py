"""Facts about which tests stay together."""

import pytest

from tests.grouping import group_of

_CONFTEST = """
import os, pathlib, pytest

@pytest.fixture(autouse=True)
def worker(request):
    place = pathlib.Path(os.environ["PLACES"]) / f"{request.path.stem}-{os.environ['PYTEST_XDIST_WORKER']}"
    place.touch()
"""


def test_tests_of_one_directory_share_a_process_and_others_a_process_for_each_file(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest(_CONFTEST)
    for directory in ("contract", "system"):
        for number in range(3):
            path = pytester.path / "tests" / directory / f"test_{directory}_{number}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("def test_a(): pass\ndef test_b(): pass\n")
    places = pytester.mkdir("places")
    monkeypatch.setenv("PLACES", str(places))

    options = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder", "-p", "no:cacheprovider")
    result = pytester.runpytest_inprocess("-p", "tests.grouping", *options)

    result.assert_outcomes(passed=12)
    found = [place.name.rpartition("-") for place in places.iterdir()]
    assert len(found) == 6, "the tests of a file stay together"
    assert len({worker for file, _, worker in found if "contract" in file}) == 1
    assert {worker for _, _, worker in found} == {"gw0", "gw1"}


def test_the_contract_s_tests_are_a_group_for_each_database_and_its_servers() -> None:
    on_sqlite = {
        group_of(f"tests/contract/{name}") for name in ("test_a.py::test_a", "llama/test_b.py::test_b[sqlite]")
    }
    beside = {
        group_of(f"tests/contract/test_a.py::test_a[{each}]") for each in ("postgresql", "replicas-1", "1-replicas")
    }

    assert len(on_sqlite) == len(beside) == 1
    assert on_sqlite != beside
    assert group_of("tests/system/test_a.py::test_a[postgresql]") == "tests/system/test_a.py"
