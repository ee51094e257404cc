"""Every difference between two OpenAPI documents, operation by operation and field by field."""

from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from tests.docs.shapes import ANY_TAG, Json, ObjectShape, Schemas, Shape, united

METHODS = ("get", "post", "delete", "put", "patch")
ANY = ANY_TAG


@dataclass
class Comparison:
    """What a comparison found.

    Args:
        differences: `place: what`, in the order in which they were found.
        objects: The fields of each object that both documents describe, by the object's published name.
        own_names: The name that our document has for such an object.
        operations: For each published operation, `METHOD /path` and the operation's id; whether we serve it.
    """

    differences: dict[str, None] = field(default_factory=dict[str, None])
    objects: dict[str, dict[str, None]] = field(default_factory=dict[str, dict[str, None]])
    own_names: dict[str, str] = field(default_factory=dict[str, str])
    operations: dict[str, tuple[str, bool]] = field(default_factory=dict[str, tuple[str, bool]])

    def add(self, place: str, what: str) -> None:
        """Note a difference."""
        self.differences[f"{place}: {what}"] = None


def compare(published: list[Json], ours: Json, prefix: str = "/v1") -> Comparison:
    """Compare documents of the contract with ours.

    Args:
        published: The documents of the contract; their paths begin where `prefix` ends.
        ours: Our own document.
        prefix: What our paths of the contract begin with.
    """
    found = Comparison()
    served: set[tuple[str, str]] = set()
    for document in published:
        for path, item in document["paths"].items():
            for method in [each for each in METHODS if each in item]:
                own = ours["paths"].get(prefix + path, {}).get(method)
                name = item[method]["operationId"]
                found.operations[f"{method.upper()} {prefix}{path}"] = (name, own is not None)
                if own is None:
                    found.add(name, "not served")
                    continue
                served.add((prefix + path, method))
                _Walk(Schemas(document), Schemas(ours), found).compare_operation(name, item[method], own)
    for path, item in ours["paths"].items():
        for method in [each for each in METHODS if each in item and (path, each) not in served]:
            found.add(item[method]["operationId"], "operation added")
    return found


