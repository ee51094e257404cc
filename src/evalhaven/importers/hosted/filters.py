"""Which evals and runs of an account are wanted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec

from evalhaven.importers.pages import Head


class InvalidFilterError(ValueError):
    """A filter cannot be parsed; the message says how to write it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The conditions on wanted evals and runs; without any, everything is wanted.

    Attributes:
        eval_ids: Only these evals, with their runs.
        since: Created at this Unix second or later.
        until: Created before this Unix second.
        metadata: Pairs that the eval or the run has, all of them.
    """

    eval_ids: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether everything is wanted."""
        return self == Filters()

    def sorted(self) -> "Filters":
        """Return equal filters in a canonical order."""
        eval_ids, metadata = sorted({*self.eval_ids}), sorted({*self.metadata})
        return replace(self, eval_ids=tuple(eval_ids), metadata=tuple(metadata))

    def wants_eval(self, found: Head) -> bool:
        """Tell whether an eval is wanted for itself; it is also exported if one of its runs is wanted."""
        return self._wants_time(found) and all(found.metadata.get(key) == value for key, value in self.metadata)

    def wants_run(self, parent: Head, run: Head) -> bool:
        """Tell whether a run is wanted."""
        return self._wants_time(run) and all(
            value in (parent.metadata.get(key), run.metadata.get(key)) for key, value in self.metadata
        )

    def describe(self) -> dict[str, object]:
        """Return the filters that are set, for the manifest."""
        named = {
            "eval": list(self.eval_ids),
            "since": self.since,
            "until": self.until,
            "metadata": [f"{key}={value}" for key, value in self.metadata],
        }
        return {name: value for name, value in named.items() if value not in (None, [])}

    def options(self) -> list[str]:
        """Return the filters as words of a command line."""
        words = [word for eval_id in self.eval_ids for word in ("--eval", eval_id)]
        words += [] if self.since is None else ["--since", _moment_text(self.since)]
        words += [] if self.until is None else ["--until", _moment_text(self.until)]
        return words + [word for key, value in self.metadata for word in ("--metadata", f"{key}={value}")]

    def _wants_time(self, found: Head) -> bool:
        since_holds = self.since is None or found.created_at >= self.since
        return since_holds and (self.until is None or found.created_at < self.until)


def read_filters(described: Mapping[str, object]) -> Filters:
    """Return the filters that a manifest describes.

    Raises:
        InvalidFilterError: The manifest does not describe filters; it was altered by hand.
    """
    eval_ids, since, until = (described.get(name) for name in ("eval", "since", "until"))
    try:
        # Archives of earlier releases have an object here.
        kept = described.get("metadata", [])
        pairs: dict[str, str] | list[str] = msgspec.convert(kept, dict[str, str] | list[str])
        if isinstance(pairs, dict):
            pairs = [f"{key}={value}" for key, value in pairs.items()]
        metadata = list(map(parse_pair, pairs))
        found = {"eval_ids": eval_ids or [], "since": since, "until": until, "metadata": metadata}
        return msgspec.convert(found, Filters)
    except msgspec.ValidationError as error:
        raise InvalidFilterError(f"The filters of the manifest cannot be read: {error}.") from error


def parse_moment(text: str) -> float:
    """Return the Unix second of a number, a date or a date and time (ISO 8601; UTC where it names no zone).

    Raises:
        InvalidFilterError: The text is none of these.
    """
    if text.isdecimal():
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidFilterError(
            f"{text!r} is not a time: write 2026-10-31, 2026-10-31T12:00:00+02:00 or Unix seconds."
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _moment_text(moment: float) -> str:
    """Return a text that `parse_moment` reads as exactly this moment."""
    is_whole = moment >= 0 and moment == int(moment)
    return str(int(moment)) if is_whole else datetime.fromtimestamp(moment, UTC).isoformat()


def parse_pair(text: str) -> tuple[str, str]:
    """Return the key and the value of `key=value`.

    Raises:
        InvalidFilterError: The text has no `=`.
    """
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise InvalidFilterError(f"{text!r} is not a metadata filter: write key=value.")
    return key, value
