"""The page around a report."""

from base64 import b64encode
from hashlib import sha256

from starlette.responses import Response

from evalhaven import __version__
from evalhaven.api.html_report.elements import Markup, document, element, verbatim_style
from evalhaven.api.html_report.style import SHEET
from evalhaven.api.html_report.texts import moment

# Nothing is loaded, executed or sent; the only style is the one whose hash is here.
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(SHEET.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)


def page_response(title: str, body: Markup, made_at: int, source: str, file_name: str) -> Response:
    """Return a whole page.

    Args:
        title: What it is about.
        body: Its content.
        made_at: Unix second of now.
        source: Of what it was made.
        file_name: What a browser calls it when it is kept.
    """
    head = element(
        "head",
        {},
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "content-security-policy", "content": _POLICY}),
        element("meta", {"name": "viewport", "content": "width=device-width,initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("meta", {"name": "referrer", "content": "no-referrer"}),
        element("title", {}, f"{title} - Evalhaven"),
        verbatim_style(SHEET),
    )
    foot = element("footer", {}, f"Made by Evalhaven {__version__} on {moment(made_at)} of {source}.")
    text = document(head, element("body", {}, element("main", {}, body), foot))
    headers = {
        "content-security-policy": f"{_POLICY}; frame-ancestors 'none'",
        "content-disposition": f'inline; filename="{file_name}"',
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    return Response(text, headers=headers, media_type="text/html; charset=utf-8")
