"""Facts about mistakes in evalhaven.toml: each is reported with its place and the cure, and no key is shown."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from evalhaven.sampling.catalog import CatalogError
from evalhaven.sampling.configuration.loading import Upstream, load_catalog
from tests.unit.sampling.configured import KEY, endpoint, faults, load

__all__ = ["faults", "load"]

Faults = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("max_concurency = 4", "[endpoints.a] max_concurency: is unknown; did you mean `max_concurrency`?"),
        ("zzz = 4", "[endpoints.a] zzz: is unknown; there are aliases, api_key_env, "),
        (
            "url = 'x'",
            '[endpoints.a] url: is the way to an application; add `protocol = "item"`, or write `base_url` for models.',
        ),
        ("command = ['x']", '[endpoints.a] command: is the way to an application; add `protocol = "item"`.'),
        (
            "protocol = 'chatt'",
            "[endpoints.a] protocol: should be 'chat', 'responses' or 'both', or 'item' for an application of yours.",
        ),
        ("max_concurrency = 0", "[endpoints.a] max_concurrency: should be greater than or equal to 1."),
        ("max_concurrency = '4'", "[endpoints.a] max_concurrency: should be a valid integer."),
        (
            "max_concurrency = 2\nstart_concurrency = 3",
            "[endpoints.a]: `start_concurrency` is greater than `max_concurrency`.",
        ),
        ("timeout_s = inf", "[endpoints.a] timeout_s: "),
        ("models = []", "[endpoints.a] models: "),
        ("models = ['a', '']", "[endpoints.a] models.entry 2: must be names or patterns such as "),
        ("aliases = { 'a*' = 'b' }", "[endpoints.a] aliases: must map one name to another, without wildcards."),
        (
            "lacks = ['sead']",
            "[endpoints.a] lacks.entry 1: should be 'developer_role', 'json_mode', 'max_completion_tokens'",
        ),
        ("query = { a = 1 }", "[endpoints.a] query.a: must be a text, or { env = "),
        ("query = { a = { env = 'X', file = 'Y' } }", "[endpoints.a] query.a: must be a text, or { env = "),
        ("query = { a = { env = 'TEAM_X' } }", "[endpoints.a] query.a: the environment variable TEAM_X is not set."),
        ("proxy = 'socks5://host:1'", "[endpoints.a] proxy: must be an address such as http://proxy.example.org:3128"),
        ("ca_file = 'none.pem'", "[endpoints.a] ca_file: none.pem is not a readable file of certificates in PEM form."),
        ("rules = []", "[endpoints.a] rules: belongs to scripted endpoints; add `scripted = true`."),
        ("prices = [{ model = 'x', input = 1 }]", "[[endpoints.a.prices]] number 1 output: is missing."),
        ("prices = [{ model = 'x', input = -1, output = 1 }]", "[[endpoints.a.prices]] number 1 input: should be "),
        (
            "prices = [{ model = 'x', input = 1, output = 1, cached = 1 }]",
            "[[endpoints.a.prices]] number 1 cached: is unknown; did you mean `cached_input`?",
        ),
        ("api_key_env = 'MISSING_KEY'", "[endpoints.a] api_key_env: the environment variable MISSING_KEY is not set."),
        ("api_key_file = 'none'", "[endpoints.a] api_key_file: none cannot be read: No such file or directory."),
        (
            "api_key_file = 'k'\napi_key_env = 'K'",
            "[endpoints.a]: give `api_key_env` or `api_key_file`, not both.",
        ),
        ("auth = 'none'\napi_key_env = 'K'", '[endpoints.a]: `auth = "none"` sends no key;'),
        ("auth = 'api-key'", '[endpoints.a]: `auth = "api-key"` needs a key: add `api_key_env` or `api_key_file`.'),
        ("headers = { 'a b' = 'c' }", "[endpoints.a] headers.a b: is not a valid name of a header."),
        ("headers = { Host = 'c' }", "[endpoints.a] headers.Host: is a header that Evalhaven sets by itself;"),
        ("headers = { a = 'é' }", "[endpoints.a] headers.a: must be printable ASCII characters."),
    ],
)
def test_a_mistake_is_reported_with_its_place_and_the_cure(faults: Faults, keys: str, said: str) -> None:
    (line,) = faults(endpoint(keys))

    assert line.startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it names no endpoint; add a table such as [endpoints.openai]"),
        ("endpoints = 3", "it names no endpoint; add a table"),
        ("[endpoint.a]\nbase_url = 'http://host'", "endpoint: is unknown; did you mean `endpoints`?"),
        ("[endpoints]\na = 3", "endpoints.a: must be a table; begin it with [endpoints.NAME]."),
        ("[endpoints.'a/b']\nbase_url = 'http://host'", "[endpoints.a/b]: a name has letters, digits,"),
        ("[endpoints.a]", "[endpoints.a] base_url: is missing; add `base_url = "),
        ("[endpoints.a]\nscripted = false", "[endpoints.a] scripted: must be true; leave it out for"),
        (
            "[endpoints.a]\nscripted = true\nbase_url = 'http://host'",
            "[endpoints.a] base_url: has no meaning with `scripted = true`; remove one of the two.",
        ),
        (
            "[endpoints.a]\nscripted = true\nrules = [{ when = '(' }]",
            "[[endpoints.a.rules]] number 1 when: is not a regular expression: missing )",
        ),
        (
            "[endpoints.a]\nscripted = true\nrules = [{ when = '(x)', answer = '{2}' }]",
            "[[endpoints.a.rules]] number 1 answer: has {2}, but `when` has 1 groups.",
        ),
        (
            "[endpoints.a]\nscripted = true\nrules = [{ status = 301 }]",
            "[[endpoints.a.rules]] number 1 status: must be 200, or that of an error: 400 to 599.",
        ),
        (
            "[endpoints.a]\nscripted = true\nrules = [{ usage = { outputs = 1 } }]",
            "[[endpoints.a.rules]] number 1 usage.outputs: is unknown; did you mean `output`?",
        ),
        (
            "[endpoints]\na = { scripted = true, aliases.x = 'y' }\nb = { scripted = true, aliases.x = 'z' }",
            "[endpoints.b] aliases: x is an alias of a already.",
        ),
    ],
)
def test_a_table_that_cannot_be_is_refused(faults: Faults, text: str, said: str) -> None:
    assert any(line.startswith(said) for line in faults(text)), faults(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [("[endpoints.a", "is not valid TOML: "), (b"\xff", "is not UTF-8 text.")],
)
def test_what_is_no_toml_is_refused(faults: Faults, text: str | bytes, said: str) -> None:
    (line,) = faults(text)

    assert line.strip().startswith(said)


def test_a_file_that_is_named_and_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"none\.toml cannot be read: No such file or directory\."):
        load_catalog(tmp_path / "none.toml", Upstream(), {})


@pytest.mark.parametrize(
    "url",
    ["ftp://host/v1", "no address", "http://", "http://host:99999/v1", "http://ho st", "https://hösts/v1"],
)
def test_what_is_no_address_is_refused(faults: Faults, url: str) -> None:
    assert faults(endpoint(base_url=url)) == [
        "[endpoints.a] base_url: must be an address such as https://api.openai.com/v1."
    ]


def test_an_address_holds_neither_query_nor_password(faults: Faults) -> None:
    (query,) = faults(endpoint(base_url="https://host/v1?api-version=made-up"))
    (password,) = faults(endpoint(base_url="https://user:made-up@host/v1"))

    assert query.endswith('must end before the question mark; give what follows as `query = { name = "value" }`.')
    assert "must not hold a user name or password" in password
    assert "made-up" not in query + password


@pytest.mark.parametrize(
    "keys",
    [
        f"api_key = '{KEY}'",
        f"token = '{KEY}'",
        f"api_key_env = '{KEY}'",
        "api_key_env = 'AIzaSyMadeUpAndSecret'",
        f"headers = {{ Authorization = 'Bearer {KEY}' }}",
        f"headers = {{ api-key = '{KEY}' }}",
        f"headers = {{ x-goog-api-key = '{KEY}' }}",
        f"headers = {{ x = {{ env = '{KEY}' }} }}",
    ],
)
def test_a_key_in_the_file_is_refused_with_the_cure_and_not_shown(faults: Faults, keys: str) -> None:
    (line,) = faults(endpoint(keys))

    assert re.search(r'env = "NAME"|api_key_env = "NAME"|name of an environment variable|variable it names', line)
    assert "ecret" not in line


@pytest.mark.parametrize("key", ["sk é", "sk two", "   ", ""])
def test_what_no_header_can_hold_is_no_key(faults: Faults, key: str) -> None:
    (line,) = faults(endpoint("api_key_env = 'MY_KEY'"), MY_KEY=key)

    assert line.startswith("[endpoints.a] api_key_env: the environment variable ")
    assert "sk" not in line


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\n", "key is empty."), (b"\xff", "key is not UTF-8 text."), (b"a b", "key holds no key: ")],
)
def test_a_file_without_a_key_is_refused(faults: Faults, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "key").write_bytes(content)
    (line,) = faults(endpoint("api_key_file = 'key'"))

    assert line.startswith(f"[endpoints.a] api_key_file: {said}")


def test_a_key_is_sent_once(faults: Faults) -> None:
    keys = "api_key_env = 'MY_KEY'\nheaders = { Authorization = { env = 'MY_KEY' } }"

    assert faults(endpoint(keys), MY_KEY=KEY) == [
        "[endpoints.a] headers.Authorization: carries the key already; give it once."
    ]


def test_all_mistakes_are_reported_at_once(faults: Faults) -> None:
    text = endpoint("zzz = 1\ntimeout_s = 0") + "[endpoints.b]\nbase_url = 'x'\napi_key_env = 'NONE'\n"

    assert [line.partition(": ")[0] for line in faults(text)] == [
        "[endpoints.a] timeout_s",
        "[endpoints.a] zzz",
        "[endpoints.b] base_url",
        "[endpoints.b] api_key_env",
    ]


def test_of_many_mistakes_some_are_named_and_how_many_more_there_are(faults: Faults) -> None:
    told = faults(endpoint("\n".join(f"zzz{number} = 1" for number in range(13))))

    assert len(told) == 11
    assert told[-1] == "[endpoints.a]: 3 more mistakes like these."
