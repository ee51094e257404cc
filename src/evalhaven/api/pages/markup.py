"""HTML of the pages: escaped texts, links, tables, figures, and the page around them."""

import html
from datetime import UTC, datetime

from starlette.responses import HTMLResponse, Response

_SHOWN_CHARS = 300
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b1b1b;background:#fff}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}th,td{text-align:left;padding:.3rem .8rem .3rem 0;
border-bottom:1px solid #ddd;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
pre{white-space:pre-wrap;margin:0}.pass{color:#0072b2}.fail{color:#b34700}.error{color:#8a3d74}
@media(prefers-color-scheme:dark){body{color:#eee;background:#16181c}th,td{border-color:#3a3f47}a{color:#7ab8ff}
.pass{color:#56b4e9}.fail{color:#e69f00}.error{color:#d9a0c4}}
"""


def shown_time(at: int) -> str:
    """Return a Unix second as a date and time."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def escaped(value: str) -> str:
    """Return a text, shortened if it is long, that no browser takes for markup."""
    shown = value if len(value) <= _SHOWN_CHARS else f"{value[:_SHOWN_CHARS]}…"
    return html.escape(shown.encode("utf-8", "replace").decode())


def table(heads: list[str] | None, rows: list[list[str]]) -> str:
    """Return a table of cells that are HTML already."""
    head = "" if heads is None else f"<thead><tr>{''.join(f'<th>{name}</th>' for name in heads)}</tr></thead>"
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{head}<tbody>{body}</tbody></table>"


def page_response(title: str, body: str, status: int = 200, refresh_s: int | None = None) -> Response:
    """Return a whole page."""
    refresh = "" if refresh_s is None else f'<meta http-equiv="refresh" content="{refresh_s}">'
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escaped(title)} - Evalhaven</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">{refresh}<style>{_STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>"
    )
    return HTMLResponse(text, status, _HEADERS)
