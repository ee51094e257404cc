"""What an export is asked for: by the command line, else by the archive that it continues.

The archive keeps all of it except the key, so that the command that continues needs no options and can be printed.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evalhaven.importers.archive import MANIFEST, ArchiveError, Asked, Manifest, read_manifest
from evalhaven.importers.hosted.account import DEFAULT_BASE_URL, OWNER_HEADERS, is_azures, is_well_known
from evalhaven.importers.hosted.filters import Filters, read_filters


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for; None, or no filter, for options that are not given."""

    base_url: str | None = None
    filters: Filters = field(default_factory=Filters)
    api_version: str | None = None
    all_files: bool = False
    logs: bool | None = None
    concurrency: int | None = None
    tries: int | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an export is asked for."""

    base_url: str
    filters: Filters
    asked: Asked


class OrderError(Exception):
    """The command line contradicts what the archive was asked for; the message says how to continue."""


def read_order(directory: Path, wishes: Wishes, environment: Mapping[str, str]) -> Order:
    """Return what an export into a directory is asked for.

    A complete archive accepts another order, and keeps what it holds. An incomplete one continues with its own order.

    Args:
        directory: May already hold an archive.
        wishes: What the command line asks for.
        environment: Names the organisation and the project.

    Raises:
        OrderError: The wishes contradict what the archive there was asked for.
        ArchiveError: The manifest cannot be read.
        InvalidFilterError: The filters of the manifest cannot be read.
    """
    base_url = None if wishes.base_url is None else wishes.base_url.rstrip("/")
    earlier = read_manifest(directory) if (directory / MANIFEST).exists() else None
    own = _own(wishes, base_url or (earlier.base_url if earlier else DEFAULT_BASE_URL), environment)
    if earlier is None:
        return Order(base_url=base_url or DEFAULT_BASE_URL, filters=wishes.filters, asked=own)
    if base_url not in (None, earlier.base_url):
        raise ArchiveError(f"{str(directory)!r} holds an archive of {earlier.base_url}: choose another directory.")
    order = _joined(directory, wishes, own, earlier)
    if base_url is None and not is_well_known(earlier.base_url):
        raise OrderError(
            f"{str(directory)!r} holds an archive of {earlier.base_url}, and your key goes to such an address only "
            f"when you name it: {command(order, directory)}"
        )
    return order


def command(order: Order, directory: Path) -> str:
    """Return the command that continues an export, ready for a shell."""
    asked = order.asked
    words = ["evalhaven", "export-hosted", "--to-dir", str(directory), "--base-url", order.base_url]
    words += [] if asked.api_version is None else ["--api-version", asked.api_version]
    words += order.filters.options()
    words += ["--all-files"] if asked.all_files else []
    words += [] if asked.logs else ["--no-logs"]
    for option, value in (("concurrency", asked.concurrency), ("tries", asked.tries), ("timeout", asked.timeout_s)):
        words += [] if value is None else [f"--{option}", f"{value:g}"]
    return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in asked.owner.items()), shlex.join(words)])


def _own(wishes: Wishes, base_url: str, environment: Mapping[str, str]) -> Asked:
    owner: dict[str, str] = {}
    if not is_azures(base_url, wishes.api_version):
        owner = {name: environment[name] for name in OWNER_HEADERS if environment.get(name)}
    return Asked(
        api_version=wishes.api_version,
        owner=owner,
        all_files=wishes.all_files,
        logs=wishes.logs is not False,
        concurrency=wishes.concurrency,
        tries=wishes.tries,
        timeout_s=wishes.timeout_s,
    )


def _joined(directory: Path, wishes: Wishes, own: Asked, earlier: Manifest) -> Order:
    """Return the wishes, completed by what the archive was asked for."""
    before, known = earlier.asked or own, read_filters(earlier.filters)
    for name, value in own.owner.items():
        if before.owner.get(name, value) != value:
            raise OrderError(
                f"{str(directory)!r} holds an archive of {name}={before.owner[name]}, and {name} is {value} now: "
                "choose another directory, or unset it to go on."
            )
    says_otherwise: list[str] = []
    if wishes.api_version not in (None, before.api_version):
        says_otherwise += ["--api-version", wishes.api_version]
    if not wishes.filters.is_empty and wishes.filters.sorted() != known.sorted():
        says_otherwise += wishes.filters.options()
    if says_otherwise and not earlier.is_whole:
        options = shlex.join(
            [*([] if before.api_version is None else ["--api-version", before.api_version]), *known.options()]
        )
        raise OrderError(
            f"{str(directory)!r} holds an export that is not complete, asked for with {options or 'no filter'}; "
            f"{shlex.join(says_otherwise)} contradicts that. Leave it out to go on, or choose another directory."
        )
    asked = Asked(
        api_version=own.api_version or before.api_version,
        owner={**before.owner, **own.owner},
        all_files=own.all_files or before.all_files,
        logs=before.logs if wishes.logs is None else wishes.logs,
        concurrency=own.concurrency or before.concurrency,
        tries=own.tries or before.tries,
        timeout_s=own.timeout_s or before.timeout_s,
    )
    filters = known if wishes.filters.is_empty else wishes.filters
    return Order(base_url=earlier.base_url, filters=filters, asked=asked)
