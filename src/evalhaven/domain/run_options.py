"""What a request asks of Evalhaven for one run, beyond the published contract."""

from dataclasses import dataclass

from evalhaven.domain.jsontext import JsonObject


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend before it is stopped.

    Attributes:
        cost: US dollars by the price table; None means no limit.
        tokens: Tokens of all calls; None means no limit.
    """

    cost: float | None = None
    tokens: int | None = None

    def is_exceeded(self, cost: float, tokens: int) -> bool:
        """Tell whether this much reaches or exceeds one of the limits."""
        return (self.cost is not None and cost >= self.cost) or (self.tokens is not None and tokens >= self.tokens)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The `evalhaven` object of a create-run request, and how strictly the request is to be read.

    Attributes:
        repeats: Samples of each item, 1 to 1000.
        cache: Whether an earlier answer to the same request is used again, and new answers are kept.
        max_concurrency: The most calls of this run under way at once; None leaves it to the endpoint.
        extra_body: Further keys of each request's body, such as `top_k`.
        budget: What the run may spend; None means no limit.
        labels: Short texts by which the run can be found.
        strict: Whether rows with a scalar where the schema declares a string are refused.
    """

    repeats: int = 1
    cache: bool = False
    max_concurrency: int | None = None
    extra_body: JsonObject | None = None
    budget: Budget | None = None
    labels: tuple[str, ...] = ()
    strict: bool = False


DEFAULT_OPTIONS = RunOptions()
