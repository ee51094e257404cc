"""Why there is no connection, in words of our own: aiohttp's messages show addresses with the secrets in them."""

import ssl

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
    ClientResponseError,
    InvalidURL,
    ServerConnectionError,
)

from evalhaven.sampling.transport.replies import TransportError
from evalhaven.sampling.transport.routes import Origin

_OK = 200


def connect_error(error: Exception, origin: Origin, timeout_s: float) -> TransportError:
    """Return the error for a connection that could not be made."""
    if isinstance(error, ClientConnectorCertificateError):
        return _certificate_error(error.certificate_error, origin.peer)
    return TransportError("connect", _reason(error, origin, timeout_s))


def _reason(error: Exception, origin: Origin, timeout_s: float) -> str:
    none = f"no connection to {origin.peer}"
    match error:
        case ClientHttpProxyError():
            reason = f"the proxy answered {error.status} to the request for {origin.peer}"
        case ClientResponseError() if error.status == _OK:
            reason = f"the proxy answered 200 to the request for {origin.peer}, and more than a head"
        case ClientResponseError():
            reason = f"the proxy sent no HTTP to the request for {origin.peer}"
        case ClientProxyConnectionError() if origin.proxy is not None:
            reason = f"{none}: its proxy {origin.proxy.host}:{origin.proxy.port}: {_said(error.os_error)}"
        case ServerConnectionError() if origin.proxy is not None and not isinstance(error, TimeoutError):
            reason = f"the proxy ended the connection at the request for {origin.peer}"
        case TimeoutError():
            reason = f"{none} within {timeout_s:g} seconds"
        case ClientConnectorError():
            reason = f"{none}: {_said(error.os_error)}"
        case OSError():
            reason = f"{none}: {_said(error)}"
        case InvalidURL():
            reason = f"{none}: it is no address"
        case _:
            reason = f"{none}: {type(error).__name__}"
    return reason


def _certificate_error(error: Exception, peer: str) -> TransportError:
    said = getattr(error, "verify_message", "") or type(error).__name__
    failure = TransportError("connect", f"the certificate of {peer} is not trusted: {said}")
    failure.__cause__ = error if isinstance(error, ssl.CertificateError) else None
    return failure


def _said(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no TLS ({(error.reason or 'unknown').replace('_', ' ').lower()})"
    return error.strerror or type(error).__name__
