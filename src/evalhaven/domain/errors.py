"""Everything that can be wrong with a request or a run, as exceptions.

EvalhavenError
├── NotFoundError            no object has this id (wire: 404)
├── InvalidRequestError      what was sent cannot be accepted (400)
│   ├── InvalidRowsError     rows of a data source break the eval's item schema (400, or a failed run)
│   └── UploadEndedError     an upload is completed, canceled or expired (400)
├── UnknownCallerError       a request carries no key, or one that is not valid (401)
├── ForbiddenError           a caller lacks the permission (403)
├── LimitExceededError       a project or key has used what it may (429)
├── ModelNotServedError      no endpoint serves the model of a call (404)
├── GatewayOffError          calls to models are not passed on here (403)
├── UpstreamFailedError      a model's endpoint cannot be reached, or answers what is no reply (502)
├── UpstreamLateError        a model's endpoint has not answered in time (504)
├── UnansweredError          a part of the server does not answer, for now (503)
├── DamagedFileError         a stored file's length has changed (500, or a failed run)
├── RequestTooLargeError     a body, file or row over its limit (413)
├── UnreadableEncodingError  a body that is compressed or otherwise encoded (415)
└── IllegalRunTransitionError  a bug: a run was asked to leave a final status
"""

from evalhaven.domain.ids import RUN_PREFIXES
from evalhaven.domain.statuses import RunStatus


class EvalhavenError(Exception):
    """Base of all errors with a message meant for the user."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class NotFoundError(EvalhavenError):
    """No object of this kind has this id."""

    def __init__(self, kind: str, public_id: str, param: str) -> None:
        super().__init__(f"{kind} not found: no {kind.lower()} with id {public_id!r}.", param=param, code="not_found")


class InvalidRequestError(EvalhavenError):
    """The request cannot be accepted; the message says why and how to mend it."""


class InvalidRowsError(InvalidRequestError):
    """Rows of a data source cannot be used; the message lists the first ten."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message, param=param, code="invalid_data_source")


class UploadEndedError(InvalidRequestError):
    """An upload takes nothing any more."""

    def __init__(self, upload_id: str, status: str) -> None:
        super().__init__(
            f"Upload {upload_id!r} is {status} and takes nothing any more; create another one (POST /v1/uploads).",
            param="upload_id",
            code="upload_ended",
        )


def not_json(error: ValueError) -> InvalidRequestError:
    """Return the error of a body that is not JSON."""
    return InvalidRequestError(f"The request body is not valid JSON: {error}.", code="invalid_json")


class RequestTooLargeError(EvalhavenError):
    """The body is over the server's limit."""


class UnreadableEncodingError(EvalhavenError):
    """The body has a content encoding that is not decoded here."""


class UnknownCallerError(EvalhavenError):
    """A request carries no key, or one that is not valid; the message says what to send."""


class ForbiddenError(EvalhavenError):
    """A caller may not do what it asks for.

    Attributes:
        scope: The permission that it would need; "" if no permission would do.
    """

    def __init__(
        self, message: str, *, scope: str = "", param: str | None = None, code: str = "insufficient_permissions"
    ) -> None:
        super().__init__(message, param=param, code=code)
        self.scope = scope


class LimitExceededError(EvalhavenError):
    """A project or key has used what it may.

    Attributes:
        wait_s: Seconds after which the same request may be granted; None if time alone does not help.
    """

    def __init__(self, message: str, *, code: str, param: str | None = None, wait_s: float | None = None) -> None:
        super().__init__(message, param=param, code=code)
        self.wait_s = wait_s


class ModelNotServedError(EvalhavenError):
    """No endpoint serves the model that a call names; the message says what is served."""


class GatewayOffError(EvalhavenError):
    """Calls to models are not passed on by this server; the message names the setting."""


class UpstreamFailedError(EvalhavenError):
    """The endpoint of a model cannot be reached, or what it answers is no reply."""


class UpstreamLateError(EvalhavenError):
    """The endpoint of a model has not begun its reply in time."""


class UnansweredError(EvalhavenError):
    """The part of the server that has to answer is down or takes too long; it may answer later."""


class DamagedFileError(EvalhavenError):
    """A stored file is gone, or its length has changed since it was accepted; what is left is not used."""

    def __init__(self, name: str, size_bytes: int | None, accepted_bytes: int, param: str | None = None) -> None:
        """Say what is wrong.

        Args:
            name: Id of the file, or of the run whose inline rows it holds.
            size_bytes: Its length now; None if it is gone.
            accepted_bytes: Its length when it was accepted.
            param: The parameter that names the file.
        """
        what = "file with the inline rows of run" if name.startswith(RUN_PREFIXES) else "file"
        found = "is gone from the disk" if size_bytes is None else f"has {size_bytes} bytes"
        super().__init__(
            f"The stored {what} {name!r} {found} and had {accepted_bytes} bytes when it was accepted. Restore it from "
            "a backup, or send it again.",
            param=param,
            code="stored_file_damaged",
        )


class IllegalRunTransitionError(EvalhavenError):
    """A run was asked to make a move that its status does not allow."""

    def __init__(self, run_id: str, old: RunStatus, new: RunStatus) -> None:
        super().__init__(f"Run {run_id!r} is {old} and cannot become {new}.")
