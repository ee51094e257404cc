"""The envelope of every refused request."""

from evalhaven.wire.contract import WireModel


class Error(WireModel):
    """Tell why a request was refused; `param` names the parameter at fault. Published schema Error."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorResponse(WireModel):
    """Wrap an error. Published schema ErrorResponse."""

    error: Error
