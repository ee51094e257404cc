"""examples/watching: its queries ask for metrics and labels that exist, and so does the page about them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from evalhaven.meters.declared import METERS, Meter

_NAME = re.compile(r"evalhaven_\w+")
_SELECTED = re.compile(r"(evalhaven_\w+)\{([^}]*)\}")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
_GROUPED = re.compile(r"by \(([^)]*)\)")
_OF_PROMETHEUS = {"instance", "job", "le"}


def exported() -> Mapping[str, Meter]:
    """Return the meters by the names of their series."""
    return {
        name: meter
        for meter in METERS
        for name in (
            [f"{meter.name}{suffix}" for suffix in ("_bucket", "_sum", "_count")]
            if meter.kind == "histogram"
            else [meter.shown_name]
        )
    }


def queries(directory: Path) -> Iterator[str]:
    """Yield every query of the dashboard and of the rules."""
    dashboard: dict[str, Any] = json.loads((directory / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    rules: dict[str, Any] = yaml.safe_load((directory / "rules.yml").read_text())
    for group in rules["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


@pytest.fixture(scope="module")
def directory(repository: Path) -> Path:
    return repository / "examples" / "watching"


def test_every_query_asks_for_metrics_that_are_exported_by_labels_that_they_have(directory: Path) -> None:
    known, asked = exported(), set[str]()
    for query in queries(directory):
        names = set(_NAME.findall(query))
        assert names <= known.keys(), query
        labels = _OF_PROMETHEUS.union(*(known[name].labels for name in names))
        for name, matchers in _SELECTED.findall(query):
            assert set(_MATCHER.findall(matchers)) <= {*known[name].labels, *_OF_PROMETHEUS}, query
        assert {each.strip() for group in _GROUPED.findall(query) for each in group.split(",")} <= labels, query
        asked |= names

    # Nothing that is worth measuring is missing.
    assert {known[name].name for name in asked} == {meter.name for meter in METERS}


def test_the_dashboard_has_what_grafana_needs_to_import_it(directory: Path) -> None:
    dashboard: dict[str, Any] = json.loads((directory / "dashboard.json").read_text())
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]

    assert (dashboard["uid"], len(set(ids))) == ("evalhaven", len(ids))
    places = [panel["gridPos"] for panel in panels]
    assert [each for each in places if each["x"] + each["w"] > 24] == []
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells))
    assert all(panel["targets"] for panel in panels if panel["type"] != "row")


def test_the_files_fit_each_other(directory: Path) -> None:
    configuration: dict[str, Any] = yaml.safe_load((directory / "prometheus.yml").read_text())
    (scraped,) = configuration["scrape_configs"]
    rules: dict[str, Any] = yaml.safe_load((directory / "rules.yml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]

    assert configuration["rule_files"] == ["rules.yml"]
    assert all(f'job="{scraped["job_name"]}"' in rule["expr"] for rule in alerts if "up{" in rule["expr"])
    assert {rule["labels"]["severity"] for rule in alerts} == {"critical", "warning"}
    assert all({"summary", "description"} == rule["annotations"].keys() for rule in alerts)


def test_the_page_names_metrics_that_exist(repository: Path) -> None:
    page = (repository / "docs" / "how-to" / "watch-a-server.md").read_text()
    names = {meter.shown_name for meter in METERS}

    assert set(_NAME.findall(page)) <= names
