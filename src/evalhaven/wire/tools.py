"""Tool definitions handed to the sampled model: functions are checked for a name, all else is open."""

from collections.abc import Mapping
from typing import Annotated, Literal, cast

from pydantic import Field, Tag, WithJsonSchema, model_validator

from evalhaven.wire.contract import TAG_PREFIX, JsonObject, NonEmptyStr, OpenObject, choose_with, fault

MAX_TOOLS = 128


class FunctionObject(OpenObject):
    """Hold a function in the form of chat completions. Published schema FunctionObject."""

    name: NonEmptyStr
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class ChatCompletionTool(OpenObject):
    """Offer a function in the form of chat completions. Published schema ChatCompletionTool."""

    type: Literal["function"]
    function: FunctionObject


class FunctionTool(OpenObject):
    """Offer a function in the form of responses. Published schema FunctionTool."""

    type: Literal["function"]
    name: NonEmptyStr
    description: str | None = None
    parameters: JsonObject | None = None
    output_schema: JsonObject | None = None
    strict: bool | None = None
    defer_loading: bool | None = None
    allowed_callers: list[str] | None = None

    @model_validator(mode="before")
    @classmethod
    def _require_a_name(cls, value: object) -> object:
        if isinstance(value, Mapping) and cast("Mapping[str, object]", value).get("name") is None:
            raise fault(
                "is required: a tool of type 'function' takes its name from 'name' (responses form) "
                "or from 'function.name' (chat completions form)",
                "name",
            )
        return cast("object", value)


class OtherTool(OpenObject):
    """Offer a tool of any other type; the model's endpoint judges it."""

    type: Annotated[str, WithJsonSchema({"type": "string", "not": {"const": "function"}})]


def _choose_tool(value: object) -> str | None:
    if isinstance(value, Mapping):
        tool = cast("Mapping[str, object]", value)
        tool_type, chat = tool.get("type"), tool.get("function") is not None
    else:
        tool_type, chat = getattr(value, "type", None), isinstance(value, ChatCompletionTool)
    if not isinstance(tool_type, str):
        return None
    if tool_type != "function":
        return TAG_PREFIX + "other"
    return TAG_PREFIX + ("chat_function" if chat else "function")


Tool = Annotated[
    Annotated[ChatCompletionTool, Tag("choice=chat_function")]
    | Annotated[FunctionTool, Tag("choice=function")]
    | Annotated[OtherTool, Tag("choice=other")],
    choose_with(_choose_tool, key="type", cure="a string"),
]
"""One tool of any type. Published schemas Tool and ChatCompletionTool."""

Tools = Annotated[list[Tool], Field(max_length=MAX_TOOLS)]
"""The tools of a request, at most 128."""
