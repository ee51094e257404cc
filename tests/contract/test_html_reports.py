"""Facts about `GET /api/runs/{run_id}/report.html` and `/api/compare/report.html` as a browser sees them."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import MakeEval, MakeRun, RunToEnd, refusal_of, string_check

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<img src=x onerror=alert(3)>",
    "<svg onload=alert(4)>",
    "</style><script>alert(5)</script>",
    "<style>*{display:none}</style>",
    "</title><script>alert(6)</script>",
    "</pre></section><h1>All passed</h1>",
    "<!-- -->",
    "<!--",
    "-->",
    "<![CDATA[x]]>",
    "]]>",
    "<?xml version='1.0'?>",
    "<a href=javascript:alert(7)>x</a>",
    "javascript:alert(8)",
    "data:text/html,<script>alert(9)</script>",
    "<iframe src=//127.0.0.1>",
    "<object data=x>",
    "<embed src=x>",
    "<base href=//127.0.0.1/>",
    "<meta http-equiv=refresh content=0>",
    "<link rel=stylesheet href=x>",
    "<form action=x><input name=y>",
    "<details open ontoggle=alert(10)>",
    "<math><mi xlink:href=x>",
    '" onmouseover="alert(11)',
    "' onmouseover='alert(12)",
    '"><script>alert(13)</script>',
    "'><b>x",
    "&lt;script&gt;",
    "&#60;script&#62;",
    "&",
    "&amp;amp;",
    "&nbsp",
    "\u003cscript\u003e",
    "%3Cscript%3E",
    "<scr\u0000ipt>alert(14)</scr\u0000ipt>",
    "\u202egnp.exe",
    "\u2066left\u2069",
    "\u200b<b>\u200b",
    "\x1b[31mred",
    "\x07bell",
    "line\r\nbreak\ttab",
    "<\u017fcript>",
    "\uff1cscript\uff1e",
    "{{ item.a }}",
    "${7*7}",
    "<%= 7*7 %>",
    "<plaintext>",
    "<textarea><script>",
    "<noscript><p title='</noscript><img src=x onerror=alert(15)>'>",
    "😀 \u0301combining",
    "a" * 5_000,
    "",
]
TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "footer", "section", "figure", "div", "h1", "h2", "h3",
    "p", "span", "b", "small", "code", "pre", "ul", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td",
    "svg", "g", "rect", "line", "circle", "text",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "name", "content", "class", "scope", "role", "aria-label", "aria-hidden",
    "viewbox", "width", "height", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "text-anchor",
}  # fmt: skip
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Seen(HTMLParser):
    """What a browser makes of a page: its elements, their attributes, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.labels: list[str] = []
        self.others: list[str] = []
        self._texts: list[str] = []
        self.feed(page)
        self.close()

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.labels += [value or "" for name, value in attrs if name == "aria-label"]

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)


def seen_of(text: str) -> str:
    """Return a text as a page shows it: shortened, and without invisible characters."""
    return CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text[:2_000])


