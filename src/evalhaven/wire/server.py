"""What a server tells of itself below `/api/`, for `evalhaven doctor` and whoever keeps it running."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.contract import OpenObject

MASK = "********"

SettingOrigin = Literal["default", "environment", "command line"]
"""Where the value of a setting comes from."""


class ShownSetting(OpenObject):
    """Show a setting that is in effect."""

    name: str = Field(description="The environment variable.")
    value: str | int | float | bool | None = Field(
        description=f"Its value, null if it has none. A secret is shown as `{MASK}`."
    )
    origin: SettingOrigin = Field(description="Where the value comes from.")


class ServerSettings(OpenObject):
    """Show what a server is set up to do."""

    version: str = Field(description="The release of the server.")
    process: int = Field(description="The number of its process.")
    settings: list[ShownSetting] = Field(description="Every setting, in the order of the reference.")
    environment: list[ShownSetting] = Field(
        description="Other variables that the server reads, if they are set: `OPENAI_API_KEY` and `NLTK_DATA`."
    )
    unknown_variables: list[str] = Field(
        description="Variables that begin with `EVALHAVEN_` but are not settings. They have no effect."
    )


class ServerState(OpenObject):
    """Show what anybody may know of a server before they have a key."""

    access: Literal["keys", "open"] = Field(
        description="`keys`: requests need an API key. `open`: no key was ever made, and whoever reaches the server "
        "may do everything."
    )


class PartFinding(OpenObject):
    """Show what was found of one part."""

    text: str = Field(description="What was found, in a sentence.")
    is_problem: bool = Field(description="Whether it needs attention.")
    took_ms: int | None = Field(
        default=None,
        description="Milliseconds until an endpoint of models answered. Null if it did not, or was not asked.",
    )


class ServerExamination(OpenObject):
    """Show what was found of the parts that a server uses."""

    findings: list[PartFinding] = Field(description="One finding or more for each part.")
