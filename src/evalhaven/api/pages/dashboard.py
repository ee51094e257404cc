"""The built dashboard as it is sent: its files, compressed once, and the headers that keep the pages safe."""

import gzip
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from starlette.responses import Response

BUILT_PAGES = Path(__file__).resolve().parents[2] / "_web"
"""Where `hatch_build.py` puts the built pages."""

_PAGE = "index.html"
# How the built page names its files: it stands at addresses of any depth, so the way to them is written as it is sent.
_RELATIVE = b'="./'
_ASSETS = "assets/"
_FOREVER = "public, max-age=31536000, immutable"
# Browsers believe them (nosniff), and what a machine's own list says differs.
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".md": "text/plain",
    ".svg": "image/svg+xml",
}
_LEAST_COMPRESSED_BYTES = 1_000
# What models and users wrote cannot become code: no script but our own files, nothing loaded from elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; connect-src 'self'; font-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
"""Headers of every page."""


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    compressed: bytes | None
    media_type: str


class Dashboard:
    """The files of the dashboard, in memory from the first request on: 1 MB, and no path leads out of it.

    Args:
        directory: Where the pages were built; they may be missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def is_built(self) -> bool:
        """Whether there are pages."""
        return _PAGE in self._files

    def response(self, path: str, to_files: str, accepted_encodings: str) -> Response | None:
        """Return a file, or the page that shows everything else by itself; None for an asset that is not there.

        Args:
            path: What follows `/ui/`.
            to_files: The relative way from the request's address to `/ui/`. The page names its files by it, so that it
                works below whatever a proxy puts before the server's addresses.
            accepted_encodings: The header `Accept-Encoding`.
        """
        found = self._files.get(path)
        if found is None and path.startswith(_ASSETS):
            return None
        page = self._files[_PAGE]
        if found is None or found is page:
            # A kilobyte that differs by address: sent as it is, it costs less than to compress it each time.
            found = _File(page.body.replace(_RELATIVE, f'="{to_files}'.encode()), None, page.media_type)
        caching = _FOREVER if path.startswith(_ASSETS) else "no-cache"
        headers = {**HEADERS, "cache-control": caching, "vary": "Accept-Encoding"}
        body = found.body
        if found.compressed is not None and "gzip" in accepted_encodings:
            body = found.compressed
            headers["content-encoding"] = "gzip"
        return Response(body, headers=headers, media_type=found.media_type)

    @cached_property
    def _files(self) -> dict[str, _File]:
        paths = [path for path in self._directory.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return {path.relative_to(self._directory).as_posix(): _read(path) for path in paths}


def _read(path: Path) -> _File:
    body = path.read_bytes()
    is_text = path.suffix in _TYPES
    compressed = gzip.compress(body, mtime=0) if is_text and len(body) >= _LEAST_COMPRESSED_BYTES else None
    return _File(body, compressed, _TYPES.get(path.suffix, "application/octet-stream"))
