"""nginx and Caddy as `examples/proxy` sets them up, in front of a server: only names and ports are replaced."""

import contextlib
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

import httpx2
import pytest
import trustme

from tests.server import Server, free_port
from tests.system.client import PATIENCE_S, wait_until

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "proxy"
PREFIX = "/evals-app"
CLIENT = "127.0.0.2"
"""Where requests to a proxy come from: another address than the proxy's own."""

_STOPS_WITHIN_S = 10
_NGINX = """
{user}
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/proxy.log info;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/bodies;
    proxy_temp_path {directory}/answers;
    fastcgi_temp_path {directory}/unused;
    uwsgi_temp_path {directory}/unused;
    scgi_temp_path {directory}/unused;
    {sites}
}}
"""
_CADDY = """
{{
    admin off
    http_port {http_port}
    https_port {https_port}
    storage file_system {directory}
}}
{sites}
"""


@dataclass(frozen=True)
class Proxy:
    """A proxy that is up.

    Attributes:
        url: Its address over HTTPS.
        plain_url: Its address over HTTP.
        trust: What a client needs to accept its certificate.
        directory: Where it keeps what it keeps.
    """

    url: str
    plain_url: str
    trust: ssl.SSLContext
    directory: Path

    def client(self, path: str = "") -> httpx2.Client:
        """Return a client that sends requests through it, from `CLIENT`."""
        transport = httpx2.HTTPTransport(verify=self.trust, local_address=CLIENT)
        return httpx2.Client(base_url=self.url + path, transport=transport, timeout=PATIENCE_S)


@contextlib.contextmanager
def proxy_of_example(kind: str, server: Server, directory: Path) -> Generator[Proxy]:
    """Start a proxy.

    Args:
        kind: `nginx` or `caddy`.
        server: Where it leads.
        directory: Empty; for its configuration, certificate and temporary files.
    """
    program = shutil.which(kind) or shutil.which(kind, path="/usr/sbin:/usr/local/sbin")
    if program is None:
        package = {"nginx": "nginx-light"}.get(kind, kind)
        pytest.skip(f"there is no {kind}: apt install {package}")
    authority = trustme.CA()
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    http_port, https_port = free_port(), free_port()
    configuration = directory / "configuration"
    write = _nginx_configuration if kind == "nginx" else _caddy_configuration
    configuration.write_text(write(server, directory, http_port, https_port, certificate, key))
    command = [program, "-p", str(directory), "-e", str(directory / "proxy.log"), "-c", str(configuration)]
    if kind == "caddy":
        command = [program, "run", "--config", str(configuration), "--adapter", "caddyfile"]
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    home = {"HOME": str(directory), "XDG_DATA_HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
    with (directory / "output.log").open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **home}, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        proxy = Proxy(f"https://localhost:{https_port}", f"http://localhost:{http_port}", trust, directory)
        with proxy.client() as client:
            wait_until(lambda: _answers(client, process), f"{kind} answers")
        yield proxy
    finally:
        process.terminate()
        try:
            process.wait(_STOPS_WITHIN_S)
        finally:
            process.kill()


def _answers(client: httpx2.Client, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the proxy ended"
    with contextlib.suppress(httpx2.TransportError):
        return client.get("/healthz").status_code == 200
    return False


def _nginx_configuration(
    server: Server, directory: Path, http_port: int, https_port: int, certificate: Path, key: Path
) -> str:
    site, prefixed = _example("nginx.conf"), _example("nginx-prefix.conf")
    texts = {
        "/etc/ssl/evals.example.org.pem": str(certificate),
        "/etc/ssl/evals.example.org.key": str(key),
        "evals.example.org": "localhost",
        "listen 80;": f"listen 127.0.0.1:{http_port};",
        "listen 443 ": f"listen 127.0.0.1:{https_port} ",
        "    location / {": indent(prefixed, "    ") + "\n    location / {",
    }
    site = _replaced(_replaced(site, texts), {"127.0.0.1:8765": f"127.0.0.1:{server.port}"})
    user = "user root;" if os.geteuid() == 0 else ""
    return _NGINX.format(user=user, directory=directory, sites=site)


def _caddy_configuration(
    server: Server, directory: Path, http_port: int, https_port: int, certificate: Path, key: Path
) -> str:
    site, prefixed = _example("Caddyfile"), _example("Caddyfile-prefix")
    of_path = prefixed.partition("example.org {\n")[2].rpartition("}")[0]
    own = f"localhost {{\n\tbind 127.0.0.1\n\ttls {certificate} {key}\n{of_path}\thandle {{\n"
    site = _replaced(site, {"evals.example.org {\n": own}) + "\n}\n"
    site = _replaced(site, {"127.0.0.1:8765": f"127.0.0.1:{server.port}"})
    return _CADDY.format(directory=directory, http_port=http_port, https_port=https_port, sites=site)


def _example(name: str) -> str:
    """Return an example without its comments."""
    return re.sub(r"(?m)^\s*#.*\n", "", (EXAMPLES / name).read_text(encoding="utf-8"))


def _replaced(text: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        assert old in text, f"the example has no {old!r}"
        text = text.replace(old, new)
    return text
