"""Facts about boards: what processes count comes together, and only grows."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from evalhaven.meters.board import Board
from evalhaven.meters.declared import CALL_SECONDS, ITEMS, LIMITER_IN_FLIGHT, METERS, Meter
from evalhaven.meters.exposition import expose


def shown(board: Board) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return the samples of a board, by name and the values of the labels in the order of their names."""
    text, _ = expose(board, "")
    return {
        (sample.name, tuple(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in parse_text(text.decode())
        for sample in family.samples
    }


def tell(child: Board, parent: Board) -> None:
    """Have a child's board report to its parent's, as over a socket."""
    if changes := child.changes():
        parent.learn(child, changes)


def test_what_children_count_is_added_to_what_the_parent_counts() -> None:
    server, executor, sampler = Board(), Board("executor"), Board("sampler")
    for board in (server, executor, sampler):
        board.add(ITEMS, "passed", by=2)
        board.observe(CALL_SECONDS, 0.3, "run", "e", "m")
    tell(sampler, executor)
    tell(executor, server)

    samples = shown(server)
    assert samples["evalhaven_items_total", ("passed",)] == 6
    assert samples["evalhaven_call_seconds_count", ("e", "m", "run")] == 3
    assert samples["evalhaven_call_seconds_bucket", ("e", "0.25", "m", "run")] == 0
    assert samples["evalhaven_call_seconds_bucket", ("e", "0.5", "m", "run")] == 3
    assert samples["evalhaven_call_seconds_bucket", ("e", "+Inf", "m", "run")] == 3


def test_a_dead_child_leaves_its_counts_and_takes_its_gauges() -> None:
    server, first, second = Board(), Board("executor"), Board("executor")
    first.read_from(lambda: [(LIMITER_IN_FLIGHT, ("e", "m"), 3.0)])
    first.add(ITEMS, "passed", by=5)
    tell(first, server)
    assert shown(server)["evalhaven_limiter_in_flight", ("e", "m")] == 3
    server.forget(first)
    second.add(ITEMS, "passed")
    tell(second, server)

    samples = shown(server)
    assert samples["evalhaven_items_total", ("passed",)] == 6
    assert ("evalhaven_limiter_in_flight", ("e", "m")) not in samples


def test_a_report_has_what_has_changed_and_what_is_gone() -> None:
    parent, child = Board(), Board("executor")
    under_way = [(LIMITER_IN_FLIGHT, ("e", "m"), 3.0)]
    child.read_from(lambda: under_way)
    child.add(ITEMS, "passed")
    tell(child, parent)
    assert child.changes() == b""
    under_way.clear()
    child.add(ITEMS, "failed")
    changes = child.changes()
    assert b"passed" not in changes
    parent.learn(child, changes)

    samples = shown(parent)
    assert samples["evalhaven_items_total", ("failed",)] == samples["evalhaven_items_total", ("passed",)] == 1
    assert ("evalhaven_limiter_in_flight", ("e", "m")) not in samples


def test_only_so_many_models_are_told_apart() -> None:
    board = Board()
    labels = {board.model_label(f"model-{number}") for number in range(1000)}

    assert len(labels) == 101
    assert Board().model_label("m" * 201) == "other", "a label may not be as long as a body"
    assert board.model_label("model-0") == "model-0"
    assert board.model_label("model-999") == "other"


def test_both_forms_of_prometheus_are_spoken() -> None:
    board = Board()
    board.add(ITEMS, 'odd "label"\n')
    board.observe(CALL_SECONDS, 1000.0, "run", "e", "m")
    text, text_type = expose(board, "*/*")
    openmetrics, openmetrics_type = expose(board, "application/openmetrics-text;version=1.0.0")

    assert text_type.startswith("text/plain")
    assert openmetrics_type.startswith("application/openmetrics-text")
    for families in (list(parse_text(text.decode())), list(parse_openmetrics(openmetrics.decode()))):
        # The parser of the text tells counters by their suffix.
        assert {family.name for family in families} == {meter.name for meter in METERS}
        (items,) = (family for family in families if family.name == "evalhaven_items")
        assert items.samples[0].labels == {"outcome": 'odd "label"\n'}


def test_meters_have_names_that_prometheus_expects_and_say_what_they_are() -> None:
    assert [meter.name for meter in METERS if not meter.name.startswith("evalhaven_")] == []
    assert [meter.name for meter in METERS if meter.name.endswith("_total") or not meter.says.endswith(".")] == []
    assert [meter.name for meter in METERS if (meter.kind == "histogram") != bool(meter.bounds)] == []
    assert [meter.name for meter in METERS if list(meter.bounds) != sorted(meter.bounds)] == []


def test_a_meter_that_a_parent_of_another_release_does_not_know_is_left_out() -> None:
    board, child = Board(), Board("executor")
    child.add(Meter("evalhaven_news", "counter", "New."))
    child.add(ITEMS, "passed")
    tell(child, board)

    assert shown(board)["evalhaven_items_total", ("passed",)] == 1
