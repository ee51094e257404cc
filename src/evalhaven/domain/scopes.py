"""Whose objects a query may see."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProjectScope:
    """The project that a query is confined to; every storage query takes one."""

    project_id: int


@dataclass(frozen=True, slots=True)
class EngineScope:
    """All projects: only for the engine, which takes up runs and purges deleted rows of any project."""


@dataclass(frozen=True, slots=True)
class OrganizationScope:
    """The organization itself: its projects, people and admin keys, and whose key a request carries."""


DEFAULT_PROJECT = ProjectScope(project_id=1)
