"""The pages of API keys and of the audit log: the first key, those after it, and what is written down of them."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.dashboard.conftest import THEMES, Look, enlarge_and_print, judge, picture, running_server, settle, visit
from tests.server import Server

HOSTILE = "<img src=x onerror=alert(1)>"
_MARK = "sk-admin-"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of these tests' own, since it gets its first key."""
    with running_server(tmp_path_factory.mktemp("access")) as running:
        yield running


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """The secrets that the tests have made, by what they are: each test goes on where the one before ended."""
    return {}


def dialog_of(page: Page, name: str) -> Locator:
    return page.get_by_role("dialog", name=name)


def act_as(page: Page, secret: str) -> None:
    page.set_extra_http_headers({"authorization": f"Bearer {secret}"})


def test_the_first_key_is_announced_and_its_secret_shown_once(
    page: Page, look: Look, http: httpx2.Client, made: dict[str, str]
) -> None:
    look("/ui/keys", "keys-first")
    expect(page.get_by_text("Whoever reaches this server may do everything")).to_be_visible()
    expect(page.get_by_text("every request needs a key, of programs")).to_be_visible()
    page.get_by_role("button", name="Create the first key").focus()
    page.keyboard.press("Enter")
    form = dialog_of(page, "Create the first key")
    expect(form.get_by_label("Name")).to_be_focused()
    judge(page, THEMES)
    page.keyboard.press("Escape")
    expect(form).to_be_hidden()
    page.keyboard.press("Enter")
    form.get_by_label("Name").fill(HOSTILE)
    page.keyboard.press("Enter")

    shown = dialog_of(page, "Copy the key now")
    expect(shown).to_contain_text("From now on every request needs a key")
    expect(shown).to_contain_text(HOSTILE)
    secret = shown.locator("code").first.inner_text()
    assert re.fullmatch(rf"{_MARK}[0-9A-Za-z]{{43}}", secret)
    page.keyboard.press("Escape")
    expect(shown).to_be_visible()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.get_by_role("button", name="Copy", exact=True).click()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    judge(page, THEMES)
    picture(page, "keys-secret")
    assert http.get("/v1/evals").status_code == 401
    assert http.get("/v1/evals", headers={"authorization": f"Bearer {secret}"}).status_code == 200
    made["admin"] = secret
    # Whoever made it is logged in with it, and the page goes on.
    shown.get_by_role("button", name="I have copied it").click()
    expect(page.get_by_role("region", name="Table of admin keys").get_by_role("rowheader")).to_have_text(HOSTILE)
    expect(page.get_by_role("navigation", name="Main").get_by_role("button", name=HOSTILE)).to_be_visible()


def test_keys_of_the_project_are_made_listed_and_revoked(
    page: Page, look: Look, http: httpx2.Client, made: dict[str, str]
) -> None:
    act_as(page, made["admin"])
    page.goto("/ui/evals")
    page.locator("h1").wait_for()
    page.keyboard.type("gk")
    expect(page.get_by_role("heading", level=1)).to_have_text("API keys")
    expect(page.get_by_text("This project has none yet")).to_be_visible()
    for name, chosen in (("ci", "Chosen scopes"), ("reader", "viewer")):
        page.get_by_role("button", name="Create an API key").click()
        form = dialog_of(page, "Create an API key")
        form.get_by_label("Name").fill(name)
        form.get_by_role("radio", name=chosen).check()
        if name == "ci":
            form.get_by_role("checkbox", name="write").check()
            form.get_by_label("Expires").select_option("in 90 days")
            picture(page, "keys-form")
            judge(page)
        form.get_by_role("button", name="Create the key").click()
        shown = dialog_of(page, "Copy the key now")
        made[name] = shown.locator("code").first.inner_text()
        expect(shown).not_to_contain_text("From now on")
        shown.get_by_role("button", name="I have copied it").click()
        expect(shown).to_be_hidden()

    table = page.get_by_role("region", name="Table of keys")
    row = table.get_by_role("row", name="ci")
    expect(row).to_contain_text(f"sk-…{made['ci'][-4:]}")
    expect(row).to_contain_text(re.compile("read, write.*never.*valid until"))
    expect(table.get_by_role("row", name="reader")).to_contain_text("viewer")
    expect(page.get_by_role("region", name="Table of admin keys").get_by_role("rowheader")).to_have_text(HOSTILE)
    assert not any(secret in page.content() for secret in made.values())
    look("/ui/keys", "keys")
    enlarge_and_print(page, "keys")

    row.get_by_role("button", name="Revoke ci").click()
    sheet = dialog_of(page, "Revoke ci?")
    expect(sheet).to_contain_text("is refused within a second")
    judge(page)
    sheet.get_by_role("button", name="Keep").click()
    expect(sheet).to_be_hidden()
    row.get_by_role("button", name="Revoke ci").click()
    sheet.get_by_role("button", name="Revoke the key").click()
    expect(row).to_contain_text("revoked")
    expect(row.get_by_role("button")).to_have_count(0)
    assert http.get("/v1/evals", headers={"authorization": f"Bearer {made['ci']}"}).status_code == 401


