"""Reading `evalhaven.toml`: a catalogue, or everything that is wrong with it at once."""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, cast
from urllib.parse import urlencode

from pydantic import ValidationError

from evalhaven.sampling.applications.command import Command
from evalhaven.sampling.catalog import (
    DEFAULT_MAX_CONCURRENCY,
    DEFAULT_START_CONCURRENCY,
    DEFAULT_STRANGE_FOR_S,
    HOP_HEADER,
    Ability,
    CatalogError,
    Endpoint,
    Price,
    Protocol,
)
from evalhaven.sampling.configuration.keys import InvalidValueError, checked_base_url, checked_key, checked_url
from evalhaven.sampling.configuration.problems import at, explain, unknown_key
from evalhaven.sampling.configuration.tables import (
    ApplicationTable,
    CommandTable,
    EndpointTable,
    HttpTable,
    ReachedTable,
    RuleTable,
    ScriptedTable,
    Table,
    Text,
)
from evalhaven.sampling.configuration.values import TextReader, checked_header, checked_proxy
from evalhaven.sampling.scripted.endpoint import Rule, RuleError, Script, When
from evalhaven.sampling.scripted.replies import Tokens
from evalhaven.sampling.transport.interface import TransportOptions

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_MB = 1024 * 1024
_PROTOCOLS: dict[str, frozenset[Protocol]] = {
    "chat": frozenset({"chat"}),
    "responses": frozenset({"responses"}),
    "both": frozenset({"chat", "responses"}),
}
_APPLICATION: frozenset[Protocol] = frozenset({"item"})


def own_headers() -> dict[str, str]:
    """Return the headers that every request carries."""
    return {
        "accept": "application/json",
        "content-type": "application/json",
        HOP_HEADER: "1",
    }


def read_endpoints(path: Path, environment: Mapping[str, str]) -> list[Endpoint]:
    """Return the endpoints of a configuration file, in its order.

    Args:
        path: The file.
        environment: Variables that hold keys.

    Raises:
        CatalogError: The file cannot be read or is wrong.
    """
    problems: list[str] = []
    endpoints: list[Endpoint] = []
    directory = path.absolute().parent
    reader = TextReader(directory, environment)
    for name, table in _tables(path, problems).items():
        try:
            endpoints.append(_EndpointMaker(name, reader, directory).make(table))
        except ValidationError as error:
            problems += explain(name, _kind_of(table), error)
        except _ProblemsError as error:
            problems += error.problems
    problems += _shared_aliases(endpoints)
    if problems:
        raise CatalogError("\n".join(f"{path}: {_ended(problem)}" for problem in problems))
    return endpoints


def _kind_of(table: Mapping[str, Any]) -> type[Table]:
    """Return what the table of an endpoint is read as."""
    if "scripted" in table:
        return ScriptedTable
    if table.get("protocol") == "item":
        return CommandTable if "command" in table else ApplicationTable
    return HttpTable


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def _tables(path: Path, problems: list[str]) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise CatalogError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CatalogError(f"{path} is not UTF-8 text.") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CatalogError(f"{path} is not valid TOML: {str(error).rstrip('.')}.") from error
    problems += [f"{key}: {unknown_key(key, ['endpoints'])}" for key in document if key != "endpoints"]
    found = document.get("endpoints", {})
    if not isinstance(found, dict) or not found:
        problems.append('it names no endpoint; add a table such as [endpoints.openai] with `base_url = "https://…/v1"`')
        return {}
    tables = cast("dict[str, Any]", found)
    for name, table in tables.items():
        if not isinstance(table, dict):
            problems.append(f"endpoints.{name}: must be a table; begin it with [endpoints.NAME]")
        elif not _NAME.fullmatch(name):
            problems.append(f"[endpoints.{name}]: a name has letters, digits, '-', '_' and '.' only")
    return {name: table for name, table in tables.items() if isinstance(table, dict)}


def _shared_aliases(endpoints: list[Endpoint]) -> list[str]:
    owners: dict[str, str] = {}
    problems: list[str] = []
    for endpoint in endpoints:
        for alias in endpoint.aliases:
            owner = owners.setdefault(alias, endpoint.name)
            if owner != endpoint.name:
                problems.append(f"{at(endpoint.name, 'aliases')}: {alias} is an alias of {owner} already")
    return problems


