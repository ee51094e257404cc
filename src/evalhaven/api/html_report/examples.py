"""Items as examples: what was asked, what was answered, and what the criteria found."""

from collections.abc import Sequence

from evalhaven.api.exports.columns import ExportedItem
from evalhaven.api.html_report.elements import Content, Markup, element, together
from evalhaven.api.html_report.tables import facts
from evalhaven.api.html_report.texts import number, outcome, shortened
from evalhaven.domain.criteria import Criteria
from evalhaven.domain.output_items import Grade, OutputItem

LONGEST_TEXT = 2_000


def example(item: OutputItem, criteria: Criteria) -> Markup:
    """Return one output item, its long texts shortened."""
    exported = ExportedItem(item)
    told: dict[str, Content] = {"item": shortened(item.item_text, LONGEST_TEXT)}
    answer = exported.output_text
    if answer:
        told["answer"] = shortened(answer, LONGEST_TEXT)
    if exported.error is not None:
        told["error"] = together(
            element("code", {}, exported.error.code), ": ", shortened(exported.error.message, LONGEST_TEXT)
        )
    pairs = zip(item.grades, criteria, strict=False)
    grades = [_grade(grade, criterion.name) for grade, criterion in pairs if not grade.is_absent]
    if grades:
        told["criteria"] = together(*(element("div", {}, grade) for grade in grades))
    repeat = f", sample {item.repeat + 1}" if item.repeat else ""
    head = element("h3", {}, outcome(item.status.wire, f"Item {item.position}{repeat}"))
    return element("div", {"class": "item"}, head, facts(told, None))


def _grade(grade: Grade, name: str) -> Markup:
    if grade.error is not None:
        return outcome("error", f"{name}: ", shortened(grade.error.message, LONGEST_TEXT))
    label = (grade.judge or {}).get("result")
    shown = f", {label}" if isinstance(label, str) else ""
    return outcome("pass" if grade.passed else "fail", f"{name}: {number(grade.score)}", shown)


def examples(items: Sequence[OutputItem], criteria: Criteria) -> Markup:
    """Return some output items."""
    return together(*(example(item, criteria) for item in items))