def test_projects_are_made_renamed_and_archived(
    page: Page, look: Look, http: httpx2.Client, made: dict[str, str]
) -> None:
    act_as(page, made["admin"])
    page.goto("/ui/evals")
    page.locator("h1").wait_for()
    page.keyboard.type("go")
    expect(page.get_by_role("heading", level=1)).to_have_text("Projects")
    page.get_by_role("button", name="Create a project").click()
    form = dialog_of(page, "Create a project")
    form.get_by_label("Name").fill(HOSTILE)
    page.keyboard.press("Enter")
    rows = page.get_by_role("region", name="Table of projects").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="you look at it")).to_have_count(1)
    row = rows.filter(has_text=HOSTILE)
    row.get_by_role("button", name=f"Rename {HOSTILE}").click()
    dialog_of(page, "Rename the project").get_by_label("Name").fill("Search team")
    judge(page)
    page.keyboard.press("Enter")
    row = rows.filter(has_text="Search team")
    expect(row).to_contain_text("open")
    look("/ui/projects", "projects")
    enlarge_and_print(page, "projects")
    row.get_by_role("button", name="Archive Search team").click()
    sheet = dialog_of(page, "Archive Search team?")
    judge(page)
    sheet.get_by_role("button", name="Archive the project").click()
    expect(row).to_contain_text("archived")
    headers = {"authorization": f"Bearer {made['admin']}"}
    listed = http.get("/v1/organization/projects", params={"include_archived": True}, headers=headers).json()["data"]
    assert [(each["name"], each["status"]) for each in listed if each["id"] != "proj_default"] == [
        ("Search team", "archived")
    ]


def test_who_may_only_read_is_told_so_and_finds_no_button(page: Page, made: dict[str, str]) -> None:
    act_as(page, made["reader"])
    for address in ("/ui/keys", "/ui/audit"):
        page.goto(address)
        expect(page.get_by_role("alert")).to_contain_text("may not manage the keys")
        assert page.get_by_role("link", name=re.compile("API keys|Audit|Projects")).count() == 0
        assert page.get_by_role("button", name=re.compile("Create|Revoke")).count() == 0
    judge(page, THEMES)


def test_the_audit_log_says_who_did_what_and_is_filtered_and_exported(
    page: Page, look: Look, http: httpx2.Client, made: dict[str, str]
) -> None:
    headers = {"authorization": f"Bearer {made['admin']}"}
    row = b'{"item": {"a": "1"}}\n'
    form = {"purpose": "evals"}
    file = http.post("/v1/files", files={"file": (HOSTILE, row)}, data=form, headers=headers).json()
    assert http.delete(f"/v1/files/{file['id']}", headers=headers).json()["deleted"]
    act_as(page, made["admin"])
    look("/ui/audit", "audit")
    entries = page.get_by_role("region", name="Table of entries").locator("tbody tr")
    expect(entries).to_have_count(5)
    expect(entries.first).to_contain_text("deleted a file")
    expect(entries.first).to_contain_text(HOSTILE)
    expect(entries.first).to_contain_text("127.0.0.1")
    expect(entries.nth(1)).to_contain_text("revoked a key")
    enlarge_and_print(page, "audit")

    page.get_by_role("link", name="All projects").click()
    expect(entries).to_have_count(9)
    expect(entries.last).to_contain_text(re.compile("anyone.*created a key.*the organization"))
    page.get_by_role("button", name="What").click()
    page.get_by_role("link", name="keys", exact=True).click()
    expect(entries).to_have_count(4)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["key.revoked", *["key.created"] * 3]
    assert not any(secret in "".join(lines) for secret in made.values())

    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=re.compile("^by key_"))).to_be_visible()
    expect(entries).to_have_count(3)
    visit(page, "/ui/audit?target=nothing")
    expect(page.get_by_role("status").filter(has_text="No entry is like this")).to_be_visible()
    judge(page)


