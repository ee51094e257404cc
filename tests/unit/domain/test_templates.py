"""Facts about the template grammar."""

import time
from typing import Any

import pytest

from evalhaven.domain.templates import Placeholder, parse_template

ITEM: dict[str, Any] = {
    "a": "x",
    "n": 5,
    "f": 1.0,
    "big": 2**70,
    "none": None,
    "yes": True,
    "list": ["p", {"q": "r", "a key": "within"}],
    "object": {"é": "ü", "k": [1, 2], "two  blanks": "inner"},
    "a b": "spaced",
    "Customer Question": "Why?",
    "it's": "apostrophe",
    "back\\slash": "escaped",
    "no\u00a0break": "hard",
    'q"uote': "quoted",
    "dot.ted": "dotted",
    "]": "bracket",
    "": "nameless",
    "0": "digit",
    "json": '{"symbols": ["s0", "s1"], "inner": "{\\"deep\\": 7}", "a key": "in text"}',
    "broken": '{"symbols": ',
    "x-y_z": "dashed",
    "größe": "large",
}
SAMPLE: dict[str, Any] = {
    "output_text": "out",
    "output_json": {"final answer": 42},
    "output_tools": [{"function": {"arguments": '{"symbols": ["AAPL"]}'}}],
    "choices": [{"message": {"content": "c"}}],
}


def render(text: str, *, with_sample: bool = True) -> tuple[str, tuple[str, ...]]:
    """Return the rendered text and the unresolved placeholders."""
    rendered = parse_template(text).render({"item": ITEM, "sample": SAMPLE} if with_sample else {"item": ITEM})
    return rendered.text, rendered.unresolved


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{item.a}}", "x"),
        ("{{ item.a }}", "x"),
        ("{{\n\t item.a \r\n}}", "x"),
        ("<{{item.a}}{{item.a}}>", "<xx>"),
        ("{{ item.list[0] }}", "p"),
        ("{{ item.list[ 1 ].q }}", "r"),
        ("{{ item['a'] }}{{ item.a }}", "xx"),
        ("{{ item['a b'] }}", "spaced"),
        ("{{ item['object']['k'][1] }}", "2"),
        ("{{ item['it\\'s'] }}", "apostrophe"),
        ("{{ item['q\"uote'] }}", "quoted"),
        ("{{ item['q\\\"uote'] }}", "quoted"),
        ("{{ item['gr\\u00f6\\u00dfe'] }}", "large"),
        ("{{ item['back\\\\slash'] }}", "escaped"),
        ("{{ item.a b }}", "spaced"),
        ("{{item.Customer Question}}", "Why?"),
        ("{{ item.object.two  blanks }}", "inner"),
        ("{{ item.list[1].a key }}", "within"),
        ("{{ item.json.a key }}", "in text"),
        ("{{ item.no\u00a0break }}", "hard"),
        ("{{ sample.output_json.final answer }}", "42"),
        ('{{ item["a"] }}', "x"),
        ('{{ item["a b"] }}', "spaced"),
        ('{{ item["q\\"uote"] }}', "quoted"),
        ('{{ item["dot.ted"] }}', "dotted"),
        ('{{ item["]"] }}', "bracket"),
        ('{{ item[""] }}', "nameless"),
        ('{{ item["0"] }}', "digit"),
        ("{{ item.0 }}", "digit"),
        ('{{ item["object"]["k"][1] }}', "2"),
        ('{{ item["gr\\u00f6\\u00dfe"] }}', "large"),
        ("{{ item.größe }}", "large"),
        ("{{ item.x-y_z }}", "dashed"),
        ("{{ item.json.symbols[1] }}", "s1"),
        ("{{ item.json.inner.deep }}", "7"),
        ("{{ sample.output_tools[0].function.arguments.symbols }}", '["AAPL"]'),
        ("{{ sample.choices[0].message.content }}", "c"),
        ("{{ sample.output_text }}", "out"),
    ],
)
def test_paths_resolve(text: str, expected: str) -> None:
    assert render(text) == (expected, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ item.n }}", "5"),
        ("{{ item.f }}", "1.0"),
        ("{{ item.big }}", str(2**70)),
        ("{{ item.none }}", "null"),
        ("{{ item.yes }}", "true"),
        ("{{ item.list }}", '["p", {"q": "r", "a key": "within"}]'),
        ("{{ item.object }}", '{"é": "ü", "k": [1, 2], "two  blanks": "inner"}'),
    ],
)
def test_values_that_are_no_strings_become_json_text_with_non_ascii_kept(text: str, expected: str) -> None:
    assert render(text) == (expected, ())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "{item.a}",
        "{ {item.a} }",
        "{image_url}",
        "{{ other.a }}",
        "{{ items.a }}",
        "{{ itemised }}",
        "{{ sample_text }}",
        "{{ }}",
        "{{}}",
        "}}}}",
        "{{ Item.a }}",
        "\\frac{{a}}{{b}}",
        "f'{{{x}}}'",
        '{{"json": {{"nested": 1}}}}',
        "{% for x in item %}",
        "{{ item",
        "{{ item \n and more",
        "{{ 'item.a' }}",
    ],
)
def test_every_other_brace_is_literal_text(text: str) -> None:
    assert parse_template(text).placeholders == ()
    assert render(text) == (text, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ item.a }}}}", "x}}"),
        ("{{{ item.a }}}", "{x}"),
        ("{{{{ item.a }}}}", "{{x}}"),
        ("\\boxed{{{item.a}}}", "\\boxed{x}"),
        ("{{ other {{ item.a }}", "{{ other x"),
        ("{{ {{item.a}} }}", "{{ x }}"),
    ],
)
def test_placeholders_among_other_braces_resolve(text: str, expected: str) -> None:
    assert render(text) == (expected, ())


