"""What is pressed or typed while a page is still on its way is not lost, and nothing of another page stands there."""

import re

import httpx2
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Tickets, settle, visit
from tests.dashboard.judged import make_eval, run_items


def test_what_is_typed_while_the_address_follows_stays(page: Page, tickets: Tickets) -> None:
    page.goto("/ui/runs")
    page.get_by_role("rowheader").first.wait_for()
    # As soon as the address has the first word, a second one is typed.
    page.evaluate(
        """() => {
            const replace = history.replaceState;
            history.replaceState = (...given) => {
                replace.apply(history, given);
                if (!String(given[2]).endsWith("search=Prompt")) return;
                history.replaceState = replace;
                const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
                set.call(document.activeElement, "Prompt 2");
                document.activeElement.dispatchEvent(new Event("input", { bubbles: true }));
            };
        }"""
    )
    page.get_by_label("Search runs").fill("Prompt")
    expect(page).to_have_url(re.compile(r"search=Prompt(\+|%20)2$"))
    expect(page.get_by_label("Search runs")).to_have_value("Prompt 2")

    page.get_by_label("Search runs").fill("Prompt 1")
    expect(page).to_have_url(re.compile(r"search=Prompt(\+|%20)1$"))
    visit(page, "/ui/runs?search=Prompt+2")
    expect(page.get_by_label("Search runs")).to_have_value("Prompt 2")


def test_two_runs_are_chosen_as_fast_as_keys_can_be_pressed(page: Page, tickets: Tickets) -> None:
    page.goto(f"/ui/evals/{tickets.eval_id}")
    page.get_by_role("checkbox", name="Compare Prompt 1").wait_for()
    page.evaluate(
        """() => {
            for (const key of ["j", "x", "j", "x"]) document.dispatchEvent(new KeyboardEvent("keydown", { key }));
        }"""
    )

    expect(page.get_by_role("link", name="Compare 2")).to_be_visible()


def test_the_focus_that_a_new_page_has_already_stays_where_it_is(page: Page, tickets: Tickets) -> None:
    page.goto("/ui/evals")
    settle(page)
    # The key is pressed at the first sight of the new page.
    page.evaluate(
        """() => new MutationObserver((_seen, observer) => {
            if (document.querySelector("h1")?.textContent !== "Runs") return;
            observer.disconnect();
            document.dispatchEvent(new KeyboardEvent("keydown", { key: "/" }));
        }).observe(document.body, { childList: true, subtree: true, characterData: true })"""
    )
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.get_by_role("rowheader").first.wait_for()
    expect(page.get_by_label("Search runs")).to_be_focused()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Files").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Files")
    expect(page.get_by_role("main")).to_be_focused()


def test_nothing_of_another_eval_or_run_stands_on_a_page_meanwhile(
    page: Page, http: httpx2.Client, tickets: Tickets
) -> None:
    other = make_eval(http, "Another")
    item = {"question": "What is 2 + 3?", "expected": "5", "verdict": "", "topic": "x"}
    other_run = run_items(http, other, "Only", [item])
    page.route(re.compile(rf"/api/runs\?.*eval={other}|/api/runs/{other_run}/(report|items)"), lambda _route: None)
    page.goto("/ui/files")
    for heading, address, elsewhere, figures in (
        ("Only", f"/ui/evals/{other}/runs/{other_run}", tickets.run_page(tickets.second), "Table of criteria"),
        ("Another", f"/ui/evals/{other}", f"/ui/evals/{tickets.eval_id}", "Table of runs"),
    ):
        # It is left before all of it came, so that its name is known and its figures are not.
        visit(page, address)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        visit(page, elsewhere)
        expect(page.get_by_role("region", name=figures)).to_be_visible()
        visit(page, address)
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        expect(page.locator(".skeleton").first).to_be_visible()
        expect(page.get_by_role("region", name=figures)).to_have_count(0)
