"""What the plain pages show of a run."""

from evalhaven.api.pages.markup import escaped
from evalhaven.domain.runs import Run


def run_status(run: Run) -> str:
    """Return a run's status; a run with errors never looks like one without."""
    errored = run.tally.errored
    more = f' <span class="error">with {errored} errored</span>' if errored else ""
    return f"{escaped(run.status)}{more}"