class _Walk:
    def __init__(self, published: Schemas, ours: Schemas, found: Comparison) -> None:
        self._published = published
        self._ours = ours
        self._found = found
        self._under_way: set[str] = set()

    def compare_operation(self, name: str, published: Json, ours: Json) -> None:
        theirs, own = _parameters(published), _parameters(ours)
        for place in theirs | own:
            if place not in own or place not in theirs:
                self._found.add(f"{name} {place}", "added" if place in own else "not described")
                continue
            self._compare_required(
                f"{name} {place}", is_published=theirs[place].get("required", False), is_ours=own[place]["required"]
            )
            self._compare([theirs[place]["schema"]], [own[place]["schema"]], f"{name} {place}", optional=True)
        if ("requestBody" in published) != ("requestBody" in ours):
            self._found.add(f"{name} body", "added" if "requestBody" in ours else "not described")
        elif "requestBody" in published:
            self._compare_contents(f"{name} body", published["requestBody"], ours["requestBody"])
        self._compare_answers(name, published["responses"], ours["responses"])

    def _compare_answers(self, name: str, published: Json, ours: Json) -> None:
        for status in published | ours:
            place = f"{name} {status}"
            if status not in ours or status not in published:
                self._found.add(place, "added" if status in ours else "not described")
                continue
            theirs, own = (
                self._published.resolve(published[status]),
                self._ours.resolve(ours[status]),
            )
            for header in theirs.get("headers", {}) | own.get("headers", {}):
                if (header in own.get("headers", {})) != (header in theirs.get("headers", {})):
                    what = "added" if header in own.get("headers", {}) else "not described"
                    self._found.add(f"{place} header {header}", what)
            self._compare_contents(place, theirs, own)

    def _compare_contents(self, place: str, published: Json, ours: Json) -> None:
        theirs, own = published.get("content", {}), ours.get("content", {})
        if theirs.keys() != own.keys():
            self._found.add(place, f"{', '.join(own)} instead of {', '.join(theirs)}")
        for one, other in zip(theirs.values(), own.values(), strict=False):  # an answer may have no content
            self._compare([one["schema"]], [other["schema"]], place)

    def _compare(self, published: list[Json], ours: list[Json], place: str, *, optional: bool = False) -> None:
        theirs, own = self._published.shape(published), self._ours.shape(ours)
        if theirs.is_anything != own.is_anything:
            self._found.add(place, "anything" if own.is_anything else "not anything")
            return
        self._compare_kinds(theirs, own, place, optional=optional)
        if theirs.items and own.items:
            self._compare(theirs.items, own.items, f"{place}[]")
        for tag, shapes in theirs.objects.items():
            here = f"{place}<{tag}>" if tag else place
            if tag in own.objects:
                self._compare_objects(shapes, own.objects[tag], here)
            else:
                self._found.add(here, "passed on, not described" if ANY in own.objects else "not taken")
        for tag in [each for each in own.objects if each not in theirs.objects]:
            self._found.add(f"{place}<{tag}>" if tag else place, "any other type" if tag == ANY else "object added")

    def _compare_kinds(self, theirs: Shape, own: Shape, place: str, *, optional: bool) -> None:
        for kind in sorted(theirs.kinds.keys() - own.kinds.keys()):
            self._found.add(place, f"{kind} not taken")
        for kind in sorted(own.kinds.keys() - theirs.kinds.keys()):
            # In a query or a form nothing can be null; the tools that write our document say it nevertheless.
            if not (kind == "null" and optional):
                self._found.add(place, f"{kind} added")
        for kind in sorted(theirs.kinds.keys() & own.kinds.keys()):
            self._compare_limits(theirs.kinds[kind], own.kinds[kind], place)
        if "string" in theirs.kinds and "string" in own.kinds:
            self._compare_enums(theirs.enums, own.enums, place)
        is_constant = theirs.enums is not None and len(theirs.enums) == 1
        if theirs.default != own.default and not is_constant:
            self._found.add(place, f"default {own.default!r} instead of {theirs.default!r}")

    def _compare_limits(self, theirs: Json, own: Json, place: str) -> None:
        for limit in theirs | own:
            if theirs.get(limit) != own.get(limit):
                self._found.add(place, f"{limit} {own.get(limit)!r} instead of {theirs.get(limit)!r}")

    def _compare_enums(self, theirs: set[str] | None, own: set[str] | None, place: str) -> None:
        if theirs is None or own is None:
            if theirs is not own:
                self._found.add(place, "any string" if own is None else f"only {', '.join(sorted(own or []))}")
            return
        for value in sorted(own - theirs):
            self._found.add(place, f"value {value} added")
        for value in sorted(theirs - own):
            self._found.add(place, f"value {value} not taken")

    def _compare_objects(self, theirs: list[ObjectShape], own: list[ObjectShape], place: str) -> None:
        """Compare what one `type` may be; of several on our side, the one with the published name counts."""
        published = reduce(united, theirs)
        named = [each for each in own if each.name == published.name]
        if len(own) > 1 and named:
            self._found.add(place, f"also {', '.join(each.name for each in own if each not in named)}")
        self._compare_object(published, reduce(united, named or own), place)

    def _compare_object(self, theirs: ObjectShape, own: ObjectShape, place: str) -> None:
        root = theirs.name or place
        if theirs.fields and not theirs.fields.keys() & own.fields.keys():
            self._found.add(place, f"{own.name} instead of {theirs.name}")
            return
        if root in self._under_way:
            return
        self._under_way.add(root)
        self._compare_limits(theirs.limits, own.limits, root)
        if theirs.others and own.others:
            self._compare(theirs.others, own.others, f"{root}.*")
        elif bool(theirs.others) != bool(own.others):
            self._found.add(root, "other fields are restricted" if own.others else "other fields are not described")
        self._note_fields(theirs, own, root)
        for key in theirs.fields | own.fields:
            here = f"{root}.{key}"
            if key not in own.fields or key not in theirs.fields:
                self._found.add(here, "added" if key in own.fields else "not described")
                continue
            self._compare_required(here, is_published=key in theirs.required, is_ours=key in own.required)
            self._compare(theirs.fields[key], own.fields[key], here)
        self._under_way.discard(root)

    def _note_fields(self, theirs: ObjectShape, own: ObjectShape, root: str) -> None:
        name, _, inside = _split(root)
        fields = self._found.objects.setdefault(name, {})
        if own.name and not inside:
            self._found.own_names.setdefault(name, own.name)
        for key in theirs.fields | own.fields:
            fields[f"{inside}.{key}".removeprefix(".")] = None

    def _compare_required(self, place: str, *, is_published: bool, is_ours: bool) -> None:
        if is_published != is_ours:
            self._found.add(place, "required" if is_ours else "optional")


def _split(root: str) -> tuple[str, str, str]:
    """Split `Eval.a.b` and `createEval body.a` into the object and what is inside it."""
    return root.partition(".")


def _parameters(operation: Json) -> dict[str, Any]:
    return {f"{each['in']} {each['name']}": {"required": False, **each} for each in operation.get("parameters", [])}
