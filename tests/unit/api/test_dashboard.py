"""Facts about how the dashboard's files are sent: what is cached, what is compressed, and what a page may do."""

import gzip
from dataclasses import replace
from pathlib import Path
from urllib.parse import urljoin

import pytest

from evalhaven.api.pages.dashboard import Dashboard
from evalhaven.api.services import Services
from tests.unit.api.conftest import calling

PAGE = '<!doctype html><title>Evalhaven</title><script src="./theme.js"></script>'
SCRIPT = "export const far = 'away';\n" * 100


@pytest.fixture
def built(tmp_path: Path) -> Dashboard:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "assets" / "index-1234.js").write_text(SCRIPT)
    (tmp_path / ".digest").write_text("of the sources")
    (tmp_path.parent / "secret.txt").write_text("secret")
    return Dashboard(tmp_path)


@pytest.mark.parametrize(
    "path", ["", "evals", "evals/eval_1/runs/evalrun_1", "no/such/page", ".digest", "../secret.txt", "index.html"]
)
def test_every_address_that_is_no_file_gets_the_page_and_asks_for_it_again(built: Dashboard, path: str) -> None:
    answer = built.response(path, "../ui/", "gzip, br")

    assert answer is not None
    assert bytes(answer.body).decode() == PAGE.replace("./theme.js", "../ui/theme.js")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(("accepted", "is_compressed"), [("gzip, deflate, br", True), ("", False), ("br", False)])
def test_an_asset_is_kept_forever_and_compressed_for_those_who_ask(
    built: Dashboard, accepted: str, is_compressed: bool
) -> None:
    answer = built.response("assets/index-1234.js", "../../ui/", accepted)

    assert answer is not None
    body = bytes(answer.body)
    assert (gzip.decompress(body) if is_compressed else body).decode() == SCRIPT
    assert answer.headers.get("content-encoding") == ("gzip" if is_compressed else None)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"].startswith("text/javascript")


def test_an_asset_of_another_version_is_missing_and_not_a_page(built: Dashboard) -> None:
    assert built.response("assets/index-5678.js", "../../ui/", "") is None


def test_pages_may_load_nothing_from_elsewhere_and_execute_nothing_inline(built: Dashboard) -> None:
    answer = built.response("", "../ui/", "")

    assert answer is not None
    policy = dict(each.strip().split(" ", 1) for each in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_server_without_pages_says_how_to_build_them_and_serves_the_api(
    services: Services, tmp_path: Path
) -> None:
    async with calling(replace(services, dashboard=Dashboard(tmp_path / "missing"))) as client:
        page = await client.get("/ui/evals")
        api = await client.get("/v1/evals")

    assert page.status_code == 503
    assert "make setup" in page.text
    assert "<script" not in page.text
    assert page.headers["x-content-type-options"] == "nosniff"
    assert api.status_code == 200


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/", "ui/"),
        ("/evaluations", "ui/evals"),
        ("/evaluations/eval_1?run_id=evalrun_1", "../ui/evals/eval_1/runs/evalrun_1"),
        ("/evaluation/evals/eval_1", "../../ui/evals/eval_1"),
        ("/evaluation/evals/a%2Fb", "/evaluation/evals/a%2Fb"),
    ],
)
async def test_old_addresses_lead_to_the_dashboard(services: Services, built: Dashboard, old: str, new: str) -> None:
    async with calling(replace(services, dashboard=built)) as client:
        answer = await client.get(old)

    assert answer.headers.get("location", old) == new


async def test_a_page_and_an_asset_are_served_and_head_is_answered(services: Services, built: Dashboard) -> None:
    async with calling(replace(services, dashboard=built)) as client:
        page = await client.get("/ui/evals/eval_1/runs/evalrun_1?by=topic")
        head = await client.head("/ui")
        missing = await client.get("/ui/assets/index-5678.js")

    assert page.text == PAGE.replace("./theme.js", "../../../../ui/theme.js")
    assert (head.status_code, head.content) == (200, b"")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "address", ["/ui", "/ui/", "/ui/index.html", "/ui/evals", "/ui/evals/eval_1/runs/evalrun_1", "/ui/evals/a%2Fb/c"]
)
async def test_every_page_finds_its_files_below_any_prefix(services: Services, built: Dashboard, address: str) -> None:
    async with calling(replace(services, dashboard=built)) as client:
        page = await client.get(address)

    script = page.text.partition('src="')[2].partition('"')[0]
    assert urljoin(f"https://example.org/evals-app{address}", script) == "https://example.org/evals-app/ui/theme.js"