class _ProblemsError(Exception):
    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _EndpointMaker:
    """Makes one endpoint from its table."""

    def __init__(self, name: str, reader: TextReader, directory: Path) -> None:
        self._name = name
        self._reader = reader
        self._directory = directory
        self._problems: list[str] = []

    def make(self, document: dict[str, Any]) -> Endpoint:
        """Return the endpoint.

        Raises:
            ValidationError: The table has wrong keys or types.
            _ProblemsError: Its values cannot be used.
        """
        table = _kind_of(document).model_validate(document)
        if isinstance(table, ScriptedTable):
            endpoint = self._scripted(table)
        elif isinstance(table, HttpTable):
            endpoint = self._reached(table)
        elif isinstance(table, ApplicationTable):
            endpoint = self._application(table)
        else:
            endpoint = self._started(cast("CommandTable", table))
        if self._problems:
            raise _ProblemsError(self._problems)
        return endpoint

    def _reached(self, table: HttpTable) -> Endpoint:
        return Endpoint(
            name=self._name,
            base_url=self._text("base_url", table.base_url, checked_base_url),
            headers=self._headers(table),
            transport=self._transport(table),
            lacks=frozenset[Ability](table.lacks),
            query=self._query(table),
            lists_models=table.check == "models",
            protocols=_PROTOCOLS[table.protocol],
            models=tuple(table.models),
            **_limits(table),
        )

    def _application(self, table: ApplicationTable) -> Endpoint:
        return Endpoint(
            name=self._name,
            base_url=self._text("url", table.url, checked_url),
            headers=self._headers(table),
            transport=self._transport(table),
            query=self._query(table),
            lists_models=False,
            protocols=_APPLICATION,
            models=self._own_models(table),
            **_limits(table),
        )

    def _started(self, table: CommandTable) -> Endpoint:
        command = Command(tuple(table.command), self._directory, self._variables(table.env), table.max_reply_mb * _MB)
        limits = _limits(table)
        if table.max_concurrency is None:
            limits["max_concurrency"] = os.cpu_count() or 1
        most = limits["max_concurrency"]
        limits["start_concurrency"] = min(table.start_concurrency or most, most)
        return Endpoint(
            name=self._name,
            base_url="",
            lists_models=False,
            protocols=_APPLICATION,
            models=self._own_models(table),
            command=command,
            **limits,
        )

    def _own_models(self, table: EndpointTable) -> tuple[str, ...]:
        """Return what an application serves: it must not take the name of any model that nobody else serves."""
        return tuple(table.models) if "models" in table.model_fields_set else (self._name,)

    def _variables(self, names: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in names:
            try:
                found[name] = self._reader.variable(name)
            except InvalidValueError as error:
                self._problems.append(f"{at(self._name, 'env')}: {error}")
        return found

    def _query(self, table: ReachedTable) -> str:
        return urlencode({name: self._text(f"query.{name}", text) for name, text in table.query.items()})

    def _scripted(self, table: ScriptedTable) -> Endpoint:
        rules: list[Rule] = []
        for number, rule in enumerate(table.rules, 1):
            try:
                rules.append(_rule(rule))
            except RuleError as error:
                self._problems.append(f"[[endpoints.{self._name}.rules]] number {number} {error}")
        return Endpoint(
            name=self._name,
            base_url="",
            script=Script(tuple(rules)),
            protocols=_PROTOCOLS[table.protocol],
            models=tuple(table.models),
            **_limits(table),
        )

    def _headers(self, table: ReachedTable) -> dict[str, str]:
        headers = own_headers()
        key = self._key(table)
        if key is not None:
            name, value = ("authorization", f"Bearer {key}") if table.auth == "bearer" else (table.auth, key)
            headers[name] = value
        for name, text in table.headers.items():
            if key is not None and name.lower() == ("authorization" if table.auth == "bearer" else table.auth):
                self._problems.append(f"{at(self._name, f'headers.{name}')}: carries the key already; give it once")
            headers[name.lower()] = self._text(f"headers.{name}", text, partial(checked_header, name, text.kind))
        return headers

    def _key(self, table: ReachedTable) -> str | None:
        try:
            if table.api_key_env is not None:
                value = self._reader.variable(table.api_key_env)
                return checked_key(value, "the environment variable it names")
            if table.api_key_file is not None:
                return checked_key(self._reader.content(table.api_key_file), table.api_key_file)
        except InvalidValueError as error:
            key = "api_key_file" if table.api_key_env is None else "api_key_env"
            self._problems.append(f"{at(self._name, key)}: {error}")
        return None

    def _transport(self, table: ReachedTable) -> TransportOptions:
        proxy = None if table.proxy is None else self._text("proxy", table.proxy, checked_proxy)
        ca_file: Path | None = None
        try:
            ca_file = None if table.ca_file is None else self._reader.authorities(table.ca_file)
        except InvalidValueError as error:
            self._problems.append(f"{at(self._name, 'ca_file')}: {error}")
        return TransportOptions(
            connect_timeout_s=table.connect_timeout_s,
            proxy=proxy or None,
            ca_file=ca_file,
            max_reply_bytes=table.max_reply_mb * _MB,
            trust_env=proxy is None,
        )

    def _text(self, key: str, text: Text, check: Callable[[str], str] = str) -> str:
        """Return a text from its place, checked; "" if that failed, and the problem is noted."""
        try:
            return check(self._reader.read(text))
        except InvalidValueError as error:
            self._problems.append(f"{at(self._name, key)}: {error}")
            return ""


def _rule(table: RuleTable) -> Rule:
    """Return a rule.

    Raises:
        RuleError: The rule cannot be used.
    """
    usage = table.usage
    rule = Rule(
        when=None if table.when is None else When.of(table.when),
        answer=table.answer,
        status=table.status,
        latency_ms=table.latency_ms,
        finish_reason=table.finish_reason,
        usage=None if usage is None else Tokens(usage.input, usage.cached_input, usage.output, usage.reasoning),
        model=table.model,
        refuses=table.refuses,
    )
    rule.check()
    return rule


class _Limits(TypedDict):
    aliases: dict[str, str]
    max_concurrency: int
    start_concurrency: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    timeout_s: float
    retry_for_s: float
    strange_for_s: float | None
    prices: tuple[Price, ...]


def _limits(table: EndpointTable) -> _Limits:
    """Return what all kinds of endpoints have in common."""
    most = table.max_concurrency or DEFAULT_MAX_CONCURRENCY
    return {
        "aliases": dict(table.aliases),
        "max_concurrency": most,
        "start_concurrency": table.start_concurrency or min(DEFAULT_START_CONCURRENCY, most),
        "requests_per_minute": table.requests_per_minute,
        "tokens_per_minute": table.tokens_per_minute,
        "timeout_s": table.timeout_s,
        "retry_for_s": table.retry_for_s,
        "strange_for_s": None if "retry_for_s" in table.model_fields_set else DEFAULT_STRANGE_FOR_S,
        "prices": tuple(Price(price.model, price.input, price.cached_input, price.output) for price in table.prices),
    }
