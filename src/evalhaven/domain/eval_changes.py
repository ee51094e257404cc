"""What differs between an eval and the one that it follows, in words."""

from collections.abc import Iterator

from evalhaven.domain import jsontext
from evalhaven.domain.criteria import Criterion
from evalhaven.domain.evals import Eval
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.wording import counted, listed

_MOST_TOLD = 20
_SHOWN_CHARS = 60
_OF_ITSELF = ("id", "name")


def changes_between(earlier: Eval, later: Eval) -> list[str]:
    """Return what differs in the criteria and in the items, a clause each; none if both ask for the same."""
    told = [*_of_criteria(earlier, later), *_of_items(earlier, later)]
    if len(told) <= _MOST_TOLD:
        return told
    return [*told[:_MOST_TOLD], counted(len(told) - _MOST_TOLD, "more difference")]


def _of_criteria(earlier: Eval, later: Eval) -> Iterator[str]:
    before, after = _by_name(earlier), _by_name(later)
    gone = {name: each for name, each in before.items() if name not in after}
    for name, each in after.items():
        was = before.get(name)
        if was is None:
            old_name = next((old for old, one in gone.items() if _is_same(_essence(one), _essence(each))), None)
            if old_name is None:
                yield f"criterion {_quoted(name)} is new"
            else:
                del gone[old_name]
                yield f"criterion {_quoted(old_name)} is called {_quoted(name)} now"
        elif not _is_same(_essence(was), _essence(each)):
            yield f"criterion {_quoted(name)} differs in {_differing(_essence(was), _essence(each))}"
    for name in gone:
        yield f"criterion {_quoted(name)} is gone"


def _by_name(parent: Eval) -> dict[str, Criterion]:
    """Return the criteria by name; of several that share one, the second, third … count as others."""
    found: dict[str, Criterion] = {}
    for each in parent.testing_criteria:
        name, number = each.name, 1
        while name in found:
            number += 1
            name = f"{each.name} ({number})"
        found[name] = each
    return found


def _essence(criterion: Criterion) -> JsonObject:
    return {key: value for key, value in criterion.json.items() if key not in _OF_ITSELF}


def _differing(before: JsonObject, after: JsonObject) -> str:
    return listed([_cut(key) for key in {**before, **after} if not _is_same(_member(before, key), _member(after, key))])


def _member(document: JsonObject, key: str) -> JsonObject:
    """Return a member as an object of its own, in which an absent one differs from null."""
    return {key: document[key]} if key in document else {}


def _of_items(earlier: Eval, later: Eval) -> Iterator[str]:
    before, after = earlier.data_source_config.json, later.data_source_config.json
    if before.get("type") != after.get("type"):
        yield f"items come from {_cut(str(after.get('type')))} instead of {_cut(str(before.get('type')))}"
        return
    if not _is_same(before.get("metadata"), after.get("metadata")):
        yield "other logged calls are chosen"
    if _is_same(before.get("schema"), after.get("schema")):
        return
    told = list(_of_fields(_object(earlier.item_schema), _object(later.item_schema)))
    yield from told or ["the shape of items differs"]


def _of_fields(before: JsonObject, after: JsonObject) -> Iterator[str]:
    old, new = _object(before.get("properties")), _object(after.get("properties"))
    was_required, is_required = _names(before.get("required")), _names(after.get("required"))
    for name in new:
        if name not in old:
            yield f"items have a new field {_quoted(name)}"
        elif not _is_same(old[name], new[name]):
            yield f"field {_quoted(name)} of items is described differently"
        elif (name in was_required) != (name in is_required):
            yield f"field {_quoted(name)} of items is {'required now' if name in is_required else 'optional now'}"
    for name in old:
        if name not in new:
            yield f"field {_quoted(name)} of items is gone"


def _is_same(one: JsonValue, other: JsonValue) -> bool:
    # To Python 1 and true are equal.
    return jsontext.canonical_hash(one) == jsontext.canonical_hash(other)


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _names(value: JsonValue) -> set[str]:
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()


def _quoted(name: str) -> str:
    return repr(_cut(name))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
