"""Logging in to the dashboard: with a key, with a real provider of OpenID Connect, again in the middle, and out."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.conftest import THEMES, Tab, judge, opened_tab, picture, settle, visit
from tests.dashboard.judged import sent
from tests.dashboard.test_page_snippets import executed
from tests.openid_provider import OpenIdProvider, running_provider
from tests.server import Server
from tests.system.access import OTHER_ID, Keys, client_of, store_keys


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with running_provider() as running:
        running.set_user("ann", name="Ann Lee", email="ann@example.org", email_verified=True)
        running.set_user("bob", name="Bob <b>", email="bob@example.org", email_verified=True)
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, provider: OpenIdProvider) -> Iterator[tuple[Server, Keys]]:
    """A server with keys and with the provider, where Ann administers the organization."""
    server = Server(
        tmp_path_factory.mktemp("login"),
        EVALHAVEN_OIDC_ISSUER=provider.url,
        EVALHAVEN_OIDC_CLIENT_ID="evalhaven",
        EVALHAVEN_OIDC_CLIENT_SECRET="the secret",
        EVALHAVEN_OIDC_NAME="Example",
        EVALHAVEN_OIDC_ADMINS="ann@example.org",
    )
    keys = store_keys(server.data_dir)
    with server.running():
        yield server, keys
        assert "Traceback" not in server.log
        for secret in (keys.viewer, keys.editor, keys.organization):
            assert secret not in server.log


@pytest.fixture(scope="module")
def server(guarded: tuple[Server, Keys]) -> Server:
    return guarded[0]


@pytest.fixture(scope="module")
def keys(guarded: tuple[Server, Keys]) -> Keys:
    return guarded[1]


@pytest.fixture
def nobody(page: Page) -> Page:
    """The module's tab, where nobody is logged in."""
    page.context.clear_cookies()
    return page


