"""What all wire models share: strictness, openness, tagged unions and faults in our own words.

Invariants: every union of objects is tagged with `choose_by`, so that a document is checked against one
model only and a rejection names one cause. A list that a request may fill is marked `fail_fast`: one
error is told, and to collect a million of them would occupy the server for many seconds.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    ModelWrapValidatorHandler,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

FAULT = "evalhaven_fault"
"""Type of the validation errors made by `fault`; their `message` is ready to be sent."""

UNKNOWN_CHOICE = "evalhaven_unknown_choice"
"""Type of the validation errors of a tagged union; their `key` and `cure` say what it expected."""

if TYPE_CHECKING:
    from evalhaven.wire.json_values import JsonObject, JsonValue

    JsonArray = list[JsonValue]
else:
    # The values came from a decoder and need no second check.
    JsonObject = dict[str, object]
    JsonArray = list[object]

TAG_PREFIX = "choice="
"""Start of every union tag, which tells tags from keys in the location of a validation error."""


class WireModel(BaseModel):
    """Hold one object of the contract: immutable, strictly typed, unknown keys kept as extras.

    Strict means that "1" is no integer and `true` no number; an integer is taken for a float. NaN and
    the infinities are not numbers.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False)

    open_object: ClassVar[bool] = False
    """Whether keys beyond the declared ones belong to the object: they are never reported as unknown."""

    _sent: JsonObject = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _keep_what_was_sent(cls, value: object, parse: ModelWrapValidatorHandler[Self]) -> Self:
        model = parse(value)
        if isinstance(value, dict):
            model._sent = cast("JsonObject", value)  # noqa: SLF001 - its own class
        return model

    @property
    def sent(self) -> JsonObject:
        """Return the object as it was written: key order, unknown keys, nulls and forms of numbers included."""
        return self._sent


class OpenObject(WireModel):
    """Hold an object that is passed on whole, so that every key of it may mean something to the receiver."""

    open_object: ClassVar[bool] = True


def fault(message: str, *at: str | int) -> PydanticCustomError:
    """Build the error a validator raises.

    Args:
        message: What is wrong and how to fix it; follows the parameter's name in the final sentence.
        at: Keys and indexes from the validated value down to the offending one; none for the value itself.
    """
    return PydanticCustomError(FAULT, "Invalid value", {"message": message, "at": at})


class _Choice(Discriminator):
    """A discriminator that can be hashed, since `typing` hashes everything in a union."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def choose_by(key: str, *known: str, otherwise: str | None = None) -> Discriminator:
    """Return the discriminator of a union of objects, whose members carry `Tag("choice=<value of key>")`.

    Args:
        key: The key whose string value selects the member.
        known: The values that have a member of their own.
        otherwise: The tag suffix for any other string; without it, other strings are rejected.
    """

    def choose(value: object) -> str | None:
        if isinstance(value, Mapping):
            chosen = cast("Mapping[str, object]", value).get(key)
        else:
            chosen = getattr(value, key, None)
        if not isinstance(chosen, str):
            return None
        if chosen in known:
            return TAG_PREFIX + chosen
        return TAG_PREFIX + otherwise if otherwise is not None else None

    if otherwise is not None:
        return choose_with(choose, key=key, cure="a string")
    *first, last = (repr(value) for value in known)
    return choose_with(choose, key=key, cure=f"one of {', '.join(first)} or {last}" if first else last)


def choose_with(choose: Callable[[object], str | None], *, key: str, cure: str) -> Discriminator:
    """Return a discriminator that reports what it cannot place as an unknown choice.

    Args:
        choose: Maps a value to the full tag of its member, or to None if there is none.
        key: The key that is missing or wrong in a rejected object; "" if the value itself is wrong.
        cure: What the key, or the value, must be; completes "must be".
    """
    return _Choice(
        choose,
        custom_error_type=UNKNOWN_CHOICE,
        custom_error_message="Unknown choice",
        custom_error_context={"key": key, "cure": cure},
    )


# Pydantic's own length limits need valid Unicode, whereas a wire string may hold a lone surrogate.
def _require_text(value: str) -> str:
    if not value:
        raise fault("must not be empty")
    return value


UnixTime = Annotated[int, WithJsonSchema({"type": "integer", "format": "unixtime"})]
"""A moment in seconds since 1970, UTC."""

NonEmptyStr = Annotated[str, AfterValidator(_require_text), WithJsonSchema({"type": "string", "minLength": 1})]
"""A string of at least one character."""
