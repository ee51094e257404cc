"""What can go wrong with a call.

ClientError
├── AnswerError            the server answered with an error
│   ├── RefusedError       what was asked cannot be done (4xx)
│   │   ├── NotFoundError  there is no such object (404)
│   │   └── NotReadyError  the server still prepares the answer, after a long while
│   └── ServerFailedError  the server cannot answer right now (5xx)
├── UnreachableError       there is no answer, or it broke off
├── UnexpectedAnswerError  what answers is not Evalhaven, or another release of it
├── RunDeletedError        the run that is watched was deleted
└── MissingLibraryError    a frame needs a library that is not installed
"""

from http import HTTPStatus

NOT_READY = ("comparison_not_ready", "report_not_ready", "items_not_ready")
"""Codes of errors that a call waits for: what is asked for will be there in a moment."""


class ClientError(Exception):
    """Base of all errors of the client; the message is meant for people."""


class AnswerError(ClientError):
    """The server answered with an error.

    Attributes:
        message: What was wrong, and what to do.
        status: The status of the answer, such as 404.
        code: What kind of error it is, such as `no_baseline`; None if the answer does not say.
        param: The parameter at fault; None if the answer names none.
    """

    def __init__(self, message: str, status: int, code: str | None, param: str | None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.param = param


class RefusedError(AnswerError):
    """What was asked cannot be done; the message says why, and how to mend it."""


class NotFoundError(RefusedError):
    """There is no object with this id."""


class NotReadyError(RefusedError):
    """The server still prepares the answer, as it does after the end of a large run."""


class ServerFailedError(AnswerError):
    """The server cannot answer right now."""


class UnreachableError(ClientError):
    """The server does not answer, or broke off."""


class UnexpectedAnswerError(ClientError):
    """What answers is not Evalhaven, or a release of it that this client does not fit."""


class RunDeletedError(ClientError):
    """A run was deleted while somebody waited for its end."""


class MissingLibraryError(ClientError, ImportError):
    """A frame needs a library that is not installed; the message says how to install it."""


def error_of(status: int, told: dict[str, object]) -> AnswerError:
    """Return the error that an answer tells of.

    Args:
        status: The status of the answer.
        told: What stands under `error`.
    """
    code, param, message = (each if isinstance(each, str) else None for each in map(told.get, _KEYS))
    kind = RefusedError
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        kind = ServerFailedError
    elif code in NOT_READY:
        kind = NotReadyError
    elif status == HTTPStatus.NOT_FOUND:
        kind = NotFoundError
    return kind(message or f"The server answered with status {status}.", status, code, param)


_KEYS = ("code", "param", "message")
