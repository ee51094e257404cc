"""docs/reference/configuration.md, from the tables of `evalhaven.toml` and the settings."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from evalhaven.app.shown_settings import OTHER_VARIABLES
from evalhaven.sampling.configuration.tables import (
    ApplicationTable,
    CommandTable,
    EndpointTable,
    HttpTable,
    PriceTable,
    ReachedTable,
    RuleTable,
    ScriptedTable,
    Table,
    Text,
    UsageTable,
)
from evalhaven.settings import PREFIX, Settings
from tests.docs.reference.markdown import choices, code, page, table

_SETTINGS = (
    "Every setting is an environment variable. Options of commands win over it: [cli.md](cli.md). A variable that "
    f"begins with `{PREFIX}` and is no setting causes a warning at the start. `evalhaven doctor` shows which settings "
    "are in effect, and where each comes from."
)
_FILE = (
    "The file describes the endpoints of models. `--config` or `EVALHAVEN_CONFIG` names it; without them, "
    "`evalhaven.toml` in the working directory is read if there is one. It is read at the start of the server, and "
    "a mistake in it keeps the server from starting. Relative paths begin at the directory of the file. "
    "[Connect models](../how-to/connect-models.md) explains it by examples."
)
_TEXT = (
    'A *text* may stand elsewhere: `{ env = "NAME" }` takes it from an environment variable, `{ file = "PATH" }` from '
    "a file. A *pattern* is a name in which `*` stands for anything, `?` for one character and `[ab]` for one of some."
)
_SECTIONS: dict[type[Table], tuple[str, str]] = {
    EndpointTable: (
        "Every endpoint: `[endpoints.NAME]`",
        "The name has letters, digits, `-`, `_` and `.`.",
    ),
    ReachedTable: (
        "An endpoint that is reached over HTTP",
        "These keys stand in the same table.",
    ),
    HttpTable: (
        "An endpoint of models",
        "It is reached over HTTP. [Endpoints](endpoints.md#what-an-endpoint-lacks) explains `lacks`.",
    ),
    ScriptedTable: (
        "A scripted endpoint",
        "These keys replace those for HTTP. The endpoint [answers by rules](../how-to/work-offline.md).",
    ),
    ApplicationTable: (
        "An application at an address",
        "It is reached over HTTP. [Endpoints](endpoints.md#applications) says what it is sent and may answer.",
    ),
    CommandTable: (
        "An application that is a command",
        "These keys replace those for HTTP. It is started for each call.",
    ),
    PriceTable: ("A price: `[[endpoints.NAME.prices]]`", "Prices are in US dollars per million tokens."),
    RuleTable: ("A rule: `[[endpoints.NAME.rules]]`", "Rules belong to scripted endpoints."),
    UsageTable: ("The `usage` of a rule", "It is a table in a line, such as `{ input = 10, output = 2 }`."),
}
_OTHERS = {
    "OPENAI_API_KEY": "The key for OpenAI. Models are asked there if neither `evalhaven.toml` nor "
    "`EVALHAVEN_UPSTREAM_BASE_URL` names an endpoint.",
    "NLTK_DATA": "Directories in which WordNet is looked for. The metric `meteor` uses it.",
}
_NAMES: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "`true` or `false`",
    Path: "path",
    SecretStr: "string, secret",
    Text: "text",
    PriceTable: "prices",
    RuleTable: "rules",
    UsageTable: "table",
}


def render_configuration() -> str:
    """Return the page."""
    parts = ["## Settings", _SETTINGS, _settings(), "Other variables count too:", _others()]
    parts += ["## `evalhaven.toml`", _FILE, _TEXT]
    for model, (heading, intro) in _SECTIONS.items():
        shown = [each for each in _SECTIONS if issubclass(model, each) and each is not model]
        inherited = {name for each in shown for name in each.model_fields}
        fields = {name: field for name, field in model.model_fields.items() if name not in inherited}
        parts += [f"### {heading}", intro, _fields(fields)]
    return page("Configuration reference", parts)


def _settings() -> str:
    rows = [
        (code(f"{PREFIX}{name.upper()}"), type_text(field), _default(field.default, is_toml=False), _meaning(field))
        for name, field in Settings.model_fields.items()
    ]
    return table(("variable", "type", "default", "meaning"), rows)


def _others() -> str:
    return table(("variable", "meaning"), [(code(name), _OTHERS[name]) for name in OTHER_VARIABLES])


def _fields(fields: Mapping[str, FieldInfo]) -> str:
    rows = [
        (code(name), type_text(field), _default(field.default, is_toml=True), _meaning(field))
        for name, field in fields.items()
    ]
    return table(("key", "type", "default", "meaning"), rows)


def _meaning(field: FieldInfo) -> str:
    assert field.description, "every setting and every key says what it means"
    return field.description


def _default(default: Any, *, is_toml: bool) -> str:
    if default is PydanticUndefined:
        return "required"
    if default is None or default in ([], {}):
        return "none"
    if isinstance(default, float):
        return code(f"{default:g}")
    return code(json.dumps(default)) if is_toml else code(str(default).lower())


def type_text(field: FieldInfo) -> str:
    """Return the type of a field in words, with its limits."""
    return _type(field.annotation, list(field.metadata))


def _type(annotation: Any, limits: list[Any]) -> str:  # noqa: PLR0911 - one for each form of annotation
    origin, members = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(members[0], [*limits, *_limits_of(members[1:])])
    if origin in (Union, UnionType):
        return " or ".join(_type(each, limits) for each in members if each is not NoneType)
    if origin is Literal:
        return choices(members)
    if origin is list:
        return f"list of {_plural(_type(members[0], []))}{_bounds(limits)}"
    if origin is dict:
        return f"table of {_plural(_type(members[1], []))}"
    if origin is tuple:
        return "strings, separated by commas"
    return f"{_NAMES[annotation]}{_bounds(limits)}"


def _limits_of(metadata: tuple[Any, ...]) -> Iterator[Any]:
    for each in metadata:
        yield from each.metadata if isinstance(each, FieldInfo) else [each]


def _plural(name: str) -> str:
    return re.sub(r"^(string|text)\b.*", r"\1s", name)


def _bounds(limits: list[Any]) -> str:
    least = next((each.ge for each in limits if isinstance(each, Ge)), None)
    most = next((each.le for each in limits if isinstance(each, Le)), None)
    above = next((each.gt for each in limits if isinstance(each, Gt)), None)
    if above is not None:
        return f" (more than {above:,})" if most is None else f" (more than {above:,}, at most {most:,})"
    if least is not None:
        return f" ({least:,} to {most:,})" if most is not None else f" ({least:,} or more)"
    return " (not empty)" if any(isinstance(each, MinLen) for each in limits) else ""
