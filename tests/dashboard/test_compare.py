"""The comparison of runs in a real Chromium: what the API says of them, and both sides of every item."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

from tests.dashboard.conftest import Look, Tickets, judge, picture, settle, visit
from tests.dashboard.gsm8k import make_runs
from tests.dashboard.judged import NO_ANSWER, make_eval, run_items, sent

_HOSTILE = "<img src=x onerror=document.title='hit'> \u202egnirts"


@dataclass(frozen=True)
class Uneven:
    """Two runs of one eval that share only some items, one of which erred in the second run."""

    first: str
    second: str

    @property
    def address(self) -> str:
        return f"/ui/compare?runs={self.first},{self.second}&base={self.first}"


@pytest.fixture(scope="module")
def models(http: httpx2.Client, shared_dir: Path) -> list[str]:
    """Return runs of four models, the worst first."""
    return [run["id"] for run in make_runs(http, shared_dir / "data" / "gsm8k_model_solutions.jsonl")]


@pytest.fixture(scope="module")
def uneven(http: httpx2.Client) -> Uneven:
    def items(numbers: range) -> list[dict[str, Any]]:
        return [
            {"question": f"Gary walks {each} times", "expected": "5", "verdict": "", "topic": "walks"}
            for each in numbers
        ]

    parent = make_eval(http, "Uneven")
    before, after = items(range(40)), items(range(4, 44))
    before[10]["question"] = after[6]["question"] = _HOSTILE
    first = run_items(http, parent, _HOSTILE, before)
    second = run_items(http, parent, "Second", after)
    return Uneven(first, second)


def _comparison(http: httpx2.Client, address: str) -> dict[str, Any]:
    answer = http.get(address.replace("/ui/compare?", "/api/compare?"))
    answer.raise_for_status()
    return answer.json()


def test_two_runs_show_the_servers_figures_and_regressions_first(
    page: Page, look: Look, http: httpx2.Client, models: list[str]
) -> None:
    base, new = models[2], models[3]
    look(f"/ui/compare?runs={base},{new}&base={base}&criterion=final+answer", "compare")

    compared = _comparison(http, f"/api/compare?runs={new}&base={base}")["comparisons"][0]
    counts = compared["criteria"][0]["counts"]
    verdict = page.get_by_role("region", name="Verdict")
    expect(verdict).to_contain_text("175b verification is better than 175b fine-tuning")
    expect(verdict).to_contain_text(f"+{100 * compared['difference']['value']:.1f} points")
    expect(verdict).to_contain_text("McNemar mid-p < 0.0001")
    expect(verdict).to_contain_text(f"{100 * compared['difference']['visible']:.1f} points or more can be seen")
    matrix = page.get_by_role("region", name="final answer, item by item")
    for change, said in (("passed", "both passed"), ("regressed", "regressed"), ("failed", "both failed")):
        expect(matrix.get_by_role("cell", name=re.compile(f"^{counts[change]}.*{said}"))).to_be_visible()
    modes = page.get_by_role("navigation", name="Changes")
    expect(modes.locator("[aria-current]")).to_contain_text(f"Regressions {counts['regressed']}")
    for word, name in (("Fixes", "fixed"), ("Different", "different"), ("Same", "same"), ("All", "total")):
        expect(modes.get_by_role("link", name=re.compile(f"{word} {counts[name]:,}$"))).to_be_visible()
    expect(page.get_by_role("region", name="Compared items").get_by_role("row")).to_have_count(21)
    expect(page.locator(".detail del").first).to_be_visible()
    expect(page.locator(".detail ins").first).to_be_visible()


def test_four_runs_stand_against_one_base_and_each_leads_to_its_items(
    page: Page, look: Look, http: httpx2.Client, models: list[str]
) -> None:
    look(f"/ui/compare?runs={','.join(models)}&base={models[0]}", "compare-four")

    table = page.get_by_role("region", name="Differences by run")
    expect(table.get_by_role("row")).to_have_count(4)
    table.get_by_role("link", name="175b verification").click()
    expect(page.get_by_role("region", name="Verdict")).to_contain_text("175b verification is better")
    assert f"run={models[3]}" in page.url
    compared = _comparison(http, f"/api/compare?runs={models[3]}&base={models[0]}")["comparisons"][0]
    expect(page.get_by_role("navigation", name="Changes")).to_contain_text(
        f"Regressions {compared['counts']['regressed']}"
    )


def test_a_run_is_compared_with_its_baseline_unasked(page: Page, tickets: Tickets) -> None:
    page.goto(tickets.run_page(tickets.second))
    page.get_by_role("navigation", name="Run").get_by_role("link", name="Compare").click()

    expect(page.get_by_role("region", name="Verdict")).to_contain_text("Prompt 2 is better than Prompt 1")
    expect(page).to_have_url(re.compile(f"base={tickets.first}"))
    # Nothing regressed, so the fixes come first.
    expect(page.get_by_role("navigation", name="Changes").locator("[aria-current]")).to_contain_text("Fixes")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Prompt 2")


def test_filters_live_in_the_address_and_survive_a_reload(page: Page, http: httpx2.Client, models: list[str]) -> None:
    base, new = models[2], models[3]
    page.goto(f"/ui/compare?runs={','.join(models)}&base={base}&run={new}")
    settle(page)
    page.get_by_role("region", name="All criteria, item by item").get_by_role("link", name="fixed").click()
    page.get_by_role("button", name="Filter", exact=True).click()
    form = page.get_by_role("form", name="Filter items")
    expect(form.get_by_role("group", name="Score in 175b verification")).to_be_visible()
    form.get_by_label("Change of score, from").fill("0.5")
    form.get_by_label("Field").select_option("steps")
    form.get_by_label("Value").select_option("steps:3")
    picture(page, "compare-filter")
    judge(page)
    form.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(re.compile("least_change=0.5"))
    page.reload()

    query = f"run={new}&base={base}&change=fixed&least_change=0.5&group=steps:3"
    found = http.get(f"/api/compare/items?{query}&limit=1").json()
    assert 0 < found["total"] < 20
    items = page.get_by_role("region", name="Items", exact=True)
    modes = page.get_by_role("navigation", name="Changes")
    expect(items).to_contain_text(f"1 to {found['total']} of {found['total']}")
    # The numbers are those of what the other filters leave.
    expect(modes).to_contain_text(f"Fixes {found['counts']['fixed']}")
    expect(modes).to_contain_text(f"All {found['counts']['total']}")
    assert found["counts"]["fixed"] == found["counts"]["total"]
    page.get_by_role("link", name="Remove filter: group steps:3").click()
    expect(page).not_to_have_url(re.compile("group="))
    # Another run is filtered in the same way.
    page.get_by_role("region", name="Differences by run").get_by_role("link", name="6b verification").first.click()
    query = f"run={models[1]}&base={base}&least_change=0.5"
    other = http.get(f"/api/compare/items?{query}&limit=1").json()["counts"]
    expect(modes).to_contain_text(f"All {other['total']}")


def test_items_are_sorted_by_the_change_of_their_score(page: Page, http: httpx2.Client, models: list[str]) -> None:
    base, new = models[2], models[3]
    page.goto(f"/ui/compare?runs={base},{new}&base={base}&change=different")
    table = page.get_by_role("region", name="Compared items")
    head = table.get_by_role("columnheader", name="Change")
    for order, said in (("asc", "ascending"), ("desc", "descending")):
        head.get_by_role("link").click()
        expect(head).to_have_attribute("aria-sort", said)
        query = f"run={new}&base={base}&change=regressed&change=fixed&sort=change&order={order}"
        first = http.get(f"/api/compare/items?{query}&limit=1").json()["data"][0]
        number = first["candidate"][0]["datasource_item_id"]
        shown = f"{first['score_change']:+.2f}".replace("-", "\N{MINUS SIGN}")
        expect(table.get_by_role("row").nth(1)).to_contain_text(re.compile(f"^{number:,}.*{re.escape(shown)}$"))
    expect(page.get_by_text("sorted by change of score, highest first")).to_be_visible()
    assert "sort=change" in page.url


def test_words_are_searched_in_items_and_answers(page: Page, models: list[str]) -> None:
    base, new = models[2], models[3]
    page.goto(f"/ui/compare?runs={base},{new}&base={base}&change=all")
    expect(page.locator(".detail")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("blogger who writes")
    page.keyboard.press("Enter")

    expect(page.get_by_role("region", name="Compared items").get_by_role("row")).to_have_count(2)
    assert "text=blogger" in page.url


def test_the_keyboard_walks_items_over_the_end_of_a_page(page: Page, models: list[str]) -> None:
    base, new = models[2], models[3]
    page.goto(f"/ui/compare?runs={base},{new}&base={base}")
    detail = page.locator(".detail")
    expect(detail).to_contain_text("1 of 100")
    page.keyboard.press("j")
    expect(detail).to_contain_text("2 of 100")
    page.keyboard.press("[")
    expect(detail).to_contain_text("1 of 100")
    for _ in range(20):
        before = page.url
        page.keyboard.press("]")
        expect(page).not_to_have_url(before)
    expect(detail).to_contain_text("21 of 100")
    page.keyboard.press("k")
    expect(detail).to_contain_text("20 of 100")
    page.keyboard.press("d")
    expect(page.get_by_role("button", name="One text")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("s")
    expect(page.get_by_role("region", name="Verdict")).to_contain_text(
        "175b fine-tuning is worse than 175b verification"
    )


def test_both_sides_of_an_item_can_be_opened(page: Page, models: list[str]) -> None:
    base, new = models[2], models[3]
    address = f"/ui/compare?runs={base},{new}&base={base}"
    for word, run in (("base", base), ("new", new)):
        page.goto(address)
        page.get_by_role("link", name=f"Open the item of {word}").click()
        expect(page).to_have_url(re.compile(f"/runs/{run}/items/outputitem_"))


def test_runs_are_added_replaced_and_removed(page: Page, models: list[str]) -> None:
    base, new = models[2], models[3]
    page.goto(f"/ui/compare?runs={base},{new}&base={base}")
    settle(page)
    page.get_by_role("button", name="Run", exact=True).click()
    dialog = page.get_by_role("dialog", name="Run", exact=True)
    expect(dialog.get_by_role("link")).to_have_count(2)
    picture(page, "compare-picker")
    judge(page)
    page.keyboard.type("6b verif")
    dialog.get_by_role("link", name="6b verification").click()
    expect(page.get_by_role("region", name="Differences by run").get_by_role("row")).to_have_count(3)
    page.get_by_role("link", name="Remove 175b verification").click()
    expect(page.get_by_role("region", name="Verdict")).to_contain_text("6b verification")
    assert new not in page.url
    page.get_by_role("button", name="Replace 175b fine-tuning").click()
    page.get_by_role("dialog", name="Replace 175b fine-tuning").get_by_role("link", name="6b fine-tuning").click()
    expect(page.get_by_role("region", name="Verdict")).to_contain_text("6b verification is better than 6b fine-tuning")


def test_the_export_holds_what_is_filtered(page: Page, http: httpx2.Client, models: list[str]) -> None:
    base, new = models[2], models[3]
    query = "change=regressed&least_score=0.5&group=steps:3"
    page.goto(f"/ui/compare?runs={base},{new}&base={base}&{query}&sort=change")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Items as they are filtered").click()

    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    found = http.get(f"/api/compare/items?run={new}&base={base}&{query}&limit=1").json()
    assert len(lines) == found["total"] > 2
    changes = [json.loads(line)["score_change"] for line in lines]
    assert changes == sorted(changes)


def test_missing_items_are_counted_apart_and_names_of_others_stay_texts(page: Page, look: Look, uneven: Uneven) -> None:
    look(f"{uneven.address}&change=missing", "compare-missing")

    expect(page.get_by_role("region", name="Verdict")).to_contain_text("4 items are in the baseline only")
    expect(page.get_by_role("region", name="All criteria, item by item")).to_contain_text(
        "4 only in the base, 4 only in the new run"
    )
    expect(page.get_by_role("region", name="Items", exact=True)).to_contain_text("1 to 8 of 8")
    expect(page.locator(".detail")).to_contain_text("This run has no such item. It counts in no rate")
    expect(page.locator(".run-chip").first).to_contain_text("<img src=x onerror=document.title='hit'> U+202Egnirts")
    assert "hit" not in page.title()
    assert page.locator("main img").count() == 0


def test_the_cost_of_each_run_stands_against_its_score(page: Page, uneven: Uneven) -> None:
    page.goto(uneven.address)
    section = page.get_by_role("region", name="Cost against score")
    expect(section.get_by_role("img")).to_have_attribute(
        "aria-label", re.compile(r"Second: .* percent, likely .*, for \$0\.\d+")
    )
    expect(section.get_by_role("row", name=re.compile("^Second"))).to_contain_text("$0.00")
    section.scroll_into_view_if_needed()
    picture(page, "compare-cost")


def test_runs_without_a_price_are_named_beside_those_with_one(
    page: Page, http: httpx2.Client, models: list[str], uneven: Uneven
) -> None:
    page.goto(f"/ui/compare?runs={uneven.first},{uneven.second},{models[0]}&base={uneven.first}")
    section = page.get_by_role("region", name="Cost against score")
    expect(section).to_contain_text("6b fine-tuning asked no model, so nothing is known of the cost")
    expect(section.get_by_role("img")).to_have_attribute(
        "aria-label", re.compile(r"^(?!.*6b).*Second: .* for \$0\.\d+")
    )


# What of the letters of a chart is outside of it, or another size than they should have, once it is drawn anew.
_MISPLACED = """
async svg => {
  const scale = () => svg.getScreenCTM().a;
  while (Math.abs(scale() - 1) > 0.01) await new Promise(requestAnimationFrame);
  const frame = svg.parentElement.getBoundingClientRect();
  return [...svg.querySelectorAll("text")].filter(each => {
    const box = each.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1;
  }).map(each => each.textContent);
}
"""


def test_charts_and_long_names_fit_any_width(page: Page, http: httpx2.Client) -> None:
    long = "a name that is longer than anybody would like " * 3
    criterion = {"type": "string_check", "input": "{{ sample.output_text }}", "operation": "eq"}
    criteria = [
        {**criterion, "name": name, "reference": "{{ item.expected }}"}
        for name in ("right", long, "without-any-space-" * 6)
    ]
    config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    body = {"name": long, "data_source_config": config, "testing_criteria": criteria}
    parent = sent(http, "/v1/evals", body)["id"]
    rows = [{"question": f"echo 5 {each}", "expected": f"5 {each}", "verdict": ""} for each in range(40)]
    right = run_items(http, parent, "Right", rows)
    wrong = run_items(http, parent, long, [{**row, "expected": "6"} for row in rows])
    for base, new in ((right, wrong), (wrong, right)):
        page.set_viewport_size({"width": 1280, "height": 1000})
        page.goto(f"/ui/compare?runs={base},{new}&base={base}&change=all")
        settle(page)
        expect(page.locator(".side-grades").first).to_be_visible()
        verdict = page.get_by_role("region", name="Verdict").get_by_role("img")
        # The difference is all there can be: no mark stands beyond it.
        expect(verdict).to_contain_text("100")
        expect(verdict).not_to_contain_text("120")
        cost = page.get_by_role("region", name="Cost against score").get_by_role("img")
        for width in (1280, 700, 390):
            page.set_viewport_size({"width": width, "height": 1000})
            assert verdict.evaluate(_MISPLACED) == []
            assert cost.evaluate(_MISPLACED) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("region", name="Cost against score").scroll_into_view_if_needed()
    picture(page, "compare-narrow")


def test_runs_of_one_name_are_told_apart(page: Page, http: httpx2.Client) -> None:
    items = [{"question": f"{each}", "expected": "5", "verdict": "", "topic": "x"} for each in range(30)]
    parent = make_eval(http, "Same name")
    runs = [run_items(http, parent, "Nightly", items) for _ in range(2)]
    page.goto(f"/ui/compare?runs={','.join(runs)}&base={runs[0]}")

    expect(page.get_by_role("region", name="Verdict")).to_contain_text(
        "No difference between the run and the baseline can be told"
    )


def test_an_error_is_no_failure(page: Page, http: httpx2.Client) -> None:
    def item(question: str) -> dict[str, Any]:
        return {"question": question, "expected": "5", "verdict": "", "topic": "x"}

    parent = make_eval(http, "Erring")
    runs = [run_items(http, parent, "One", [item("same"), item("This is out of order")]) for _ in range(2)]
    page.goto(f"/ui/compare?runs={','.join(runs)}&base={runs[0]}&change=errored")

    expect(page.get_by_role("region", name="All criteria, item by item")).to_contain_text("1 item without a result")
    expect(page.locator(".detail")).to_contain_text("no result on a side")
    expect(page.locator(".detail")).to_contain_text(NO_ANSWER)
    judge(page)


def test_without_runs_or_a_baseline_the_next_step_is_offered(page: Page, look: Look, models: list[str]) -> None:
    look("/ui/compare", "compare-none")
    expect(page.get_by_role("heading", name="Choose runs to compare")).to_be_visible()

    look(f"/ui/compare?runs={models[0]}", "compare-alone")
    page.get_by_role("button", name="Choose the base").click()
    page.get_by_role("dialog", name="Choose the base").get_by_role("link", name="175b verification").click()
    expect(page.get_by_role("region", name="Verdict")).to_contain_text("6b fine-tuning is worse than 175b verification")


def test_an_unknown_run_says_so(page: Page) -> None:
    page.goto("/ui/compare?runs=evalrun_a,evalrun_b")
    expect(page.get_by_role("alert")).to_contain_text("no run with id 'evalrun_a'")
    judge(page)


def test_a_failing_server_is_asked_again_unasked_and_then_by_a_button(fresh_page: Page, models: list[str]) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=503, body=json.dumps({"error": {"message": "Out of order.", "type": "server_error"}}))

    page, asked = fresh_page, "**/api/compare/items*"
    page.clock.install()
    page.route(asked, refuse)
    with page.expect_response(asked):
        page.goto(f"/ui/compare?runs={models[2]},{models[3]}&base={models[2]}")
    for _ in range(3):
        with page.expect_response(asked):
            page.clock.run_for(5_000)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Out of order.")
    page.unroute(asked)
    alert.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("region", name="Compared items")).to_be_visible()


def test_a_comparison_in_preparation_says_so_and_appears_by_itself(fresh_page: Page, tickets: Tickets) -> None:
    def refuse(route: Route) -> None:
        said = {"message": "Ask again in a moment.", "code": "comparison_not_ready", "type": "invalid_request_error"}
        route.fulfill(status=400, body=json.dumps({"error": said}))

    page, asked = fresh_page, "**/api/compare?*"
    page.clock.install()
    verdict = page.get_by_role("region", name="Verdict")
    preparing = page.get_by_role("status").filter(has_text="The comparison is being prepared.")
    page.route(asked, refuse)
    page.goto(tickets.run_page(tickets.second))
    expect(preparing).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    for _ in range(4):
        with page.expect_response(asked):
            page.clock.run_for(2_500)
    expect(preparing).to_be_visible()
    judge(page)
    picture(page, "compare-preparing")
    page.unroute(asked)
    page.clock.run_for(2_500)
    expect(verdict).to_contain_text("Better than Prompt 1")
    expect(preparing).to_have_count(0)

    page.route(asked, refuse)
    visit(page, f"/ui/compare?runs={tickets.first},{tickets.second}&base={tickets.first}")
    expect(preparing).to_be_visible()
    page.unroute(asked)
    page.clock.run_for(2_500)
    expect(verdict).to_contain_text("Prompt 2 is better than Prompt 1")
    expect(preparing).to_have_count(0)


def test_a_run_page_says_that_its_comparison_failed(page: Page, tickets: Tickets) -> None:
    said = {"message": "Out of order.", "type": "invalid_request_error", "code": "invalid_value"}
    page.route("**/api/compare?*", lambda route: route.fulfill(status=400, body=json.dumps({"error": said})))
    page.goto(tickets.run_page(tickets.second))
    expect(page.get_by_role("alert")).to_contain_text("Out of order.")
    expect(page.get_by_role("region", name="Criteria", exact=True)).to_be_visible()


def test_the_comparison_is_usable_at_200_percent_and_prints(page: Page, models: list[str]) -> None:
    page.set_viewport_size({"width": 640, "height": 500})
    page.goto(f"/ui/compare?runs={models[2]},{models[3]}&base={models[2]}&change=regressed")
    expect(page.get_by_role("region", name="Compared items")).to_be_visible()
    settle(page)
    picture(page, "compare-200-percent")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.set_viewport_size({"width": 1280, "height": 1000})
    page.emulate_media(media="print")
    expect(page.get_by_text("Compare · printed")).to_contain_text("change: regressed")
    expect(page.get_by_role("button", name="Export")).to_be_hidden()
    picture(page, "compare-print")
    assert page.pdf().startswith(b"%PDF")