@pytest.mark.parametrize(
    ("text", "written", "rest"),
    [
        ("{{ item.a.strip() }}!", "item.a.strip()", "!"),
        ("{{ sample.output_text.strip().lower() }}", "sample.output_text.strip().lower()", ""),
        ("<{{ item.a | upper }}>", "item.a | upper", "<>"),
        ("{{ item | tojson }}", "item | tojson", ""),
        ("{{ item(1) }}", "item(1)", ""),
        ("{{ item. }}", "item.", ""),
        ("{{ item.a. }}", "item.a.", ""),
        ("{{ item..a }}", "item..a", ""),
        ("{{ item[-1] }}", "item[-1]", ""),
        ("{{ item[] }}", "item[]", ""),
        ("{{ item[a] }}", "item[a]", ""),
        ("{{ item.a + 1 }}", "item.a + 1", ""),
        ("{{ item .a }}", "item .a", ""),
        ('{{ item["a }}', 'item["a', ""),
        ('{{ item["\\x"] }}', 'item["\\x"]', ""),
        ("{{ item['\\x'] }}", "item['\\x']", ""),
        ("{{ item['a }}", "item['a", ""),
        ("{{ item['a\"] }}", "item['a\"]", ""),
        ('{{ item["a\\\nb"] }}', 'item["a\\\nb"]', ""),
        ("{{ item.a b | upper }}", "item.a b | upper", ""),
        ("{{ item.a\nb }}", "item.a\nb", ""),
        ("before {{ item.a", "item.a", "before "),
        ("{{ item.a and no end", "item.a and no end", ""),
    ],
)
def test_what_starts_like_a_placeholder_but_is_none_never_resolves(text: str, written: str, rest: str) -> None:
    (placeholder,) = parse_template(text).placeholders

    assert (placeholder.text, placeholder.path) == (written, None)
    assert render(text) == (rest, (written,))


@pytest.mark.parametrize(
    "path",
    [
        "item.no",
        "item.a.no",
        "item.list[2]",
        "item.list.q",
        "item.object[0]",
        "item.n.x",
        "item.none.x",
        "item.broken.symbols",
        "item.json.symbols[2]",
        "item.a[0]",
        "item.list[999999999]",
        "item['no']",
        "item.Customer  Question",
        "item.customer question",
        "item.Customer Question.x",
        "item.a or item.list[0]",
        "item.n - 1",
    ],
)
def test_paths_that_lead_nowhere_are_unresolved_and_leave_nothing(path: str) -> None:
    assert render(f"<{{{{ {path} }}}}>") == ("<>", (path,))


def test_names_with_spaces_are_told_apart_from_those_in_quotes() -> None:
    (placeholder,) = parse_template("""{{ item.a b.c["d e"]['f g'].h i }}""").placeholders

    assert placeholder.path == ("a b", "c", "d e", "f g", "h i")
    assert placeholder.spaced == ("a b", "h i")


def test_a_namespace_that_is_absent_resolves_nothing() -> None:
    assert render("{{ sample.output_text }}", with_sample=False) == ("", ("sample.output_text",))


def test_the_whole_item_is_a_placeholder() -> None:
    template = parse_template("{{ item }}")

    assert template.placeholders == (Placeholder("item", "item", ()),)
    assert template.render({"item": {"a": "é"}}).text == '{"a": "é"}'


def test_rendering_is_not_repeated_on_what_was_put_in() -> None:
    rendered = parse_template("{{ item.a }}").render({"item": {"a": "{{ item.b }}", "b": "no"}})

    assert rendered.text == "{{ item.b }}"


@pytest.mark.parametrize(
    "text",
    [
        "{{ item." * 20_000,
        "{{" * 50_000,
        "{{ item" + ".a" * 50_000,
        "{{ item" + "[0]" * 30_000 + " " * 30_000,
        "{{ item" + " " * 100_000,
        '{{ item["' + "\\" * 50_000,
        "{{ item['" + "\\" * 50_000,
        "{{ item." + "a " * 50_000,
        "{{ item.a" + " " * 100_000,
        "{{ item" + ".a b" * 50_000,
        "{{ item." + "a " * 50_000 + "}}",
        "{{ item[" + " " * 100_000,
    ],
)
def test_hostile_templates_are_parsed_in_linear_time(text: str) -> None:
    started = time.perf_counter()
    render(text)

    assert time.perf_counter() - started < 2
