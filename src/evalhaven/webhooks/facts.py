"""What there is to say of the run whose end is told."""

from dataclasses import dataclass

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.evals import Eval
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.stats.rates import Rate, rate_of_repeated_counts
from evalhaven.storage.evals import get_eval
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_by_id


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run and its eval, as they are when the end of the run is told."""

    run: Run
    parent: Eval

    @property
    def rate(self) -> Rate:
        """Return the pass rate of the items that have a result."""
        tally = self.run.tally
        return rate_of_repeated_counts(tally.passed, tally.passed + tally.failed, self.run.samples_of_item)


async def find_facts(tx: ReadTransaction, scope: ProjectScope, run_id: str) -> RunFacts | None:
    """Return what there is to say of a run; None if it is deleted."""
    try:
        run = await get_run_by_id(tx, scope, run_id)
        return RunFacts(run, await get_eval(tx, scope, run.eval_id))
    except NotFoundError:
        return None
