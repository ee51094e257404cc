"""Message templates: roles, content and its parts, and the two forms of a run's `input_messages`.

Text in them may hold placeholders, therefore no URL, base64 or format name is checked here.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, Tag, WithJsonSchema, model_validator

from evalhaven.wire.contract import (
    TAG_PREFIX,
    NonEmptyStr,
    OpenObject,
    WireModel,
    choose_by,
    choose_with,
    fault,
)

_ITEM_PREFIX = "item."
_KNOWN_PARTS = ("input_text", "output_text", "input_image", "input_audio", "input_file", "text", "image_url")


class InputTextContent(OpenObject):
    """Hold text of a prompt. Published schema InputTextContent."""

    type: Literal["input_text"]
    text: str


class EvalItemContentOutputText(OpenObject):
    """Hold text a model said earlier. Published schema EvalItemContentOutputText."""

    type: Literal["output_text"]
    text: str


class InputImageContent(OpenObject):
    """Hold an image, by address, data URL, placeholder or uploaded file.

    Published schemas InputImageContent and EvalItemInputImage.
    """

    type: Literal["input_image"]
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None

    @model_validator(mode="after")
    def _require_an_image(self) -> Self:
        if self.image_url is None and self.file_id is None:
            raise fault("is required, unless file_id is given", "image_url")
        return self


class AudioClip(OpenObject):
    """Hold sound: base64 `data` in a `format` such as mp3 or wav; placeholders are allowed in both."""

    data: str
    format: str


class InputAudio(OpenObject):
    """Hold sound of a prompt. Published schema InputAudio."""

    type: Literal["input_audio"]
    input_audio: AudioClip


class InputFileContent(OpenObject):
    """Hold a document: at least one of `file_id`, `file_data`, `file_url`.

    Published schema InputFileContent.
    """

    type: Literal["input_file"]
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None
    detail: str | None = None

    @model_validator(mode="after")
    def _require_a_file(self) -> Self:
        if self.file_id is None and self.file_data is None and self.file_url is None:
            raise fault("is required, unless file_data or file_url is given", "file_id")
        return self


class ChatTextContent(OpenObject):
    """Hold text in the form of chat completions."""

    type: Literal["text"]
    text: str


class ChatImage(OpenObject):
    """Hold the address of a chat completions image."""

    url: str
    detail: str | None = None


class ChatImageContent(OpenObject):
    """Hold an image in the form of chat completions."""

    type: Literal["image_url"]
    image_url: ChatImage


class OtherContent(OpenObject):
    """Hold a part of a type this contract does not know; the model's endpoint judges it."""

    type: Annotated[str, WithJsonSchema({"type": "string", "not": {"enum": list(_KNOWN_PARTS)}})]


ContentPart = Annotated[
    Annotated[InputTextContent, Tag("choice=input_text")]
    | Annotated[EvalItemContentOutputText, Tag("choice=output_text")]
    | Annotated[InputImageContent, Tag("choice=input_image")]
    | Annotated[InputAudio, Tag("choice=input_audio")]
    | Annotated[InputFileContent, Tag("choice=input_file")]
    | Annotated[ChatTextContent, Tag("choice=text")]
    | Annotated[ChatImageContent, Tag("choice=image_url")]
    | Annotated[OtherContent, Tag("choice=other")],
    choose_by("type", *_KNOWN_PARTS, otherwise="other"),
]
"""One part of a message as an object: known types are checked, others pass."""


def _choose_content_form(value: object) -> str | None:
    if isinstance(value, str):
        return TAG_PREFIX + "text"
    if isinstance(value, list):
        return TAG_PREFIX + "array"
    if isinstance(value, Mapping | OpenObject):
        return TAG_PREFIX + "part"
    return None


EvalItemContentItem = Annotated[
    Annotated[str, Tag("choice=text")] | Annotated[ContentPart, Tag("choice=part")],
    choose_with(_choose_content_form, key="", cure="a string or a content part (an object)"),
]
"""A string or one part. Published schema EvalItemContentItem."""

EvalItemContent = Annotated[
    Annotated[str, Tag("choice=text")]
    | Annotated[ContentPart, Tag("choice=part")]
    | Annotated[list[EvalItemContentItem], Field(fail_fast=True), Tag("choice=array")],
    choose_with(_choose_content_form, key="", cure="a string, a content part (an object) or an array of both"),
]
"""What a message says: a string, one part, or an array of both. Published schema EvalItemContent."""


class EvalItem(WireModel):
    """Hold one message of a template. Published schemas EvalItem, CreateEvalItem and EasyInputMessage.

    `role` and `phase` are open: any non-empty role is passed on.
    """

    role: NonEmptyStr
    content: EvalItemContent
    type: Literal["message"] | None = None
    phase: str | None = None


class InputMessagesTemplate(WireModel):
    """Give the messages as templates, rendered once for each item."""

    type: Literal["template"]
    template: Annotated[list[EvalItem], Field(fail_fast=True)]


def _require_item_path(value: str) -> str:
    if not value.startswith(_ITEM_PREFIX) or value == _ITEM_PREFIX:
        raise fault("must be a path into the item, such as 'item.messages'")
    return value


class InputMessagesItemReference(WireModel):
    """Point to the messages inside each item: `item.` and the path of an array of messages."""

    type: Literal["item_reference"]
    item_reference: Annotated[
        str,
        AfterValidator(_require_item_path),
        WithJsonSchema({"type": "string", "pattern": r"^item\.(.|\n)+"}),
    ]


InputMessages = Annotated[
    Annotated[InputMessagesTemplate, Tag("choice=template")]
    | Annotated[InputMessagesItemReference, Tag("choice=item_reference")],
    choose_by("type", "template", "item_reference"),
]
"""How a run's messages are made, selected by `type`."""