def test_the_page_of_retention_says_when_each_day_is_dropped(
    page: Page, look: Look, http: httpx2.Client, made: dict[str, str]
) -> None:
    headers = {"authorization": f"Bearer {made['admin']}"}
    act_as(page, made["admin"])
    visit(page, "/ui/logs/retention")
    settle(page)
    expect(page.get_by_text("No call is stored yet")).to_be_visible()
    now = int(time.time())
    calls = [
        {
            "request": {"model": "m", "messages": [{"role": "user", "content": "Q?"}], "store": True},
            "reply": {"object": "chat.completion", "id": f"chatcmpl-{age}", "model": "m", "choices": []},
            "created_at": now - age * 86_400,
        }
        for age in (0, 1)
    ]
    assert http.post("/api/logs", content="\n".join(map(json.dumps, calls)), headers=headers).json()["stored"] == 2
    page.goto("/ui/logs")
    page.get_by_role("link", name="kept for 30 days").click()
    days = page.get_by_role("region", name="Table of days").locator("tbody tr")
    expect(days).to_have_count(2)
    day, dropped = (time.strftime("%Y-%m-%d", time.gmtime(now + (age - 1) * 86_400)) for age in (0, 31))
    expect(days.last).to_contain_text(day)
    expect(days.last).to_contain_text(dropped)
    expect(page.get_by_role("columnheader", name="Of all projects")).to_be_visible()
    expect(page.get_by_text("so the server's 30 days")).to_contain_text("EVALHAVEN_LOG_DAYS")
    body = {"name": "onlooker", "role": "viewer"}
    act_as(page, http.post("/api/keys", json=body, headers=headers).json()["value"])
    page.reload()
    expect(days).to_have_count(2)
    expect(page.get_by_role("columnheader")).to_have_text(["Day", "Calls", "Dropped on"])
    button = page.get_by_role("button", name="Change the retention")
    expect(button).to_have_attribute("title", re.compile("^You may not manage this project with this key"))
    button.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    act_as(page, made["admin"])
    look("/ui/logs/retention", "retention")
    enlarge_and_print(page, "retention")


def test_retention_is_set_after_the_page_has_said_what_that_drops(
    page: Page, http: httpx2.Client, made: dict[str, str]
) -> None:
    headers = {"authorization": f"Bearer {made['admin']}"}
    old = {
        "request": {"model": "m", "messages": [{"role": "user", "content": "Q?"}], "store": True},
        "reply": {"object": "chat.completion", "id": "chatcmpl-9", "model": "m", "choices": []},
        "created_at": int(time.time()) - 9 * 86_400,
    }
    assert http.post("/api/logs", content=json.dumps(old), headers=headers).json()["stored"] == 1
    act_as(page, made["admin"])
    visit(page, "/ui/logs/retention")
    page.get_by_role("button", name="Change the retention").press("Enter")
    form = dialog_of(page, "Retention of the calls of this project")
    field = form.get_by_label("Keep calls for")
    expect(field).to_be_focused()
    for typed in ("31", "0", "2.5", "a week", ""):
        field.fill(typed)
        page.keyboard.press("Enter")
        expect(form.get_by_role("alert")).to_contain_text("Write a whole number of days, from 1 to 30.")
        expect(field).to_have_attribute("aria-invalid", "true")
    judge(page)
    field.fill("12")
    expect(form.get_by_role("status")).to_have_text("No stored call of this project is older.")
    field.fill("7")
    expect(form.get_by_role("status")).to_have_text(
        "1 call of 1 day is older. It is dropped within an hour, which cannot be undone."
    )
    judge(page, THEMES)
    picture(page, "retention-form")
    form.get_by_role("button", name="Set it, and drop what is older").click()
    expect(form).to_be_hidden()
    expect(page.locator(".facts-line")).to_contain_text("kept for 7 days")
    expect(page.get_by_text("The project says so")).to_contain_text("up to 30 days")
    assert http.get("/api/logs/retention", headers=headers).json()["days"] == 7

    page.get_by_role("button", name="Change the retention").click()
    expect(field).to_have_value("7")
    form.get_by_role("button", name="As long as the server").click()
    expect(page.locator(".facts-line")).to_contain_text("kept for 30 days")
    page.goto("/ui/audit")
    expect(page.get_by_role("region", name="Table of entries").locator("tbody tr").first).to_contain_text(
        "set the retention of logged calls"
    )


def test_a_limit_is_set_by_keyboard_and_what_the_server_refuses_is_said_at_the_field(
    page: Page, http: httpx2.Client, made: dict[str, str]
) -> None:
    headers = {"authorization": f"Bearer {made['admin']}"}
    named = http.post("/v1/organization/projects/proj_default", json={"name": HOSTILE}, headers=headers)
    assert named.status_code == 200
    act_as(page, made["admin"])
    page.goto("/ui/evals")
    page.locator("h1").wait_for()
    page.keyboard.type("gi")
    expect(page.get_by_role("heading", level=1)).to_have_text("Limits")
    expect(page.locator(".facts-line")).to_have_text(f"project {HOSTILE}no limit is set")
    expect(page.get_by_role("heading", name="Nothing is limited yet")).to_be_visible()
    judge(page, THEMES)
    picture(page, "limits-none")

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    form = dialog_of(page, "Runs at once")
    field = form.get_by_label("At most")
    expect(field).to_be_focused()
    for typed, said in (("many", "Write a number in digits"), ("0", "1"), ("2.5", "integer")):
        field.fill(typed)
        page.keyboard.press("Enter")
        expect(form.get_by_role("alert")).to_contain_text(said)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile(re.escape(said)))
    judge(page)
    picture(page, "limits-refused")
    field.fill("4")
    page.keyboard.press("Enter")
    expect(form).to_be_hidden()
    table = page.get_by_role("region", name="Table of limits")
    expect(table.get_by_role("row", name="Runs at once")).to_contain_text(re.compile("0.*4"))
    expect(page.get_by_role("heading", name="Nothing is limited yet")).to_be_hidden()


