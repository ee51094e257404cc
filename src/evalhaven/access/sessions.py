"""Rules of sessions: how long they last, which requests may act by their cookie, and where a login leads back to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

SESSION_PREFIX = "session-"
"""What the token of a session begins with."""

IDLE_S = 12 * 3600
"""How long a session lasts that nobody uses."""

LIFETIME_S = 7 * 24 * 3600
"""How long a session lasts at most."""

_FORM = re.compile(rb"session-[0-9A-Za-z]{43}")
_READS = frozenset({"GET", "HEAD", "OPTIONS"})  # no route of these has an effect
_HERE = frozenset({"same-origin", "none"})
# A path below the dashboard's, with a query. A browser takes a backslash for a slash, and drops control characters.
_WAY_BACK = re.compile(r"/(?!/)[!-\[\]-~]{0,2000}")


@dataclass(frozen=True, slots=True)
class CookieNames:
    """Names of the cookies of one server: a browser gives those of a host to all servers on its ports and paths.

    Attributes:
        session: Of that by which a browser is known.
        login: Of that in which a login waits for the browser to come back from a provider.
    """

    session: str
    login: str


NAMELESS = CookieNames("evalhaven_session", "evalhaven_login")
"""Those of a server whose data have no name."""


def cookies_of(identity: str | None) -> CookieNames:
    """Return the names for a server, and for all that share its data.

    Args:
        identity: That of its blob store; None if it has none.
    """
    if identity is None:
        return NAMELESS
    suffix = blake2b(identity.encode(), digest_size=6).hexdigest()
    return CookieNames(f"{NAMELESS.session}_{suffix}", f"{NAMELESS.login}_{suffix}")


def is_session_form(token: bytes) -> bool:
    """Tell whether a text can be the token of a session at all."""
    return _FORM.fullmatch(token) is not None


def may_act_by_cookie(method: str, headers: Mapping[str, str], own_origins: frozenset[str]) -> bool:
    """Tell whether a cookie counts for a request: what other pages have a browser send carries it, too.

    Browsers say with `Sec-Fetch-Site` whose page a request comes from, or at least its `Origin` with every write. A
    write that says neither did not come from the dashboard. A port does not keep cookies apart, so that pages of
    another port, which are of the same site, count as others.

    Args:
        method: The request's.
        headers: Its headers, with names in lower case.
        own_origins: Those under which this server is reached, as browsers write them.
    """
    site = headers.get("sec-fetch-site", "").lower()
    is_read = method in _READS
    if site:
        is_link = is_read and headers.get("sec-fetch-mode", "").lower() == "navigate"
        return site == "same-origin" or (is_read and site in _HERE) or is_link
    origin = headers.get("origin", "").lower()
    return origin in own_origins if origin or not is_read else True


def checked_way_back(address: str | None) -> str:
    """Return the address below `/ui` that somebody wanted to see before the login; the start if it is none.

    It is joined to this server's own address, so that no other site can be named.
    """
    if address is None or _WAY_BACK.fullmatch(address) is None:
        return "/"
    steps = address.partition("?")[0].split("/")
    return "/" if ".." in steps or "." in steps or "%2e" in address.lower() else address
