"""The tables of `evalhaven.toml`: which keys there are, and what each may hold."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from evalhaven.sampling.catalog import (
    DEFAULT_MAX_CONCURRENCY,
    DEFAULT_RETRY_FOR_S,
    DEFAULT_START_CONCURRENCY,
    DEFAULT_STRANGE_FOR_S,
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
    """A text of the file: it is written there, or the file names the variable or file that holds it.

    Attributes:
        kind: Where it is.
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
    raise ValueError('must be a text, or { env = "NAME" } or { file = "PATH" } for one that is kept elsewhere')


def _variable(name: str) -> str:
    # The value is not shown: it may be the key itself.
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
Argument = Annotated[str, Field(min_length=1)]
OwnProtocol = Annotated[
    Protocol,
    Field(
        description="Which API it has: `chat` (chat completions), `responses` or `both`. A run of the other type is "
        "translated if nothing is lost. Otherwise it is refused.",
    ),
]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=_DAY_S, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Table(BaseModel):
    """A table of the file: unknown keys are mistakes, and types are strict."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


class PriceTable(Table):
    """`[[endpoints.NAME.prices]]`: US dollars per million tokens."""

    model: Pattern = Field(description="The models that it holds for: a name or a pattern.")
    input: Dollars = Field(description="Price of the tokens of a request.")
    output: Dollars = Field(description="Price of the tokens of an answer, its reasoning included.")
    cached_input: Dollars | None = Field(
        None, description="Price of the tokens of a request that the provider had cached. Without it, that of `input`."
    )


class UsageTable(Table):
    """`usage` of a rule: the tokens that its answer reports."""

    input: int = Field(0, ge=0, description="Tokens of the request.")
    cached_input: int = Field(0, ge=0, description="Those of them that were cached.")
    output: int = Field(0, ge=0, description="Tokens of the answer.")
    reasoning: int = Field(0, ge=0, description="Those of them that were reasoning.")


class RuleTable(Table):
    """`[[endpoints.NAME.rules]]`: what a scripted endpoint answers to some requests."""

    when: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="A regular expression that is looked for in the last user message, for a tenth of a second at "
        "most. Without it, the rule holds for every message.",
    )
    answer: str | None = Field(
        None,
        description="The text of the answer. `{0}` stands for what `when` found, `{1}` for its first group. Without "
        "it, the endpoint answers as it does without rules.",
    )
    status: int = Field(
        200,
        ge=200,
        le=599,
        description="The status of the answer. 400 to 599 make it an error with `answer` as message.",
    )
    latency_ms: int = Field(0, ge=0, le=_DAY_S * 1000, description="Milliseconds until the answer.")
    finish_reason: Literal["stop", "length", "content_filter"] = Field(
        "stop", description="The finish reason that the answer reports."
    )
    model: Pattern | None = Field(
        None,
        description="The models that the rule holds for: a name or a pattern. Without it, all of the endpoint's.",
    )
    refuses: bool = Field(False, description="Whether the answer is a refusal.")
    usage: UsageTable | None = Field(
        None, description="The tokens that the answer reports. Without it, words are counted."
    )

    @field_validator("status")
    @classmethod
    def _check_status(cls, status: int) -> int:
        if status != 200 and status < 400:  # noqa: PLR2004 - HTTP's own numbers
            raise ValueError("must be 200, or that of an error: 400 to 599")
        return status


class EndpointTable(Table):
    """The keys that every endpoint may have."""

    models: list[Pattern] = Field(
        ["*"],
        min_length=1,
        description="The models that it serves: names, and patterns such as `gpt-*`. Without it, an application serves "
        "the name of its endpoint.",
    )
    aliases: dict[Pattern, Pattern] = Field(
        {}, description='Other names for models: `{ "my-judge" = "gpt-4.1-mini" }` sends `gpt-4.1-mini`.'
    )
    max_concurrency: Annotated[int, Field(ge=1, le=_MAX_CONCURRENCY)] | None = Field(
        None,
        description="Most requests under way at once, counted for each model. Without it, "
        f"{DEFAULT_MAX_CONCURRENCY}, or the number of processors for a command.",
    )
    start_concurrency: Count | None = Field(
        None,
        description="Requests under way at once in the beginning. The number grows until the endpoint answers 429. "
        f"Without it, {DEFAULT_START_CONCURRENCY}, or `max_concurrency` if that is less or a command is started.",
    )
    requests_per_minute: Count | None = Field(
        None, description="Most requests within a minute, counted for each model. Without it, there is no limit."
    )
    tokens_per_minute: Count | None = Field(
        None, description="Most tokens within a minute, counted for each model. Without it, there is no limit."
    )
    timeout_s: Seconds = Field(DEFAULT_TIMEOUT_S, description="Seconds that one attempt may take.")
    retry_for_s: float = Field(
        DEFAULT_RETRY_FOR_S,
        ge=0,
        le=_DAY_S,
        allow_inf_nan=False,
        description="Seconds after which a call that keeps failing is given up. Unless it is set, a run ends after "
        f"{DEFAULT_STRANGE_FOR_S:g} seconds if the endpoint cannot be reached and has never answered it.",
    )
    prices: list[PriceTable] = Field(
        [],
        description="What tokens cost. The first entry that matches the model holds. If none does, the cost of a run "
        "is unknown.",
    )

    @field_validator("aliases")
    @classmethod
    def _check_aliases(cls, aliases: dict[str, str]) -> dict[str, str]:
        if not all(is_exact(name) for pair in aliases.items() for name in pair):
            raise ValueError("must map one name to another, without wildcards")
        return aliases

    @model_validator(mode="after")
    def _check_start(self) -> "EndpointTable":
        most = self.max_concurrency or DEFAULT_MAX_CONCURRENCY
        if self.start_concurrency is not None and self.start_concurrency > most:
            raise ValueError("`start_concurrency` is greater than `max_concurrency`")
        return self


class ReachedTable(EndpointTable):
    """`[endpoints.NAME]`: an endpoint that is reached over HTTP."""

    api_key_env: Variable | None = Field(None, description="The environment variable that holds the key.")
    api_key_file: Annotated[str, Field(min_length=1)] | None = Field(None, description="The file that holds the key.")
    auth: AuthForm = Field(
        "bearer",
        description="How the key is sent: in `authorization` (`bearer`), in the header `api-key` or `x-api-key`, or "
        "not at all (`none`).",
    )
    headers: dict[str, AnyText] = Field({}, description='Further headers of each request: `{ name = "value" }`.')
    query: dict[str, AnyText] = Field(
        {}, description='What follows a question mark at the end of each address: `{ name = "value" }`.'
    )
    connect_timeout_s: Seconds = Field(
        10.0, description="Seconds that a connection may take, with all addresses of a name, the proxy and TLS."
    )
    max_reply_mb: int = Field(64, ge=1, le=4096, description="Largest reply in MB.")
    proxy: AnyText | None = Field(
        None,
        description="HTTP proxy, such as `http://proxy.example.org:3128`, or `none` for none. Without it, "
        "`HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of the environment count. `NO_PROXY` may hold names (which cover "
        "those below them, also as `*.example.org`), `host:port`, `[v6]`, ranges such as `10.0.0.0/8`, and `*`.",
    )
    ca_file: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="File of certificates (PEM) that are trusted besides those of the system."
    )

    @model_validator(mode="after")
    def _check_key(self) -> "ReachedTable":
        has_key = self.api_key_env is not None or self.api_key_file is not None
        if self.api_key_env is not None and self.api_key_file is not None:
            raise ValueError("give `api_key_env` or `api_key_file`, not both")
        if has_key and self.auth == "none":
            raise ValueError('`auth = "none"` sends no key; leave out `auth`, or the key')
        if not has_key and self.auth in ("api-key", "x-api-key"):
            raise ValueError(f'`auth = "{self.auth}"` needs a key: add `api_key_env` or `api_key_file`')
        return self


class HttpTable(ReachedTable):
    """`[endpoints.NAME]`: an endpoint of models that is reached over HTTP."""

    protocol: OwnProtocol = "both"
    base_url: AnyText = Field(description="What stands before `/chat/completions` and `/responses` in its addresses.")
    lacks: list[Ability] = Field([], description="What it does not understand. Requests are adapted to it.")
    check: Literal["models", "none"] = Field(
        "models", description="What `evalhaven doctor` asks for: the list of models (`models`), or nothing (`none`)."
    )


class ApplicationTable(ReachedTable):
    """`[endpoints.NAME]` with `protocol = "item"`: an application that is reached over HTTP."""

    protocol: Literal["item"] = Field(description="Must be `item`.")
    url: AnyText = Field(description="The whole address to which each item is sent by POST.")


class CommandTable(EndpointTable):
    """`[endpoints.NAME]` with `protocol = "item"`: an application that is started for each call."""

    protocol: Literal["item"] = Field(description="Must be `item`.")
    command: list[Argument] = Field(
        min_length=1,
        description='The program and its arguments: `["python", "app.py"]`. No shell reads them. It works in the '
        "directory of this file.",
    )
    env: list[Variable] = Field(
        [],
        description="The environment variables that it gets besides `PATH`, `HOME` and others that every program "
        "needs. Their values are hidden in errors.",
    )
    max_reply_mb: int = Field(64, ge=1, le=4096, description="Largest reply in MB.")


class ScriptedTable(EndpointTable):
    """`[endpoints.NAME]` with `scripted = true`: an endpoint that answers by rules, offline."""

    protocol: OwnProtocol = "both"
    scripted: bool = Field(description="Must be `true`.")
    rules: list[RuleTable] = Field([], description="The rules by which it answers. The first one that matches decides.")

    @field_validator("scripted")
    @classmethod
    def _check_scripted(cls, scripted: bool) -> bool:
        if not scripted:
            raise ValueError("must be true; leave it out for an endpoint that is reached over HTTP")
        return scripted
