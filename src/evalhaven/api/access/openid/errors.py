"""Why a login with OpenID Connect came to nothing, as the login page says it."""

from enum import StrEnum


class Problem(StrEnum):
    """What went wrong; the page has a sentence and a next step for each (`web/src/pages/login/problems.ts`)."""

    UNREACHABLE = "unreachable"
    MISCONFIGURED = "misconfigured"
    DENIED = "denied"
    STALE = "stale"
    REFUSED = "refused"
    CLOCK = "clock"
    UNTRUSTED = "untrusted"
    NO_ROLE = "no_role"


class LoginError(Exception):
    """A login came to nothing.

    Attributes:
        problem: Why, for whoever wanted to log in.
    """

    def __init__(self, problem: Problem, reason: str) -> None:
        """Say why.

        Args:
            problem: For whoever wanted to log in.
            reason: For the log: more of it, without a secret.
        """
        super().__init__(reason)
        self.problem = problem
