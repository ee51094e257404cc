"""Every `EVALHAVEN_*` variable: read once at startup, passed on by `app`."""

import base64
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from evalhaven.access.providers import is_safe_address
from evalhaven.api.trusted_proxies import InvalidProxyError, checked_proxy
from evalhaven.logs.reading.redaction import InvalidPatternError, Redaction
from evalhaven.sampling.configuration.keys import InvalidValueError, checked_base_url, checked_key
from evalhaven.sampling.transport.proxies import proxy_at
from evalhaven.webhooks.addresses import parse_networks

PREFIX = "EVALHAVEN_"
_KEY_BYTES = 32
_FEW_PROCESSORS, _MOST_BY_DEFAULT = 3, 4
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class Settings(BaseSettings):
    """The settings of one process; each field is the variable `EVALHAVEN_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", validate_default=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8765, ge=0, le=65535, description="Port to listen on. With 0 the system chooses one.")
    data_dir: Path = Field(
        Path("evalhaven-data"), description="Directory of the database, the uploaded files and the inline rows."
    )
    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL database, such as `postgresql://user:password@host:5432/name`. Without it, the data "
        "directory holds a SQLite database.",
    )
    shared_dir: Path | None = Field(
        None,
        description="Directory of the uploaded files, the inline rows and `secret.key`, if several servers and workers "
        "on PostgreSQL share it. Without it, they are in the data directory.",
    )
    worker_lease_s: float = Field(
        30.0,
        ge=3,
        le=600,
        description="Seconds of silence after which a worker on PostgreSQL counts as dead, and what it executed is "
        "handed out again. All servers and workers of a database need the same.",
    )
    sampling_processes: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Processes of a server or worker that ask models and grade beside each other: each uses one "
        "processor. With 1, the executor does so itself. Without it, 1 where the server may use up to 3 processors, "
        "else half of them, at most 4.",
    )
    public_url: str | None = Field(
        None,
        description="How users reach this server, such as `https://evals.example.org`, or "
        "`https://example.org/evals-app` behind a proxy that strips the path. Links begin with it, and its host name "
        "is accepted. Without it, links have host and port.",
    )
    allowed_origins: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None,
        description="Web pages that may read and write here besides the server's own: their origins, such as "
        "`http://localhost:3000`, separated by commas.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses and networks of the proxies in front of the server, such as `127.0.0.1` or "
        "`10.0.0.0/8`, separated by commas. Only what comes from them is believed about the client's address, its "
        "scheme and the host it asked for (`X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host`).",
    )
    expose_without_keys: bool = Field(
        False,
        description="Whether to leave a server open that others reach, beyond loopback or through a proxy, if there "
        "are no API keys. Everybody who reaches it can read, change and delete everything. Without it, the first such "
        "start makes an admin key and shows it once.",
    )
    list_order: Literal["asc", "desc"] = Field(
        "desc",
        description="Order of lists when a request names none: `desc` is newest first, `asc` is what the hosted API "
        "documents.",
    )
    max_body_mb: int = Field(128, ge=1, le=4096, description="Largest JSON body in MB. Inline rows count.")
    max_file_mb: int = Field(8192, ge=1, description="Largest uploaded file in MB.")
    header_timeout_s: float = Field(10.0, gt=0, description="Seconds within which the head of a request must arrive.")
    body_grace_s: float = Field(
        30.0, gt=0, description="Seconds that a body may take beyond the time it needs at 4 kB a second."
    )
    max_connections: int | None = Field(
        None,
        ge=1,
        description="Most connections at once; those beyond are closed at once. Without it, 512 fewer than the files "
        "that the process may have open (`ulimit -Hn`).",
    )
    config: Path | None = Field(
        None,
        description="File that describes the endpoints of models. Without it, `evalhaven.toml` in the working "
        "directory, if there is one.",
    )
    upstream_base_url: str | None = Field(
        None,
        description="The one endpoint that serves every model if there is no such file, for example "
        "`http://localhost:8000/v1`. Without either, OpenAI's own if `OPENAI_API_KEY` is set.",
    )
    upstream_api_key: SecretStr | None = Field(None, description="The key that is sent to this endpoint.")
    upstream_max_concurrency: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="Most requests in flight at this endpoint at once, per model. Without it, 200.",
    )
    gateway: bool | None = Field(
        None,
        description="Whether calls to models (`/v1/chat/completions`, `/v1/responses`, `/v1/embeddings`) are passed on "
        "to the endpoints: `on` or `off`. Without it, they are, except where other machines reach a server that is "
        "exposed without keys, since the calls cost what the endpoints cost.",
    )
    log_calls: Literal["asked", "all", "none"] = Field(
        "asked",
        description="Which of these calls are kept, so that runs can grade them: `asked` is what the hosted API does, "
        "chat completions with `store: true` and responses without `store: false`; `all` and `none` hold whatever a "
        "request says. Embeddings are never kept.",
    )
    log_redact: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="What must not be kept of logged calls: regular expressions, one a line. Whatever they match in a "
        "text of a request, its metadata or its reply is replaced by `[redacted]` before it is stored.",
    )
    log_days: int = Field(
        30,
        ge=1,
        le=36_500,
        description="Days for which logged calls are kept, unless their project says fewer. Whole days are dropped, in "
        "UTC.",
    )
    log_max_gb: float | None = Field(
        None,
        gt=0,
        description="Most GB that logged calls may take: while they take more, the oldest day is dropped, but never "
        "today. Without it, their age alone decides.",
    )
    log_queue_mb: int = Field(
        64,
        ge=1,
        le=65_536,
        description="Most MB of calls that wait to be stored, in the server's memory. What does not fit is not stored, "
        "and counted.",
    )
    embeddings_base_url: str | None = Field(
        None,
        description="Endpoint that the metric `cosine` asks for embeddings, such as `http://localhost:8000/v1`. "
        "Without it, the endpoint of `evalhaven.toml` that spells out the model below, or OpenAI's own if "
        "`OPENAI_API_KEY` alone says where models are.",
    )
    embeddings_api_key: SecretStr | None = Field(None, description="The key that is sent to this endpoint.")
    embeddings_model: str = Field(
        "text-embedding-3-large", min_length=1, description="The model that is asked for embeddings."
    )
    grader_sandbox: Literal["full", "landlock", "namespaces", "off-i-trust-every-grader"] | None = Field(
        None,
        description="The only tier of isolation to accept for `python` graders. `off-i-trust-every-grader` executes "
        "them without any. Without the setting, the first of the other three that holds on this machine.",
    )
    grader_environments: Path | None = Field(
        None,
        description="Directory of the libraries that `python` graders import. Without it, `grader-environments` in the "
        "data directory.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Key that encrypts stored secrets, such as the credentials of a run's tools until the run ends: "
        "32 bytes in URL-safe base64. Of several, separated by commas, the first encrypts and all decrypt. Without it, "
        "the file `secret.key` in the data directory, which is created when first needed.",
    )
    webhook_allow_private: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Networks that are not public and may be told by webhooks, such as `10.1.0.0/16, 127.0.0.1`, "
        "separated by commas. Only these may be told without TLS.",
    )
    webhook_proxy: SecretStr | None = Field(
        None,
        description="HTTP proxy through which webhooks are told, such as `http://proxy.example.org:3128`. The proxy "
        "decides what they may reach. Without it, they are told directly; the environment's proxies never count.",
    )
    oidc_issuer: str | None = Field(
        None,
        description="Provider of OpenID Connect with which people log in to the dashboard: its address, such as "
        "`https://login.example.org/realms/main`. Without it, only keys are taken.",
    )
    oidc_client_id: str | None = Field(None, description="What this provider calls this server.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="The secret that it has given this server. Without it, this server is a public client."
    )
    oidc_name: str = Field(
        "OpenID Connect", min_length=1, max_length=60, description="What the login page calls this provider."
    )
    oidc_default_role: Literal["none", "viewer", "editor"] = Field(
        "none",
        description="What people become in the default project when they first log in with this provider. With `none`, "
        "an administrator has to make them members.",
    )
    oidc_admins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Who of them administers the organization: e-mail addresses, which count if the provider has "
        "verified them, or subjects, where the provider verifies none; separated by commas.",
    )
    url: str | None = Field(
        None,
        description="For commands: the server to work with. Without it, the one that holds the data directory.",
    )
    api_key: SecretStr | None = Field(None, description="For commands: the key that is sent to this server.")
    project: str | None = Field(
        None,
        description="For commands: the id of the project to work in (`proj_…`), where an admin key is sent or the "
        "server is on this machine. Without it, the project of the key, else the default project.",
    )
    traces: Literal["off", "on", "content"] = Field(
        "off",
        description="Whether traces are sent to OpenTelemetry, as its own variables `OTEL_…` say: `on`, or `content` "
        "if spans may show what models were asked and answered. Needs `pip install 'evalhaven[otel]'`.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="What scrapers of `/metrics` send, as `Authorization: Bearer …`. Without it, they need a key with "
        "the permission `operate` once there are keys, and nothing before.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
    log_format: Literal["text", "json"] = Field(
        "text", description="Form of log lines: `text`, or `json` for one object a line."
    )

    @field_validator("embeddings_base_url")
    @classmethod
    def _check_embeddings_base_url(cls, value: str | None) -> str | None:
        if not value:
            return None
        parts = urlsplit(value)
        # Reading the port checks it.
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0 or parts.query:
            raise ValueError("must be an address such as https://api.openai.com/v1")
        if parts.username is not None:
            raise ValueError("must not hold a user name or password; the key has a setting of its own")
        return value.rstrip("/").removesuffix("/embeddings")

    @field_validator("upstream_base_url")
    @classmethod
    def _check_upstream_base_url(cls, value: str | None) -> str | None:
        try:
            return checked_base_url(value) if value else None
        except InvalidValueError as error:
            raise ValueError(str(error)) from error

    @field_validator("upstream_api_key", "embeddings_api_key", "metrics_token", "api_key")
    @classmethod
    def _check_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value().strip():
            return None
        try:
            return SecretStr(checked_key(value.get_secret_value(), "it"))
        except InvalidValueError as error:
            raise ValueError("must be ASCII characters without spaces") from error

    @field_validator("secret_key")
    @classmethod
    def _check_secret_key(cls, value: SecretStr | None) -> SecretStr | None:
        texts = [] if value is None else value.get_secret_value().split(",")
        keys = [text.strip() for text in texts if text.strip()]
        if not all(map(_is_secret_key, keys)):
            raise ValueError(
                "must be 32 bytes in URL-safe base64, or several of them separated by commas; make one with: "
                "python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
            )
        return SecretStr(",".join(keys)) if keys else None

    @field_validator(
        "config",
        "shared_dir",
        "sampling_processes",
        "gateway",
        "log_max_gb",
        "grader_sandbox",
        "grader_environments",
        mode="before",
    )
    @classmethod
    def _check_named(cls, value: object) -> object:
        return value or None

    @field_validator("upstream_max_concurrency", "max_connections", mode="before")
    @classmethod
    def _check_upstream_max_concurrency(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("log_redact", mode="before")
    @classmethod
    def _check_log_redact(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        patterns = tuple(line for line in value.splitlines() if line.strip())
        try:
            Redaction.of(patterns)
        except InvalidPatternError as error:
            raise ValueError(f"must be regular expressions, one a line: {error}") from error
        return patterns

    @field_validator("oidc_issuer")
    @classmethod
    def _check_oidc_issuer(cls, value: str | None) -> str | None:
        if not value:
            return None
        if not is_safe_address(value):
            raise ValueError("must be an address such as https://login.example.org; http only on this machine")
        return value

    @field_validator("oidc_client_id", "oidc_client_secret", mode="before")
    @classmethod
    def _check_oidc_client(cls, value: object) -> object:
        if not value:
            return None
        if isinstance(value, str) and not (value.isascii() and value.isprintable()):
            raise ValueError("must be ASCII characters")
        return value

    @field_validator("oidc_admins", mode="before")
    @classmethod
    def _check_oidc_admins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        named = (each.strip() for each in value.split(","))
        return tuple(each.lower() if "@" in each else each for each in named if each)

    @field_validator("webhook_allow_private", mode="before")
    @classmethod
    def _check_webhook_allow_private(cls, value: object) -> object:
        return tuple(map(str, parse_networks(value))) if isinstance(value, str) else value

    @field_validator("webhook_proxy")
    @classmethod
    def _check_webhook_proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        try:
            proxy_at(value.get_secret_value())
        except ValueError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str | None) -> str | None:
        if value is not None and not (value.startswith(("http://", "https://")) and urlsplit(value).hostname):
            raise ValueError("must be an address such as https://evals.example.org")
        return None if value is None else value.rstrip("/")

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _check_allowed_origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        origins = tuple(origin_of(each.strip().rstrip("/")) for each in value.split(",") if each.strip())
        if wrong := [each for each in origins if not _ORIGIN.fullmatch(each)]:
            raise ValueError(f"must be origins such as http://localhost:3000, separated by commas, not {wrong[0]!r}")
        return origins or None

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _check_trusted_proxies(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(checked_proxy(each.strip()) for each in value.split(",") if each.strip())
        except InvalidProxyError as error:
            raise ValueError(str(error)) from error

    @property
    def stored_dir(self) -> Path:
        """Return the directory of files, inline rows and the key of secrets."""
        return self.shared_dir or self.data_dir

    @property
    def processes(self) -> int:
        """Return how many processes ask models and grade."""
        return self.sampling_processes or default_processes(_count_processors())

    @property
    def environments_dir(self) -> Path:
        """Return the directory of the libraries for python graders."""
        return self.grader_environments or self.data_dir / "grader-environments"

    @property
    def base_url(self) -> str:
        """Return the address in links: the public URL, else that of the listener."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def local_url(self) -> str:
        """Return the address at which commands on the same machine reach the server."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - replaced, not listened on
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def passes_calls_on(self) -> bool:
        """Tell whether calls to models are passed on to the endpoints."""
        return self.is_local or not self.expose_without_keys if self.gateway is None else self.gateway

    @property
    def records_calls(self) -> bool:
        """Tell whether calls may have to be stored."""
        return self.passes_calls_on and self.log_calls != "none"

    @property
    def is_local(self) -> bool:
        """Tell whether only this machine reaches the server: it is on loopback, and no proxy leads others to it."""
        public_host = "localhost" if self.public_url is None else urlsplit(self.public_url).hostname or ""
        return is_loopback(self.host) and is_loopback(public_host) and not self.trusted_proxies


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    return host in LOOPBACK_HOSTS or host.startswith("127.")


def _is_secret_key(text: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(text)) == _KEY_BYTES
    except ValueError:
        return False


def default_processes(processors: int) -> int:
    """Return how many processes ask models and grade where so many processors can be used.

    The server, the recorder and the one that stores items need some, too, and the latter keeps up with a few only.
    """
    return 1 if processors <= _FEW_PROCESSORS else min(processors // 2, _MOST_BY_DEFAULT)


def _count_processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def origin_of(address: str) -> str:
    """Return scheme, host and port of an address as browsers write them; any other text comes back unchanged."""
    match = _ORIGIN.match(address.lower())
    if match is None:
        return address
    scheme = match[0].partition(":")[0]
    rest = address[match.end() :]
    is_path = rest.startswith("/") or not rest
    return match[0].removesuffix(_DEFAULT_PORTS.get(scheme, "\0")) if is_path else address


def unknown_variables() -> list[str]:
    """Return the environment variables that are named like settings but are not: most likely misspelt."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
