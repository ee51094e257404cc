"""What a server tells of itself below `/api/`, for `evalhaven doctor` and whoever keeps it running."""

from evalhaven.wire.contract import OpenObject

MASK = "********"


class ShownSetting(OpenObject):
    """Show a setting as it holds: its variable, its value with secrets masked, and where that comes from."""

    name: str
    value: str | int | float | bool | None
    origin: str


class ServerSettings(OpenObject):
    """Show what a server was set up to do.

    `process` is the number of its process; `environment` has the other variables that it reads, and
    `unknown_variables` those that look like settings and are none.
    """

    version: str
    process: int
    settings: list[ShownSetting]
    environment: list[ShownSetting]
    unknown_variables: list[str]


class PartFinding(OpenObject):
    """Show what was found of one part, and whether it needs attention."""

    text: str
    is_problem: bool


class ServerExamination(OpenObject):
    """Show what was found of the parts that a server uses."""

    findings: list[PartFinding]
