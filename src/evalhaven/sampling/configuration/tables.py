"""The tables of `evalhaven.toml`: which keys there are, and what each may hold."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from evalhaven.sampling.catalog import (
    DEFAULT_MAX_CONCURRENCY,
    DEFAULT_RETRY_FOR_S,
    DEFAULT_TIMEOUT_S,
    Ability,
    is_exact,
)

Protocol = Literal["chat", "responses", "both"]
AuthForm = Literal["bearer", "api-key", "x-api-key", "none"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DAY_S = 86_400
_MAX_CONCURRENCY = 100_000


@dataclass(frozen=True, slots=True)
class Text:
    """A text of the file: it stands there, or the file says which variable or file holds it.

    Attributes:
        kind: Where it stands.
        value: The text, the name of the variable, or the path of the file.
    """

    kind: Literal["literal", "env", "file"]
    value: str


def _text(value: Any) -> Text:
    if isinstance(value, str):
        return Text("literal", value)
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        for kind in ("env", "file"):
            name = table.get(kind)
            if len(table) == 1 and isinstance(name, str) and name:
                return Text(kind, _variable(name) if kind == "env" else name)
    raise ValueError('must be a text, or { env = "NAME" } or { file = "PATH" } for one that stands elsewhere')


def _variable(name: str) -> str:
    # Not shown: it may be the key itself.
    if not _VARIABLE.fullmatch(name):
        raise ValueError("must be the name of an environment variable, such as OPENAI_API_KEY, not a key itself")
    return name


def _pattern(name: str) -> str:
    if not name or name != name.strip():
        raise ValueError("must be names or patterns such as gpt-4.1-mini or gpt-*")
    return name


AnyText = Annotated[Text, BeforeValidator(_text)]
Variable = Annotated[str, BeforeValidator(lambda name: _variable(name) if isinstance(name, str) else name)]
Pattern = Annotated[
    str, Field(min_length=1), BeforeValidator(lambda name: _pattern(name) if isinstance(name, str) else name)
]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=_DAY_S, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Table(BaseModel):
    """A table of the file: unknown keys are mistakes, and types are taken at their word."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


class PriceTable(Table):
    """`[[endpoints.NAME.prices]]`: US dollars per million tokens."""

    model: Pattern
    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None


class UsageTable(Table):
    """`usage` of a rule: the tokens that its answer reports."""

    input: Annotated[int, Field(ge=0)] = 0
    cached_input: Annotated[int, Field(ge=0)] = 0
    output: Annotated[int, Field(ge=0)] = 0
    reasoning: Annotated[int, Field(ge=0)] = 0


class RuleTable(Table):
    """`[[endpoints.NAME.rules]]`: what a scripted endpoint answers to some requests."""

    when: Annotated[str, Field(min_length=1)] | None = None
    answer: str | None = None
    status: Annotated[int, Field(ge=200, le=599)] = 200
    latency_ms: Annotated[int, Field(ge=0, le=_DAY_S * 1000)] = 0
    finish_reason: Literal["stop", "length", "content_filter"] = "stop"
    model: Pattern | None = None
    refuses: bool = False
    usage: UsageTable | None = None

    @field_validator("status")
    @classmethod
    def _check_status(cls, status: int) -> int:
        if status != 200 and status < 400:  # noqa: PLR2004 - HTTP's own numbers
            raise ValueError("must be 200, or that of an error: 400 to 599")
        return status


class EndpointTable(Table):
    """The keys that every endpoint may have."""

    protocol: Protocol = "both"
    models: Annotated[list[Pattern], Field(min_length=1)] = ["*"]
    aliases: dict[Pattern, Pattern] = {}
    max_concurrency: Annotated[int, Field(ge=1, le=_MAX_CONCURRENCY)] = DEFAULT_MAX_CONCURRENCY
    start_concurrency: Count | None = None
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    timeout_s: Seconds = DEFAULT_TIMEOUT_S
    retry_for_s: Annotated[float, Field(ge=0, le=_DAY_S, allow_inf_nan=False)] = DEFAULT_RETRY_FOR_S
    prices: list[PriceTable] = []

    @field_validator("aliases")
    @classmethod
    def _check_aliases(cls, aliases: dict[str, str]) -> dict[str, str]:
        if not all(is_exact(name) for pair in aliases.items() for name in pair):
            raise ValueError("must lead from one name to another, without wildcards")
        return aliases

    @model_validator(mode="after")
    def _check_start(self) -> "EndpointTable":
        if self.start_concurrency is not None and self.start_concurrency > self.max_concurrency:
            raise ValueError("`start_concurrency` is greater than `max_concurrency`")
        return self


class HttpTable(EndpointTable):
    """`[endpoints.NAME]`: an endpoint that is reached over HTTP."""

    base_url: AnyText
    api_key_env: Variable | None = None
    api_key_file: Annotated[str, Field(min_length=1)] | None = None
    auth: AuthForm = "bearer"
    headers: dict[str, AnyText] = {}
    query: dict[str, AnyText] = {}
    lacks: list[Ability] = []
    connect_timeout_s: Seconds = 10.0
    max_reply_mb: Annotated[int, Field(ge=1, le=4096)] = 64
    proxy: AnyText | None = None
    ca_file: Annotated[str, Field(min_length=1)] | None = None
    check: Literal["models", "none"] = "models"

    @model_validator(mode="after")
    def _check_key(self) -> "HttpTable":
        has_key = self.api_key_env is not None or self.api_key_file is not None
        if self.api_key_env is not None and self.api_key_file is not None:
            raise ValueError("give `api_key_env` or `api_key_file`, not both")
        if has_key and self.auth == "none":
            raise ValueError('`auth = "none"` sends no key; leave out `auth`, or the key')
        if not has_key and self.auth in ("api-key", "x-api-key"):
            raise ValueError(f'`auth = "{self.auth}"` needs a key: add `api_key_env` or `api_key_file`')
        return self


class ScriptedTable(EndpointTable):
    """`[endpoints.NAME]` with `scripted = true`: an endpoint that answers by rules, offline."""

    scripted: bool
    rules: list[RuleTable] = []

    @field_validator("scripted")
    @classmethod
    def _check_scripted(cls, scripted: bool) -> bool:
        if not scripted:
            raise ValueError("must be true; leave it out for an endpoint that is reached over HTTP")
        return scripted
