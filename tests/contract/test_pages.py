"""Facts about the pages for people: what they do not show, they say and lead to."""

import html
import re
from collections.abc import Iterator

import httpx2
import pytest

from tests.contract.conftest import MakeEval, RunToEnd, refusal_of

HOSTILE = '<script>alert(1)</script>"&'
EACH = 20


def link_of(page: str, rel: str) -> str | None:
    """Return where a page's link to more leads."""
    found = re.search(rf'<a rel="{rel}" href="([^"]*)">', page)
    return None if found is None else html.unescape(found[1])


def walk(http: httpx2.Client, path: str, rel: str = "next") -> Iterator[str]:
    """Yield the text of a page and of all that its links lead to."""
    at: str | None = path
    while at is not None:
        answer = http.get(at)
        assert answer.status_code == 200, answer.text
        assert "<script" not in answer.text
        assert "<img" not in answer.text
        assert "offset" not in at
        at = link_of(answer.text, rel)
        assert (at is None) or "There are more: " in answer.text
        yield answer.text


def ids_of(http: httpx2.Client, path: str, order: str) -> list[str]:
    """Return the ids of all objects of a list."""
    found: list[str] = []
    while True:
        page = http.get(path, params={"limit": 1000, "order": order, "after": found[-1] if found else ""}).json()
        found += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            return found


def in_order(text: str, ids: list[str]) -> list[str]:
    """Return the ids that a text holds, in the order in which it does."""
    known = set(ids)
    return list(dict.fromkeys(each for each in re.findall(r"[\w-]+", text) if each in known))


@pytest.fixture(scope="module")
def lists(make_eval: MakeEval, run_to_end: RunToEnd, http: httpx2.Client) -> dict[str, tuple[str, list[str]]]:
    """Return pages by what they list, with the ids of all of it, in the order in which it is to be shown."""
    parent = [make_eval(name=f"{HOSTILE} {number}") for number in range(2 * EACH + 3)][-1]
    for number in range(2 * EACH + 3):
        run_to_end(parent, name=f"{HOSTILE} {number}")
    runs = f"/v1/evals/{parent['id']}/runs"
    return {
        "runs": (f"/ui/evals/{parent['id']}", ids_of(http, runs, "desc")),
    }


@pytest.mark.parametrize("kind", ["runs"])
def test_each_list_is_shown_whole_page_by_page_in_both_directions(
    http: httpx2.Client, lists: dict[str, tuple[str, list[str]]], kind: str
) -> None:
    path, ids = lists[kind]
    pages = list(walk(http, path))

    assert [each for page in pages for each in in_order(page, ids)] == ids
    # A page of large objects is shorter.
    assert max(len(in_order(page, ids)) for page in pages) == EACH
    assert link_of(pages[0], "prev") is None
    last = link_of(pages[-2], "next")
    assert last is not None
    back = list(walk(http, last, "prev"))
    assert [each for page in back[::-1] for each in in_order(page, ids)] == ids
    assert link_of(back[-1], "prev") is None


def test_a_list_that_fits_says_nothing_of_more(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    parent = make_eval()
    for _ in range(2):
        run_to_end(parent)

    assert "There are more" not in http.get(f"/ui/evals/{parent['id']}").text


def test_the_page_after_the_last_object_says_that_there_are_no_more(
    http: httpx2.Client, lists: dict[str, tuple[str, list[str]]]
) -> None:
    for path, ids in lists.values():
        page = http.get(path, params={"after": ids[-1]}).text
        assert "There are no more." in page
        assert " yet." not in page


@pytest.mark.parametrize("query", ["after=eval_no", "before=eval_no", "after=%00", "after=a&before=b"])
def test_a_cursor_that_leads_nowhere_is_refused(http: httpx2.Client, make_eval: MakeEval, query: str) -> None:
    assert refusal_of(http.get(f"/ui/evals/{make_eval()['id']}?{query}"))["code"] == "invalid_cursor"
