"""How the faulty upstream behaves, and what chance does to a request."""

import random
from dataclasses import dataclass, fields
from urllib.parse import parse_qsl


@dataclass
class Behaviour:
    """How the upstream behaves; rates are shares of all requests.

    Attributes:
        latency_ms: How long each answer takes, that of an error too.
        p429: Answers 429 with Retry-After.
        p500: Answers 500.
        p_reset: Connections that are reset in the place of an answer.
        p_cut: Answers that end in the middle of the body.
        p_invalid: Answers 200 whose body is half a JSON document.
        p_stall: Answers that take `stall_s` longer.
        retry_after_s: What Retry-After says; 0 leaves it out.
        stall_s: How long a stall is.
        gone_s: From the moment it is set, the port refuses connections for so long; open ones are reset.
        gone_after: Requests after which the port is gone for `gone_s`; 0 is at once.
        capacity: Most requests at once; those above get a 429. 0 is without limit.
        refuse: A status such as 401 that every request gets; 0 for none.
        refuse_after: Requests after which `refuse` holds.
        hold_after: Different prompts answered after which new ones wait, until this is changed; 0 for never.
        keep_calls: 1 to remember when each request came, and with which key: `/stats/calls`.
        seed: Of all chance.
    """

    latency_ms: float = 0.0
    p429: float = 0.0
    p500: float = 0.0
    p_reset: float = 0.0
    p_cut: float = 0.0
    p_invalid: float = 0.0
    p_stall: float = 0.0
    retry_after_s: float = 1.0
    stall_s: float = 30.0
    gone_s: float = 0.0
    gone_after: int = 0
    capacity: int = 0
    refuse: int = 0
    refuse_after: int = 0
    hold_after: int = 0
    keep_calls: int = 0
    seed: int = 1

    def change(self, query: str) -> None:
        """Take over values from a query string.

        Raises:
            ValueError: It names something unknown, or no number.
        """
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        for name, value in parse_qsl(query, strict_parsing=bool(query)):
            if name not in kinds:
                raise ValueError(f"unknown: {name}")
            setattr(self, name, kinds[name](value))

    def draw_fault(self, chance: random.Random, requests: int, in_flight: int) -> str:
        """Return what shall happen to a request; "" for an answer.

        Args:
            chance: Of the upstream.
            requests: That arrived, with this one.
            in_flight: That are under way, with this one.
        """
        if self.refuse and requests > self.refuse_after:
            return str(self.refuse)
        if self.capacity and in_flight > self.capacity:
            return "429"
        drawn = chance.random()
        for rate, fault in (
            (self.p429, "429"),
            (self.p500, "500"),
            (self.p_reset, "reset"),
            (self.p_cut, "cut"),
            (self.p_invalid, "invalid"),
            (self.p_stall, "stall"),
        ):
            drawn -= rate
            if drawn < 0:
                return fault
        return ""
