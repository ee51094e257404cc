"""Facts about texts of anybody within Markdown: they are shown as they are, and are neither markup nor links."""

import html
import re

import pytest
from markdown_it import MarkdownIt

from evalhaven.cli.gate_texts import escape_markdown

NOTHING = "\N{ZERO WIDTH SPACE}"


def shown(markdown: str) -> str:
    """Return what a renderer of Markdown shows of a paragraph; it has no markup."""
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)
    assert re.fullmatch(r"<p>[^<>]*</p>\n", page), page
    return html.unescape(page[3:-5])


@pytest.mark.parametrize(
    "text",
    [
        "a | b", "**bold** _it_ ~~gone~~", "`code` ```", "[x](javascript:alert(1))", "![p](http://e.example/p.png)",
        "<img src=x onerror=alert(1)>", "<!-- hidden", "&lt;b&gt; &amp; &#64;", "\\| \\`", "$x^2$", "# title",
        "- [ ] task", "+ item", "1. first", "12) twelfth", "--- ", "=== ", "> quote", "| a |", "@everyone",
        "mail@example.org", "#12", "{{ x }}", "https://e.example/?a=b", "WWW.e.example", ":tada:",
        "a - b, 1.5 + 2", "10:30",
    ],
)  # fmt: skip
def test_a_text_reads_as_it_is(text: str) -> None:
    assert shown(escape_markdown(text)).replace(NOTHING, "") == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("ask @octocat", "@octocat"),
        ("see #12", "#12"),
        ("https://e.example", "://"),
        ("www.e.example", "www."),
        ("a:tada:b", ":tada:"),
    ],
)
def test_hosts_find_no_link_in_it(text: str, link: str) -> None:
    assert link in text
    assert link not in shown(escape_markdown(text))


@pytest.mark.parametrize("text", ["- item", "+ item", "1. item", "12) item", "---", "# title", "> quote"])
def test_it_begins_no_list_title_or_line(text: str) -> None:
    assert not re.match(r"(?:[-+#>]|\d+[.)])(?:\s|$)|---|>", escape_markdown(text))


@pytest.mark.parametrize("text", ["-30.0 (-36.7 to -24.1)", "+0.0", "1.5", "100 %", "no regression"])
def test_figures_stay_as_they_are(text: str) -> None:
    assert escape_markdown(text) == text


def test_lines_and_controls_are_flat() -> None:
    assert escape_markdown("a\n\n| b\x1b[31m\u202e") == "a \\| b\ufffd\\[31m\ufffd"
