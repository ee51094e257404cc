"""Facts about rows that become frames, part by part."""

import math
import sys
from collections.abc import Callable
from typing import Any

import pytest

from evalhaven.client.errors import MissingLibraryError
from evalhaven.client.frames import FrameLibrary, FrameMaker, Pandas, Polars

PARTS: list[dict[str, list[Any]]] = [
    {"whole": [1, None], "share": [1, 2], "is": [True, None], "text": ["é", None], "mixed": [1, 2], "void": [None] * 2},
    {"whole": [3, 4], "share": [0.5, None], "is": [False, True], "text": ["b", "c"], "mixed": ["x", True],
     "void": [None] * 2},
    {"whole": [None, None], "share": [None, 1], "is": [None, None], "text": ["\ud800", ""], "mixed": [None, {"a": [1]}],
     "void": [None] * 2},
]  # fmt: skip


def values_of(library: FrameLibrary, frame: Any, name: str) -> list[Any]:
    """Return the values of a column, None for missing ones."""
    return library.values(frame[name])


@pytest.fixture(params=[Pandas, Polars])
def library(request: pytest.FixtureRequest) -> FrameLibrary:
    """Return each library that makes frames."""
    make: Callable[[], FrameLibrary] = request.param
    return make()


def frame_of(library: FrameLibrary, parts: list[dict[str, list[Any]]]) -> Any:
    """Return the frame of some parts."""
    maker = FrameMaker(library)
    for part in parts:
        names = list(part)
        maker.add([dict(zip(names, values, strict=True)) for values in zip(*part.values(), strict=True)])
    return maker.finish()


def test_parts_are_joined_to_columns_that_keep_every_value_and_its_absence(library: FrameLibrary) -> None:
    frame = frame_of(library, PARTS)

    assert list(frame.columns) == ["whole", "share", "is", "text", "mixed", "void"]
    assert values_of(library, frame, "whole") == [1, None, 3, 4, None, None]
    assert values_of(library, frame, "share") == [1.0, 2.0, 0.5, None, None, 1.0]
    assert values_of(library, frame, "is") == [True, None, False, True, None, None]
    assert values_of(library, frame, "text") == ["é", None, "b", "c", "?", ""]
    assert values_of(library, frame, "mixed") == ["1", "2", "x", "true", None, '{"a": [1]}']
    assert values_of(library, frame, "void") == [None] * 6


def test_columns_have_the_types_of_their_values() -> None:
    pandas, polars = frame_of(Pandas(), PARTS), frame_of(Polars(), PARTS)

    assert [str(each) for each in pandas.dtypes] == ["Int64", "float64", "boolean", "str", "str", "object"]
    assert [str(each) for each in polars.dtypes] == ["Int64", "Float64", "Boolean", "String", "String", "Null"]
    assert math.isclose(pandas["share"].mean(), polars["share"].mean())


def test_numbers_too_large_for_a_column_are_text(library: FrameLibrary) -> None:
    frame = frame_of(library, [{"n": [1, 2**63]}, {"n": [-(2**63), 3]}])

    assert values_of(library, frame, "n") == ["1", str(2**63), str(-(2**63)), "3"]


@pytest.mark.parametrize(("make", "name"), [(Pandas, "pandas"), (Polars, "polars")])
def test_without_its_library_a_frame_is_refused_with_what_to_install(
    make: type[Pandas | Polars], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(MissingLibraryError, match=rf"pip install 'evalhaven\[{name}\]'"):
        make()