def log_in_with(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in with the key").click()


def log_in_at(page: Page, subject: str) -> None:
    """Follow the button to the provider, and log in there."""
    page.get_by_role("link", name="Log in with Example").click()
    page.get_by_placeholder("sub").fill(subject)
    page.get_by_role("button", name="Authorize").click()


def menu_of(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("button", name=name).click()


def test_a_key_opens_the_page_that_was_asked_for_and_logging_out_closes_it(nobody: Page, keys: Keys) -> None:
    page = nobody
    page.goto("/ui/runs?status=failed")
    expect(page.get_by_role("heading", name="Log in to Evalhaven")).to_be_visible()
    expect(page).to_have_title("Log in · Evalhaven")
    expect(page.get_by_role("navigation")).to_have_count(0)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        picture(page, f"login-{theme}")
    judge(page, THEMES)
    log_in_with(page, keys.wrong)
    expect(page.get_by_role("alert")).to_contain_text("not one of this server's")
    log_in_with(page, keys.revoked)
    expect(page.get_by_role("alert")).to_contain_text("was revoked on")
    log_in_with(page, keys.viewer)
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    expect(page).to_have_url(re.compile(r"/ui/runs\?status=failed$"))
    (cookie,) = page.context.cookies()
    # Another server on this host keeps its own.
    assert re.fullmatch("evalhaven_session_[0-9a-f]{12}", cookie.get("name", ""))
    kept = {"httpOnly": True, "sameSite": "Lax", "path": "/"}
    assert cookie.items() >= kept.items()
    assert page.evaluate("document.cookie") == ""
    assert keys.viewer not in page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")

    menu_of(page, "viewer")
    expect(page.get_by_text("API key · viewer")).to_be_visible()
    judge(page)
    picture(page, "login-user-menu")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in to Evalhaven")).to_be_visible()
    assert page.context.cookies() == []


def test_a_viewer_is_told_why_a_button_does_nothing(nobody: Page, keys: Keys) -> None:
    page = nobody
    page.goto("/ui/files")
    log_in_with(page, keys.viewer)
    upload = page.get_by_role("button", name="Upload")
    expect(upload).to_have_attribute("aria-disabled", "true")
    expect(upload).to_have_attribute("title", re.compile("^You may not change anything in this project with this key"))
    expect(page.get_by_role("link", name="Members")).to_have_count(0)
    settle(page)
    judge(page, THEMES)
    visit(page, "/ui/members")
    expect(page.get_by_role("alert")).to_contain_text("it lacks the scope 'manage'")


def test_a_session_that_ends_in_the_middle_leaves_the_page_as_it_is(nobody: Page, server: Server, keys: Keys) -> None:
    page = nobody
    page.goto("/ui/files")
    log_in_with(page, keys.editor)
    expect(page.get_by_role("heading", level=1)).to_have_text("Files")
    expect(page.get_by_role("button", name="Upload")).not_to_have_attribute("aria-disabled", "true")
    page.evaluate("window.isSamePage = true")
    page.context.clear_cookies()
    page.get_by_label("Files to upload").set_input_files(
        {"name": "rows.jsonl", "mimeType": "text/plain", "buffer": b'{"item": {}}'}
    )
    again = page.get_by_role("dialog", name="Log in again")
    expect(again).to_be_visible()
    page.keyboard.press("Escape")
    expect(again).to_be_visible()
    judge(page)
    picture(page, "login-again")
    log_in_with(page, keys.editor)
    expect(again).to_have_count(0)
    assert page.evaluate("window.isSamePage")
    page.get_by_label("Files to upload").set_input_files(
        {"name": "rows.jsonl", "mimeType": "text/plain", "buffer": b'{"item": {}}'}
    )
    expect(page.get_by_role("link", name="rows.jsonl")).to_be_visible()
    # Somebody else begins with pages of their own.
    page.context.clear_cookies()
    page.get_by_label("Files to upload").set_input_files(
        {"name": "other.jsonl", "mimeType": "text/plain", "buffer": b"{}"}
    )
    log_in_with(page, keys.foreign)
    expect(page.get_by_role("heading", level=2, name="No files yet")).to_be_visible()
    assert not page.evaluate("window.isSamePage")


def test_people_log_in_with_the_provider_and_are_made_members(
    nobody: Page, browser: Browser, server: Server, keys: Keys
) -> None:
    page = nobody
    page.goto("/ui/evals?search=nothing")
    log_in_at(page, "bob")
    expect(page.get_by_role("alert")).to_contain_text("you are a member of no project yet")
    judge(page, THEMES)
    picture(page, "login-no-project")
    page.get_by_role("link", name="Log in with Example").click()
    page.get_by_role("button", name="Deny").click()
    # The provider's refusal without the state of this login is not believed either.
    expect(page.get_by_role("alert")).to_be_visible()

    with opened_tab(browser, server) as ann:
        _manage(ann, page)
    assert ann.said == []


def _manage(ann: Tab, bob: Page) -> None:
    """Let Ann, who administers the organization, make Bob a member, and take that back."""
    page = ann.page
    page.goto("/ui/members")
    log_in_at(page, "ann")
    expect(page.get_by_label("Role of Dora")).to_have_value("viewer")
    menu_of(page, "Ann Lee")
    expect(page.get_by_text("ann@example.org · administers the organization")).to_be_visible()
    page.keyboard.press("Escape")
    settle(page)
    judge(page, THEMES)
    page.get_by_role("button", name="Add a member").click()
    dialog = page.get_by_role("dialog", name="Add a member")
    dialog.get_by_label("Search people").fill("BOB@")
    expect(dialog.get_by_role("radio")).to_have_count(1)
    dialog.get_by_role("radio", name="Bob <b>").check()
    judge(page)
    picture(page, "members-add")
    dialog.get_by_role("button", name="Add", exact=True).click()
    role = page.get_by_label("Role of Bob <b>")
    expect(role).to_have_value("viewer")
    settle(page)
    judge(page, THEMES)
    picture(page, "members")

    # What Bob wanted to see has come along all the way.
    log_in_at(bob, "bob")
    expect(bob).to_have_url(re.compile(r"/ui/evals\?search=nothing$"))
    bob.goto("/ui/files")
    expect(bob.get_by_role("button", name="Upload")).to_have_attribute("aria-disabled", "true")
    role.select_option("admin")
    expect(role).to_be_enabled()
    bob.goto("/ui/files")
    expect(bob.get_by_role("button", name="Upload")).not_to_have_attribute("aria-disabled", "true")
    expect(bob.get_by_role("link", name="Members")).to_be_visible()
    role.select_option("viewer")
    expect(page.get_by_role("alert")).to_contain_text("is the last administrator of the project")
    expect(role).to_have_value("admin")

    menu_of(page, "Ann Lee")
    page.get_by_role("button", name="Other").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Evals")
    page.goto("/ui/members")
    expect(page.get_by_text("project Other")).to_be_visible()
    expect(page.get_by_role("heading", name="No members yet")).to_be_visible()
    menu_of(page, "Ann Lee")
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_role("heading", name="Log in to Evalhaven")).to_be_visible()


def test_who_is_no_member_any_more_chooses_another_project_or_leaves(nobody: Page, server: Server, keys: Keys) -> None:
    page = nobody
    page.goto("/ui/login")
    log_in_at(page, "cleo")
    expect(page.get_by_role("alert")).to_be_visible()
    with client_of(server, keys.organization) as http:
        cleo = http.get("/api/people", params={"search": "cleo"}).json()["data"][0]["id"]
        other = {"openai-project": OTHER_ID}
        for headers in ({}, other):
            http.post("/api/members", json={"person": cleo, "role": "editor"}, headers=headers).raise_for_status()
        log_in_at(page, "cleo")
        expect(page.get_by_role("heading", level=1)).to_have_text("Evals")
        http.delete(f"/api/members/{cleo}").raise_for_status()
        visit(page, "/ui/files")
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("You are no member of this project")
        judge(page)
        picture(page, "login-no-member")
        page.get_by_role("button", name="Other").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Files")


def test_the_code_of_a_page_takes_the_key_from_the_environment(
    nobody: Page, server: Server, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    criterion = {"type": "string_check", "name": "c", "input": "{{ item.a }}", "reference": "…", "operation": "eq"}
    config = {"type": "custom", "item_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
    with client_of(server, keys.editor) as http:
        parent = sent(http, "/v1/evals", {"data_source_config": config, "testing_criteria": [criterion]})["id"]
        nobody.goto(f"/ui/evals/{parent}")
        log_in_with(nobody, keys.editor)
        expect(nobody.get_by_role("heading", name="No runs yet")).to_be_visible()
        expect(nobody.locator(".snippet")).to_contain_text("An administrator of the project can make you one.")
        judge(nobody, THEMES)
        monkeypatch.setenv("OPENAI_API_KEY", keys.editor)
        executed(nobody)
        assert len(http.get(f"/v1/evals/{parent}/runs").json()["data"]) == 2
        http.delete(f"/v1/evals/{parent}").raise_for_status()
    nobody.context.clear_cookies()
    nobody.goto("/ui/compare")
    log_in_with(nobody, keys.admin)
    nobody.locator(".snippet").get_by_role("link", name="API keys").click()
    expect(nobody.get_by_role("heading", level=1)).to_have_text("API keys")


def test_a_page_of_another_site_can_change_nothing_with_somebodys_cookie(
    nobody: Page, server: Server, keys: Keys
) -> None:
    page = nobody
    page.goto("/ui/files")
    log_in_with(page, keys.editor)
    expect(page.get_by_role("heading", level=1)).to_have_text("Files")
    target = f"{server.url}/v1/files"
    form = f'<form method="post" enctype="multipart/form-data" action="{target}"><button>Go</button></form>'
    # Another port of the same host: the same site, so that SameSite=Lax alone would let it through.
    other_port = "http://127.0.0.1:9/"
    page.route(f"{other_port}**", lambda route: route.fulfill(content_type="text/html", body=form))
    page.route("https://elsewhere.example/**", lambda route: route.fulfill(content_type="text/html", body=form))
    for elsewhere, status in ((other_port, 403), ("https://elsewhere.example/", 403)):
        page.goto(elsewhere)
        with page.expect_response(target) as answered:
            page.get_by_role("button", name="Go").click()
        assert answered.value.status == status, elsewhere
    page.goto("/ui/files")
    with client_of(server, keys.editor) as http:
        names = [each["filename"] for each in http.get("/v1/files").json()["data"]]
    assert names == ["rows.jsonl"]
    assert isinstance(page.context.cookies(), list)
    assert httpx2.get(f"{server.url}/v1/evals", trust_env=False).status_code == 401


def test_a_server_without_keys_has_no_login(browser: Browser, tmp_path: Path) -> None:
    with Server(tmp_path).running() as opened, opened_tab(browser, opened) as tab:
        tab.page.goto("/ui/evals")
        expect(tab.page.get_by_role("heading", level=1)).to_have_text("Evals")
        expect(tab.page.get_by_text("open: no API keys")).to_be_visible()
        tab.page.goto("/ui/login")
        expect(tab.page).to_have_url(re.compile("/ui/evals$"))
    assert tab.said == []