def test_limits_are_shown_with_what_is_used_and_changed_by_whoever_operates_the_server_alone(
    page: Page, look: Look, http: httpx2.Client, made: dict[str, str]
) -> None:
    headers = {"authorization": f"Bearer {made['admin']}"}
    act_as(page, made["admin"])
    visit(page, "/ui/limits")
    table = page.get_by_role("region", name="Table of limits")
    file = http.post("/v1/files", files={"file": ("a", b"x" * 2_500)}, data={"purpose": "evals"}, headers=headers)
    assert file.status_code == 200
    for title, typed, unit in (("Storage", "2.5", "KB"), ("Requests a minute", "60000", None)):
        table.get_by_role("button", name=f"Change: {title}").click()
        form = dialog_of(page, title)
        form.get_by_label("At most", exact=True).fill(typed)
        if unit is not None:
            form.get_by_label("Unit of at most").select_option(unit)
        form.get_by_role("button", name="Set the limit").click()
        expect(form).to_be_hidden()
    expect(table.get_by_role("row", name="Requests a minute")).to_contain_text("60,000")
    expect(table.get_by_role("row", name="Storage")).to_contain_text(re.compile("2.5 KB.*used up.*2.5 KB"))
    expect(page.locator(".facts-line")).to_contain_text("3 of 5 set")
    look("/ui/limits", "limits")
    enlarge_and_print(page, "limits")
    table.get_by_role("button", name="Change: Storage").click()
    form = dialog_of(page, "Storage")
    expect(form.get_by_label("At most", exact=True)).to_have_value("2.5")
    expect(form.get_by_label("Unit of at most")).to_have_value("KB")
    form.get_by_role("button", name="Remove the limit").click()
    expect(table.get_by_role("row", name="Storage")).to_contain_text("no limit")
    limits = http.get("/api/limits", headers=headers).json()
    assert (limits["requests_per_minute"], limits["concurrent_runs"], limits["stored_bytes"]) == (60_000, 4, None)

    act_as(page, made["reader"])
    page.goto("/ui/limits")
    settle(page)
    expect(page.get_by_text("Only whoever operates the server changes limits.")).to_be_visible()
    button = table.get_by_role("button", name="Change: Runs at once")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_attribute("title", re.compile("^You may not operate the server with this key"))
    button.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    judge(page)


def test_a_single_key_is_limited_where_keys_are_listed(page: Page, http: httpx2.Client, made: dict[str, str]) -> None:
    act_as(page, made["admin"])
    visit(page, "/ui/keys")
    page.reload()
    row = page.get_by_role("region", name="Table of keys").get_by_role("row", name="reader")
    for typed, said in (("0", "Minimum"), ("120", None)):
        row.get_by_role("button", name="as the project: change the requests a minute of reader").click()
        form = dialog_of(page, "Requests a minute of reader")
        form.get_by_label("Requests a minute", exact=True).fill(typed)
        page.keyboard.press("Enter")
        if said is not None:
            expect(form.get_by_role("alert")).to_be_visible()
            page.keyboard.press("Escape")
        expect(form).to_be_hidden()
    expect(row.get_by_role("button", name="120: change the requests a minute of reader")).to_be_visible()
    answer = http.get("/v1/evals", headers={"authorization": f"Bearer {made['reader']}"})
    assert answer.headers["x-ratelimit-limit-requests"] == "120"

    page.get_by_role("button", name="Create an API key").click()
    form = dialog_of(page, "Create an API key")
    form.get_by_label("Name").fill("slow")
    form.get_by_label("Requests a minute").fill("5,5")
    form.get_by_role("button", name="Create the key").click()
    expect(form.get_by_role("alert")).to_contain_text("Write a number in digits")
    form.get_by_label("Requests a minute").fill("5")
    form.get_by_role("button", name="Create the key").click()
    dialog_of(page, "Copy the key now").get_by_role("button", name="I have copied it").click()
    slow = page.get_by_role("region", name="Table of keys").get_by_role("row", name="slow")
    expect(slow.get_by_role("button", name="5: change the requests a minute of slow")).to_be_visible()
    settle(page)
    picture(page, "keys-limited")
    judge(page)
