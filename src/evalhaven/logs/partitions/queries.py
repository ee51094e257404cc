"""The keys of calls that are wanted, in one day of PostgreSQL.

PostgreSQL would look for the newest calls with a rare word by walking through all calls, newest first. So the way is
chosen here: what the index of terms finds is sorted if it is little; if it is much, calls with it are met soon on such
a walk.
"""

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, text

from evalhaven.domain.logged_calls import CallKind
from evalhaven.domain.paging import Order
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.facts import CallFacts, Tag, Wanted, tags_of_kinds
from evalhaven.storage.reading import ReadTransaction

KINDS = (CallKind.CHAT, CallKind.RESPONSE)
_FEW_OF = 200
_TAG_BYTES = 12
_OF_PROJECT = "project_id = :project_id AND kind = ANY(:kinds) AND data IS NOT NULL AND key BETWEEN :first AND :last"


def terms_of(facts: CallFacts) -> list[str]:
    """Return what the index of terms holds of a call."""
    instructions = list(dict.fromkeys(facts.instructions.split()))
    words = dict.fromkeys((*instructions, *facts.words.split()))
    return [*map(_tag_term, facts.tags), *(f"!{word}" for word in instructions), *words]


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """Finds the keys of calls.

    Attributes:
        scope: The project.
        kinds: Numbers of the kinds.
        terms: What `terms` must match, as a tsquery; empty if everything is wanted.
        few: How many calls are found and then put in order; of a large day some more.
    """

    scope: ProjectScope
    kinds: list[int]
    terms: str
    few: int

    async def keys(
        self, tx: ReadTransaction, between: tuple[int, int], order: Order, limit: int, *, calls_of_day: int
    ) -> list[int]:
        """Return the keys of one day in order.

        Args:
            tx: Open transaction.
            between: The smallest and the largest key, of one day.
            order: `desc` has the largest key first.
            limit: The most keys to return.
            calls_of_day: About how many calls the day has.
        """
        values: dict[str, Any] = {
            "project_id": self.scope.project_id,
            "kinds": self.kinds,
            "first": between[0],
            "last": between[1],
            "rows": limit,
        }
        if not self.terms:
            return list((await tx.execute(_PLAIN[order], values)).scalars())
        values["terms"] = self.terms
        few = self.few + calls_of_day // _FEW_OF
        if limit > few:
            return list((await tx.execute(_INDEXED[order], values)).scalars())
        found: list[int] = list((await tx.execute(_SOME, {**values, "rows": few})).scalars())
        if len(found) < few:
            return sorted(found, reverse=order == "desc")[:limit]
        return list((await tx.execute(_WALKED[order], values)).scalars())


def key_query(scope: ProjectScope, kind: CallKind | None, wanted: Wanted, few: int) -> KeyQuery:
    """Return the query for what a filter wants."""
    kinds = [KINDS.index(each) for each in (KINDS if kind is None else (kind,))]
    # The first group names the kind, which has a column here.
    terms = [_any_of(map(_tag_term, group)) for group in wanted.groups[1:]]
    terms += [_quoted(f"!{word}") for word in wanted.instructions]
    terms += [_quoted(word) for word in wanted.words]
    return KeyQuery(scope, kinds, " & ".join(terms), few)


def terms_of_project(scope: ProjectScope) -> str:
    """Return what each call of a project matches, and no other, as a tsquery."""
    return _any_of(map(_tag_term, tags_of_kinds(scope)))


def _tag_term(tag: Tag) -> str:
    return "#" + urlsafe_b64encode(tag[:_TAG_BYTES]).decode()


def _any_of(terms: Iterable[str]) -> str:
    return f"({' | '.join(map(_quoted, terms))})"


def _quoted(term: str) -> str:
    return f"'{term}'"  # terms have letters, digits and the signs above: nothing to be escaped


def _in_both_orders(statement: str) -> dict[Order, TextClause]:
    whole = statement.replace("[all]", _OF_PROJECT)
    return {"desc": text(whole.replace("[order]", "DESC")), "asc": text(whole.replace("[order]", "ASC"))}


_PLAIN = _in_both_orders("SELECT key FROM logged_calls WHERE [all] ORDER BY key [order] LIMIT :rows")
_MATCHING = "SELECT key FROM logged_calls WHERE [all] AND terms @@ CAST(:terms AS tsquery)"
_SOME = text(f"{_MATCHING.replace('[all]', _OF_PROJECT)} LIMIT :rows")
_WALKED = _in_both_orders(f"{_MATCHING} ORDER BY key [order] LIMIT :rows")
_INDEXED = _in_both_orders(
    "WITH found AS MATERIALIZED ([matching]) SELECT key FROM found ORDER BY key [order] LIMIT :rows".replace(
        "[matching]", _MATCHING
    )
)
