"""The eval of a file on a server: found again by its name and definition, else created."""

from dataclasses import dataclass
from typing import Any, cast

from evalhaven.domain.jsontext import JsonObject, JsonValue, canonical_hash
from evalhaven.eval_files.format import EvalFile
from evalhaven.eval_files.talking import Talker

DEFINITION = "evalhaven_definition"


@dataclass(frozen=True, slots=True)
class PlacedEval:
    """The eval of a file on a server.

    Attributes:
        id: Its id.
        is_new: Whether it was created just now.
        follows: The eval whose definition it changes; None if there is none, or it was there before.
        warnings: What the server says about it, if it is new.
    """

    id: str
    is_new: bool
    follows: str | None = None
    warnings: tuple[str, ...] = ()


def definition_of(file: EvalFile) -> JsonObject:
    """Return what makes an eval this one: what items look like, and how they are judged."""
    criteria: list[JsonValue] = [each.sent for each in file.testing_criteria]
    config: JsonObject = {"type": "custom", "item_schema": file.schema_of_items, "include_sample_schema": True}
    return {"data_source_config": config, "testing_criteria": criteria}


def digest_of(value: JsonValue) -> str:
    """Return a short name that only this value has."""
    return canonical_hash(value).hex()[:32]


async def find_versions(talker: Talker, name: str) -> list[dict[str, Any]]:
    """Return the evals of this name that files made, as overviews, the newest first.

    Raises:
        RefusedError: The server refused, or did not answer.
    """
    query = {"search": name, "sort": "created"}
    found = [each async for each in talker.overviews("/api/evals", query)]
    return [each for each in found if each["name"] == name and DEFINITION in each["metadata"]]


async def upsert_eval(talker: Talker, file: EvalFile, idempotency_key: str) -> PlacedEval:
    """Return the eval of a file: the one of its name and definition, else a new one that follows the last of its name.

    Args:
        talker: Leads to the server.
        file: The file.
        idempotency_key: One of the caller's own.

    Raises:
        RefusedError: The server refused, or did not answer.
    """
    definition = definition_of(file)
    digest = digest_of(definition)
    versions = await find_versions(talker, file.name)
    wanted = dict(file.metadata or {})
    for each in versions:
        if each["metadata"][DEFINITION] != digest:
            continue
        metadata = cast("dict[str, str]", each["metadata"])
        if metadata != {**wanted, DEFINITION: digest}:
            await talker.ask("POST", f"/v1/evals/{each['id']}", body={"metadata": {**wanted, DEFINITION: digest}})
        return PlacedEval(each["id"], is_new=False)
    follows = versions[0]["id"] if versions else None
    body: JsonObject = {"name": file.name, "metadata": {**wanted, DEFINITION: digest}, **definition}
    body |= {} if follows is None else {"evalhaven": {"follows": follows}}
    made = await talker.ask("POST", "/v1/evals", {"strict": "true"}, body, idempotency_key=idempotency_key)
    told = made.get("evalhaven", {}).get("warnings", [])
    return PlacedEval(made["id"], True, follows, tuple(str(each["message"]) for each in told))
