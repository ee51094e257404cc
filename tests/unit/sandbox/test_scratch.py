"""Scratch directories: counted, and removed whatever a grader made of them."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evalhaven.sandbox.scratch import ScratchRoot, measure, remove_tree

DEEP = 300
_MAKES_DEEP = """
import os, sys
os.chdir(sys.argv[1])
for _ in range(int(sys.argv[2])):
    os.mkdir("d" * 100)
    os.mkdir("closed", 0)
    open("file", "w").close()
    os.chdir("d" * 100)
"""
_REMOVES = """
import resource, sys
from pathlib import Path
from evalhaven.sandbox.scratch import remove_tree
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
remove_tree(Path(sys.argv[1]))
"""


def test_a_nesting_deeper_than_any_path_is_removed(tmp_path: Path) -> None:
    # A process of its own: its working directory ends up where no path leads.
    (tmp_path / "top").mkdir()
    subprocess.run([sys.executable, "-c", _MAKES_DEEP, tmp_path / "top", str(DEEP)], check=True)

    # As is this one, whose few descriptors are its own: what other tests hold open does not count.
    subprocess.run([sys.executable, "-c", _REMOVES, tmp_path / "top", "64"], check=True)

    assert list(tmp_path.iterdir()) == []


def test_links_out_are_removed_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to(outside)

    remove_tree(tmp_path / "top")

    assert (outside / "file").exists()
    assert not (tmp_path / "top").exists()


def test_sizes_and_files_add_up(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(os.urandom(100_000))
    (tmp_path / "a" / "b" / "two").write_bytes(os.urandom(50_000))

    usage = measure(tmp_path, 100)

    assert usage.files == 4
    assert 150_000 <= usage.size_bytes < 200_000


def test_a_hole_takes_no_room(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)

    assert measure(tmp_path, 100).size_bytes < 1 << 20


def test_counting_stops_soon_after_the_limit(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).touch()

    assert measure(tmp_path, 10).files == 11


def test_what_a_killed_server_left_is_swept_and_a_living_one_keeps_its_own(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _LEAVES, tmp_path], capture_output=True, text=True, check=False
    ).stdout.strip()
    assert Path(killed).exists()
    first = ScratchRoot(tmp_path)
    kept = first.make(0)
    second = ScratchRoot(tmp_path)

    assert not Path(killed).exists()
    assert kept.exists()
    first.close()
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_somebody_tidied_away_is_made_anew(tmp_path: Path) -> None:
    root = ScratchRoot(tmp_path)
    remove_tree(root.make(0).parent)
    assert list(tmp_path.iterdir()) == []

    kept = root.make(0)
    other = ScratchRoot(tmp_path)
    assert kept.exists()
    root.close()
    other.close()
    assert list(tmp_path.iterdir()) == []


_LEAVES = """
import os, sys
from pathlib import Path
from evalhaven.sandbox.scratch import ScratchRoot
print(ScratchRoot(Path(sys.argv[1])).make(0), flush=True)
os._exit(9)
"""


def test_servers_that_start_at_the_same_moment_each_get_a_root(tmp_path: Path) -> None:
    # Each removes what no process has locked, which a root is for a moment after another one made it.
    def open_and_close(_: int) -> bool:
        root = ScratchRoot(tmp_path)
        is_there = root.make(0).is_dir()
        root.close()
        return is_there

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(open_and_close, range(400)))
    assert list(tmp_path.iterdir()) == []
