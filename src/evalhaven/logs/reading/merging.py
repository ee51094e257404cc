"""Parts of a message that arrive one after the other."""

from evalhaven.domain.jsontext import JsonObject, JsonValue

# Given whole, as many times as a server likes; any other text is a piece that continues the text before it.
_WHOLE = frozenset({"role", "id", "type", "status", "format"})


def merge(into: JsonObject, delta: JsonObject) -> None:
    """Add a delta to what the deltas before it made."""
    for key, value in delta.items():
        known = into.get(key)
        if value is None or (key in _WHOLE and not value):
            into.setdefault(key, value)
        elif isinstance(known, str) and isinstance(value, str):
            is_repeated = key in _WHOLE or (key == "name" and known == value)
            into[key] = value if is_repeated else known + value
        elif isinstance(value, dict):
            merged = into[key] = known if isinstance(known, dict) else {}
            merge(merged, value)
        elif isinstance(value, list):
            merged_list = into[key] = known if isinstance(known, list) else []
            for element in value:
                _merge_element(merged_list, element)
        else:
            into[key] = value


def _merge_element(known: list[JsonValue], element: JsonValue) -> None:
    """Add an element of a list: one with the index of an earlier one, as tool calls have, continues it."""
    if isinstance(element, dict) and isinstance(element.get("index"), int):
        same = [each for each in known if isinstance(each, dict) and each.get("index") == element["index"]]
        # Some servers number all calls 0; those that have names of their own are not one call.
        if same and (not element.get("id") or same[-1].get("id") in (None, "", element["id"])):
            merge(same[-1], element)
            return
    if isinstance(element, dict):
        fresh: JsonObject = {}
        merge(fresh, element)
        known.append(fresh)
    else:
        known.append(element)