def page_of(http: httpx2.Client, path: str, **query: Any) -> str:
    """Return a page after checking what all pages have in common."""
    answer = http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = answer.content.decode("utf-8")
    seen = Seen(page)
    assert seen.tags <= TAGS
    assert seen.attributes <= ATTRIBUTES
    assert seen.others == []
    (sheet,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    allowed = b64encode(sha256(sheet.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    assert answer.headers["content-security-policy"] == f"{policy}; frame-ancestors 'none'"
    assert policy in page.replace("&#x27;", "'")
    assert "url(" not in sheet
    assert "@import" not in sheet
    return page


@pytest.fixture(scope="module")
def hostile_run(make_eval: MakeEval, run_to_end: RunToEnd) -> dict[str, Any]:
    """A run in which every text that somebody else wrote is hostile, and nothing passes."""
    criteria = [
        string_check(name=text or "empty", input="{{ sample.output_text }}", reference="right") for text in HOSTILE[:4]
    ]
    parent = make_eval(name=HOSTILE[0], testing_criteria=criteria)
    rows = [
        {"item": {"a": text, HOSTILE[2]: HOSTILE[n % 4]}, "sample": {"output_text": text, "choices": []}}
        for n, text in enumerate(HOSTILE)
    ]
    return run_to_end(parent, rows, name=HOSTILE[4], metadata={"<b>": HOSTILE[5]})


def test_whatever_a_model_wrote_is_text(http: httpx2.Client, hostile_run: dict[str, Any]) -> None:
    seen = Seen(page_of(http, f"/api/runs/{hostile_run['id']}/report.html", examples=100, by=HOSTILE[2]))

    assert len(HOSTILE) > 50
    for text in HOSTILE:
        assert seen_of(text) in seen.text
    assert "(3,000 more characters)" in seen.text
    for name in (HOSTILE[1], HOSTILE[3], HOSTILE[4], HOSTILE[5]):
        assert name in seen.text
    assert any(label.startswith(HOSTILE[1]) for label in seen.labels)


def test_a_comparison_shows_as_text_what_models_wrote(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    criteria = [string_check(name=HOSTILE[3], input="{{ sample.output_text }}", reference="right")]
    parent = make_eval(testing_criteria=criteria)

    def rows(answers: list[str]) -> list[dict[str, Any]]:
        return [
            {"item": {"a": text}, "sample": {"output_text": answer, "choices": []}}
            for text, answer in zip(HOSTILE, answers, strict=True)
        ]

    before = run_to_end(parent, rows(HOSTILE), name=HOSTILE[0])
    after = run_to_end(parent, rows(["right"] * len(HOSTILE)), name=HOSTILE[4])
    query = {"run": after["id"], "base": before["id"], "margin": 0.02}
    seen = Seen(page_of(http, "/api/compare/report.html", items=100, **query))
    (one,) = http.get("/api/compare", params={"runs": after["id"], "base": before["id"], "margin": 0.02}).json()[
        "comparisons"
    ]

    for text in HOSTILE:
        assert seen_of(text) in seen.text
    assert one["sentence"] in seen.text
    assert f"Fixed: {one['counts']['fixed']}" in seen.text
    assert f"{100 * one['difference']['low']:+.1f} to {100 * one['difference']['high']:+.1f}" in seen.text
    assert "Regressed: " not in seen.text


def test_the_figures_are_those_of_the_report(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    items = [{"a": "y", "b": "y" if n % 3 else "n", "topic": "fast" if n % 2 else "slow"} for n in range(40)]
    run = run_to_end(make_eval(), [{"item": item} for item in items], metadata={"commit": "abc"})
    report = http.get(f"/api/runs/{run['id']}/report", params={"by": "topic"}).json()
    seen = Seen(page_of(http, f"/api/runs/{run['id']}/report.html"))

    rate = report["rate"]
    low, high = f"{100 * rate['low']:.1f}", f"{100 * rate['high']:.1f}"
    assert f"26 of 40 items passed: {100 * rate['value']:.1f} %, likely {low} to {high}." in seen.text
    assert f"same: {100 * rate['value']:.1f} percent, interval {low} to {high}" in seen.labels
    for group in report["breakdowns"][0]["groups"]:
        name, of_group = group["value"], group["rate"]
        limits = f"interval {100 * of_group['low']:.1f} to {100 * of_group['high']:.1f}"
        assert f"{name}: {100 * of_group['value']:.1f} percent, {limits}" in seen.labels
    counts = report["criteria"][0]["scores"]["histogram"]["counts"]
    assert f"Scores of same, 0 to 1: {', '.join(map(str, counts))} items" in seen.labels
    assert "Items failed: 10 of 14" in seen.text
    assert '"commit": "abc"' in seen.text
    assert run["id"] in seen.text


def test_repeats_errors_usage_and_gaps_have_parts_of_their_own(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    source = {
        "type": "completions",
        "model": "scripted",
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{ item.a }} ANSWER: 1"}]},
        "source": {"type": "file_content", "content": [{"item": {"a": str(n), "b": str(n % 2)}} for n in range(12)]},
    }
    check = string_check(input="{{ sample.output_text }}", reference="{{ item.b }}")
    run = run_to_end(make_eval(testing_criteria=[check]), data_source=source, evalhaven={"repeats": 5})
    report = http.get(f"/api/runs/{run['id']}/report").json()
    seen = Seen(page_of(http, f"/api/runs/{run['id']}/report.html", k=[1, 3], examples=2))

    assert "k = 3" in seen.text
    assert f"{report['repeats']['unstable']} of 12 items passed in some samples" in seen.text
    assert f"{report['passed']} of 60 samples passed, the mean over items is" in seen.text
    assert "What cannot be told" in seen.text
    assert report["gaps"][0]["why"] in seen.text
    assert "Latency and tokens" in seen.text
    assert f"{report['usage'][0]['prompt_tokens']:,}" in seen.text
    assert '"repeats": 5' in seen.text


def test_a_run_that_failed_without_items_has_a_page(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    source = {"type": "stored_completions", "metadata": {"nobody": "has this"}}
    logs = {"type": "logs", "metadata": {"nobody": "has this"}}
    run = run_to_end(make_eval(data_source_config=logs), data_source={"type": "completions", "source": source})
    seen = Seen(page_of(http, f"/api/runs/{run['id']}/report.html"))

    assert run["result_counts"]["total"] == 0
    assert "No item has a result." in seen.text
    assert run["error"] is None or run["error"]["message"] in seen.text


def test_a_run_that_goes_on_looks_partial(http: httpx2.Client, make_eval: MakeEval, make_run: MakeRun) -> None:
    source = {
        "type": "completions",
        "model": "scripted",
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{ item.a }}"}]},
        "source": {"type": "file_content", "content": [{"item": {"a": str(n), "b": ""}} for n in range(20_000)]},
    }
    run = make_run(make_eval(), data_source=source)
    page = page_of(http, f"/api/runs/{run['id']}/report.html")
    http.post(f"/v1/evals/{run['eval_id']}/runs/{run['id']}")

    assert "Partial: " in Seen(page).text


def test_a_run_and_a_field_that_are_not_there_are_refused(http: httpx2.Client, hostile_run: dict[str, Any]) -> None:
    unknown = http.get("/api/runs/evalrun_00000000000000000000000000000000/report.html")
    field = http.get(f"/api/runs/{hostile_run['id']}/report.html?by=colour")

    assert unknown.status_code == 404
    assert refusal_of(field)["param"] == "by"
    assert json.loads(field.text)
