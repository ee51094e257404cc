"""Facts about how runs and evals are named on the command line, and which server is asked for them."""

from pathlib import Path

import pytest
import typer
from pydantic import SecretStr

from evalhaven.cli.references import Reference, parse_eval, parse_run, server_settings
from evalhaven.settings import Settings

KEY = SecretStr("key")


@pytest.mark.parametrize(
    ("text", "run_id", "server"),
    [
        ("evalrun_1", "evalrun_1", None),
        ("http://127.0.0.1:8765/ui/evals/eval_1/runs/evalrun_1", "evalrun_1", "http://127.0.0.1:8765"),
        ("https://evals.example.org/ui/evals/e/runs/evalrun_1/", "evalrun_1", "https://evals.example.org"),
        ("https://example.org/evals/ui/evals/e/runs/r%3A1?tab=x#top", "r:1", "https://example.org/evals"),
        ("http://[::1]:8765/v1/evals/e/runs/r/output_items", "r", "http://[::1]:8765"),
        ("https://platform.example.com/evaluations/eval_1?run_id=evalrun_1", "evalrun_1", None),
        ("https://platform.example.com/evaluation/evals/eval_1?run_id=evalrun_1", "evalrun_1", None),
    ],
)
def test_a_run_is_named_by_its_id_or_its_address(text: str, run_id: str, server: str | None) -> None:
    assert parse_run(text) == Reference(run_id, server)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8765/",
        "ftp://h/ui/evals/e/runs/r",
        "evals/e/runs/r",
        "http://h/ui/evals/e",
        "http://h?run_id=r",
        "http://[::1/ui/evals/e/runs/r",
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"neither the id of a run|is not an address"):
        parse_run(text)


@pytest.mark.parametrize(
    ("text", "eval_id", "server"),
    [
        ("eval_1", "eval_1", None),
        ("http://127.0.0.1:8765/ui/evals/eval_1", "eval_1", "http://127.0.0.1:8765"),
        ("http://127.0.0.1:8765/v1/evals/eval%3A1/runs/evalrun_1", "eval:1", "http://127.0.0.1:8765"),
        ("https://example.org/x/ui/evals/eval_1/?tab=runs", "eval_1", "https://example.org/x"),
        ("https://platform.example.com/evaluations/eval_1?run_id=evalrun_1", "eval_1", None),
        ("https://platform.example.com/evaluation/evals/eval_1", "eval_1", None),
    ],
)
def test_an_eval_is_named_by_its_id_or_an_address_within_it(text: str, eval_id: str, server: str | None) -> None:
    assert parse_eval(text) == Reference(eval_id, server)


@pytest.mark.parametrize("text", ["http://127.0.0.1:8765/", "ftp://h/ui/evals/e", "evals/e", "http://[::1/ui/evals/e"])
def test_what_names_no_eval_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"neither the id of an eval|is not an address"):
        parse_eval(text)


def settings(url: str | None = None) -> Settings:
    return Settings.model_validate({"url": url, "api_key": KEY, "data_dir": "data"})


@pytest.mark.parametrize(
    ("configured", "url", "data_dir", "page", "asked"),
    [
        (None, None, None, None, None),
        ("http://a", None, None, None, "http://a"),
        ("http://a", "http://a", None, "http://page", "http://a"),
        ("http://a", None, Path("data"), "http://page", None),
        ("http://a", None, None, "http://page", "http://page"),
        ("http://a/v1/", None, None, "http://a", "http://a/v1/"),
    ],
)
def test_the_server_is_the_one_that_is_named_best(
    configured: str | None, url: str | None, data_dir: Path | None, page: str | None, asked: str | None
) -> None:
    assert server_settings(settings(configured), url, data_dir, page).url == asked


@pytest.mark.parametrize(
    ("configured", "page", "key"),
    [
        (None, "https://elsewhere.example", None),
        ("https://mine.example", "https://elsewhere.example", None),
        ("https://mine.example", "https://mine.example.elsewhere.example", None),
        ("https://mine.example", "http://127.0.0.1@elsewhere.example", None),
        ("https://mine.example", "https://mine.example", KEY),
        (None, "http://127.0.0.1:8765", KEY),
    ],
)
def test_a_link_does_not_carry_the_key_to_a_stranger(configured: str | None, page: str, key: SecretStr | None) -> None:
    assert server_settings(settings(configured), None, None, page).api_key == key
