"""Which run, eval or output item an argument names, and which server is asked for it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import typer

from evalhaven.cli.common_options import prefer_command_line

if TYPE_CHECKING:
    from evalhaven.settings import Settings

_RUN_PAGE = re.compile(r"(.*)/(?:ui|v1)/evals/[^/]+/runs/([^/]+)(?:/.*)?")
_EVAL_PAGE = re.compile(r"(.*)/(?:ui|v1)/evals/([^/]+)(?:/.*)?")
_HOSTED_PAGE = re.compile(r"/evaluations?/(?:evals/)?([^/]+)(?:/.*)?")


@dataclass(frozen=True, slots=True)
class Reference:
    """What an argument names.

    Attributes:
        id: Id of the run or eval.
        server: The server of its page; None if it says nothing about one.
    """

    id: str
    server: str | None


def parse_run(text: str) -> Reference:
    """Return which run is meant.

    Args:
        text: An id, or the address of a run: a page of ours, its path in the API, or a page of the hosted dashboard,
            which says nothing about the server.

    Raises:
        typer.BadParameter: The text is neither.
    """
    if "/" not in text:
        return Reference(text, None)
    parts = _split(text)
    if match := _RUN_PAGE.fullmatch(parts.path):
        return _on_page(parts, match)
    run_ids = parse_qs(parts.query).get("run_id", [])
    if run_ids and _HOSTED_PAGE.fullmatch(parts.path):
        return Reference(run_ids[0], None)
    raise typer.BadParameter(
        f"{text!r} is neither the id of a run (evalrun_…) nor the address of its page "
        "(http://HOST/ui/evals/EVAL/runs/RUN)."
    )


def parse_eval(text: str) -> Reference:
    """Return which eval is meant.

    Args:
        text: An id, or the address of an eval or of one of its runs: a page of ours, its path in the API, or a page of
            the hosted dashboard, which says nothing about the server.

    Raises:
        typer.BadParameter: The text is neither.
    """
    if "/" not in text:
        return Reference(text, None)
    parts = _split(text)
    if match := _EVAL_PAGE.fullmatch(parts.path):
        return _on_page(parts, match)
    if match := _HOSTED_PAGE.fullmatch(parts.path):
        return Reference(unquote(match[1]), None)
    raise typer.BadParameter(
        f"{text!r} is neither the id of an eval (eval_…) nor the address of its page (http://HOST/ui/evals/EVAL)."
    )


def settings_for(page_url: str | None, url: str | None, data_dir: Path | None) -> "Settings":
    """Return the settings of a command that asks about something, and log no more than its errors.

    Args:
        page_url: The server that the page of what is asked about names.
        url: The server that the command line names.
        data_dir: The data directory that the command line names.
    """
    from evalhaven.cli.shell import read_settings
    from evalhaven.telemetry import configure_logging

    settings = server_settings(read_settings(data_dir=data_dir, url=url), url, data_dir, page_url)
    configure_logging("warning", settings.log_format)
    return settings


def server_settings(settings: "Settings", url: str | None, data_dir: Path | None, page_url: str | None) -> "Settings":
    """Return the settings with the server that takes precedence.

    Args:
        settings: What the command line and the environment say.
        url: The server that the command line names.
        data_dir: The data directory that the command line names.
        page_url: The server that the page of what is asked about names.
    """
    from evalhaven.settings import LOOPBACK_HOSTS

    settings = prefer_command_line(settings, data_dir, url)
    if url is not None or data_dir is not None:
        return settings
    if page_url is None or page_url == (settings.url or "").rstrip("/").removesuffix("/v1"):
        return settings
    # A link may come from anybody: the key goes only where its owner sends it, or stays on this machine.
    is_trusted = urlsplit(page_url).hostname in LOOPBACK_HOSTS
    return settings.model_copy(update={"url": page_url} if is_trusted else {"url": page_url, "api_key": None})


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not an address: {error}.") from error
    return parts if parts.scheme in ("http", "https") else SplitResult("", "", "", "", "")


def _on_page(parts: SplitResult, match: re.Match[str]) -> Reference:
    return Reference(unquote(match[2]), f"{parts.scheme}://{parts.netloc}{match[1]}")
