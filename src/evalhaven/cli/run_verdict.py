"""The exit status of `evalhaven watch`: how the run ended, and whether it met what the command line demands."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from evalhaven.cli.figure_texts import format_share
from evalhaven.cli.run_document import RunDocument
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.wording import counted

EXIT_COMPLETED = 0
EXIT_FAILED = 1
EXIT_CANCELED = 3
EXIT_LOST = 4


@dataclass(frozen=True, slots=True)
class Demands:
    """What a completed run must have achieved.

    Attributes:
        pass_rate: Least share of the graded items that must pass, from 0 to 1; None if any will do.
        is_without_errors: Whether no item may be errored.
    """

    pass_rate: float | None = None
    is_without_errors: bool = False

    def complaints(self, run: RunDocument) -> Iterator[str]:
        """Yield which demands a run does not meet; they apply only to a run that completed."""
        if run.status is not RunStatus.COMPLETED:
            return
        counts = run.result_counts
        graded = counts.passed + counts.failed
        if self.pass_rate is not None and not graded:
            yield "No item was graded, so there is no pass rate (--fail-under)."
        # By the digits as the user wrote them: 0.07 as a float is more than 7 of 100.
        elif self.pass_rate is not None and counts.passed < Fraction(repr(self.pass_rate)) * graded:
            wanted = f"{self.pass_rate * 100:.12g} %"
            share = (
                f"{counts.passed:,} of {counted(graded, 'graded item')} passed, {format_share(counts.passed, graded)}"
            )
            yield f"{share}: less than {wanted} (--fail-under)."
        if self.is_without_errors and counts.errored:
            yield f"{counted(counts.errored, 'item is', 'items are')} errored (--fail-on-error)."


def exit_status(run: RunDocument, complaints: list[str]) -> int:
    """Return the exit status for a run as it was last seen."""
    if run.status is RunStatus.FAILED or complaints:
        return EXIT_FAILED
    return EXIT_CANCELED if run.status is RunStatus.CANCELED else EXIT_COMPLETED
