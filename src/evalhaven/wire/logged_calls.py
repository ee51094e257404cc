"""What the `evalhaven` key of a stored chat completion or response tells of the call."""

from pydantic import Field

from evalhaven.wire.contract import OpenObject


class LoggedCallExtension(OpenObject):
    """Hold what Evalhaven tells of a logged call beyond the published contract."""

    pending: bool | None = Field(
        default=None, description="Whether the call is still on its way to the store; absent once it is stored."
    )
    asked_model: str = Field(description="The model that the request names.")
    first_byte_ms: int | None = Field(description="Milliseconds to the first byte of the reply; null if unknown.")
    latency_ms: int | None = Field(description="Milliseconds to the last byte of the reply; null if unknown.")
