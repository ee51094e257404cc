"""Which environment a grader gets, what is said if one is missing, and how one is installed."""

import zipfile
from pathlib import Path

import pytest

from evalhaven.graders.python import installing
from evalhaven.graders.python.environments import (
    STANDARD_LIBRARY,
    Environments,
    closed_directory,
    find_nltk_data,
    is_tag,
    python_directory,
)
from evalhaven.graders.python.image import DEFAULT_IMAGE, IMAGES, Image
from evalhaven.graders.python.installing import Deviation, InstallError, PackageSource, install_environment


def make_environment(directory: Path, tag: str, python: str | None = None) -> Path:
    packages = directory / tag / "lib" / (python or python_directory()) / "site-packages"
    packages.mkdir(parents=True)
    (directory / tag / "pyvenv.cfg").touch()
    return packages.resolve()


def make_wheel(directory: Path, name: str, version: str, requires: str | None = None) -> None:
    """Write a wheel with one module of the same name."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    with zipfile.ZipFile(directory / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
            record += f"{path},,\n"
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


def test_without_an_environment_there_is_the_standard_library(tmp_path: Path) -> None:
    chosen = Environments(tmp_path / "nothing").select()

    assert (chosen.name, chosen.sandboxed.paths, chosen.caution) == (STANDARD_LIBRARY, (), None)
    assert chosen.sandboxed.python.is_file()


def test_an_image_tag_picks_its_environment_and_without_one_the_default_image_does(tmp_path: Path) -> None:
    paths = {tag: make_environment(tmp_path, tag) for tag in ("2024-01-01", DEFAULT_IMAGE, "mine")}
    environments = Environments(tmp_path, tmp_path)

    for tag, wanted in ((None, DEFAULT_IMAGE), ("mine", "mine"), ("2024-01-01", "2024-01-01")):
        chosen = environments.select(tag)
        assert (chosen.name, chosen.sandboxed.paths, chosen.caution) == (wanted, (paths[wanted],), None)
        assert chosen.sandboxed.nltk_data == tmp_path


@pytest.mark.parametrize("tag", ["2030-01-01", "../2025-05-08", "", "a/b", "."])
def test_an_image_tag_without_an_environment_gets_what_there_is_and_a_caution(tmp_path: Path, tag: str) -> None:
    make_environment(tmp_path, "mine")
    chosen = Environments(tmp_path).select(tag)

    assert chosen.name == "mine"
    assert chosen.caution is not None
    assert f"image_tag {tag!r} is not installed here, so the grader has the libraries of 'mine'" in chosen.caution


def test_an_environment_of_another_python_is_not_used(tmp_path: Path) -> None:
    make_environment(tmp_path, DEFAULT_IMAGE, "python3.1")
    environments = Environments(tmp_path)

    assert [(each.tag, each.packages) for each in environments.installed()] == [(DEFAULT_IMAGE, None)]
    assert environments.select(DEFAULT_IMAGE).name == STANDARD_LIBRARY


def test_names_that_lead_elsewhere_are_no_tags() -> None:
    assert is_tag("2025-05-08")
    assert [tag for tag in ("", ".", "..", "../x", "a/b", "-x", "a" * 65, "a b") if is_tag(tag)] == []


def test_the_cure_names_the_distribution_of_a_missing_module(tmp_path: Path) -> None:
    bare = Environments(tmp_path)
    make_environment(tmp_path, "mine")
    missing = "ModuleNotFoundError: No module named 'sklearn.metrics'"

    assert "To have scikit-learn" in str(bare.cure_of(Environments(tmp_path / "none").select(), missing))
    assert "'mine' has no scikit-learn" in str(bare.cure_of(bare.select(), missing))
    assert bare.cure_of(bare.select(), "ModuleNotFoundError: No module named 'nowhere'") is None
    assert bare.cure_of(bare.select(), "KeyError: 'sklearn'") is None
    assert "NLTK_DATA" in str(bare.cure_of(bare.select(), "Please use the NLTK Downloader to obtain the resource"))


def test_nltk_data_is_the_first_directory_that_exists(tmp_path: Path) -> None:
    assert find_nltk_data(f"{tmp_path / 'none'}:{tmp_path}:/usr") == tmp_path.resolve()
    assert find_nltk_data(str(tmp_path / "none")) is find_nltk_data("") is find_nltk_data(None) is None


def test_a_directory_that_only_its_owner_enters_is_found(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "open").mkdir(parents=True)
    closed.chmod(0o700)
    (closed / "open").chmod(0o755)

    found = closed_directory(closed / "open")
    assert found is not None
    assert found in (closed, *closed.parents)
    assert closed_directory(Path("/usr")) is None


def test_every_image_says_what_its_modules_are_called() -> None:
    for image in IMAGES.values():
        assert image.modules.keys() <= image.packages.keys()
        assert [name for name in image.packages if "-" in name and name not in image.modules] == []


def test_an_environment_is_made_of_wheels_as_far_as_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image({"alpha": "1.0", "beta": "2.0", "gamma": "3.0"})
    monkeypatch.setitem(IMAGES, "some", image)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels, "alpha", "1.0", "delta")
    make_wheel(wheels, "beta", "1.9", "alpha")
    make_wheel(wheels, "delta", "0.1")
    environments = Environments(tmp_path / "environments")
    said: list[str] = []
    found = install_environment(environments, "some", PackageSource([str(wheels)], no_index=True), said.append)

    assert found == [Deviation("beta", "2.0", "1.9"), Deviation("gamma", "3.0", None)]
    assert [str(each) for each in found][1] == "gamma is missing; the hosted image has 3.0."
    [installed] = environments.installed()
    assert installed.versions() == {"alpha": "1.0", "beta": "1.9", "delta": "0.1"}
    assert installed.packages is not None
    assert (installed.packages / "delta.py").stat().st_mode & 0o044 == 0o044
    assert {"beta: no wheel of version 2.0", "beta: installed in another version"} <= set(said)
    assert "gamma: no wheel of version 3.0" in said
    assert [path.name for path in environments.directory.iterdir()] == ["some"]


def test_an_environment_stays_when_another_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(IMAGES, "some", Image({"alpha": "1.0"}))
    kept = make_environment(tmp_path / "environments", "some")
    environments = Environments(tmp_path / "environments")

    with pytest.raises(InstallError, match="No wheel of any library was found in what --find-links names"):
        install_environment(environments, "some", PackageSource([str(tmp_path)], no_index=True), print)
    assert kept.is_dir()
    assert [path.name for path in environments.directory.iterdir()] == ["some"]


def test_an_unknown_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="There is no image '1999'; this release knows 2025-05-08"):
        install_environment(Environments(tmp_path), "1999", PackageSource(), print)


def test_a_missing_pip_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(installing.sys, "executable", str(broken))

    with pytest.raises(InstallError, match="ensurepip"):
        installing._pip(tmp_path, ["install", "numpy"], PackageSource())
