"""Which methods an address takes, and what was meant by one that is unknown."""

import re

from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import Scope

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PREFIX = re.compile(r"(?:/openai/v1|/openai|/v1)(?=/)")
_DOUBLED = re.compile(r"(/openai/v1|/openai|/v1)((?:/openai|/v1)+)(?=/|$)")


def allowed_methods(application: FastAPI, path: str) -> str:
    """Return the methods of a path as in the header `Allow`; empty if nothing is served there."""
    found = [method for method in _METHODS if _is_served(application, method, path)]
    if not found:
        return ""
    return ", ".join(["GET", "HEAD", *found[1:], "OPTIONS"] if found[0] == "GET" else [*found, "OPTIONS"])


def hint_for(application: FastAPI, path: str) -> str:
    """Return what is wrong with an unknown path, and the cure, if a base address was put together wrongly.

    Programs add part of the path themselves, and some add `/v1` to an address that ends in it.
    """
    plain = re.sub(r"//+", "/", path)
    if doubled := _DOUBLED.match(plain):
        return (
            f" {doubled[0]} is doubled: the base address (`api_base`, `base_url`) ends in {doubled[1]}, and the "
            f"program adds {doubled[2]} by itself. Leave {doubled[1]} out of the address."
        )
    prefix = _PREFIX.match(plain)
    meant = f"/v1{plain[prefix.end() :] if prefix else plain}".rstrip("/")
    if not allowed_methods(application, meant):
        return ""
    if prefix is None:
        return f" Did you mean {meant}? The base address (`base_url`, `api_base`) ends in /v1."
    return f" Did you mean {meant}? Mind the slashes where the base address and the path meet, and at the end."


def _is_served(application: FastAPI, method: str, path: str) -> bool:
    scope: Scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    return any(route.matches(dict(scope))[0] is Match.FULL for route in application.routes)
