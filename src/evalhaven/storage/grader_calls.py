"""Queries on graders that are asked for one sample: the API leaves requests, the executor leaves answers."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.output_items import Grade
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.output_items import grade_of, grade_values
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import grader_calls

KEPT_S = 3600


@dataclass(frozen=True, slots=True)
class GraderCall:
    """A grader to be asked once; `request` holds its document, the item and the model's text."""

    key: int
    scope: ProjectScope
    request: JsonObject


@dataclass(frozen=True, slots=True)
class GraderAnswer:
    """The answer to a grader call.

    Attributes:
        seconds: How long grading took.
        grade: The conclusion; None if the grader cannot be executed.
        refusal: Why it cannot be executed; "" if it was.
    """

    seconds: float
    grade: Grade | None
    refusal: str = ""


async def insert_grader_call(tx: AsyncConnection, scope: ProjectScope, request: JsonObject, at: int) -> int:
    """Leave a request for the executor; return its number."""
    # If a number were used again, one request could get the answer to another.
    key = secrets.randbits(62)
    values = {"key": key, "project_id": scope.project_id, "created_at": at, "request": request}
    await tx.execute(insert(grader_calls).values(values))
    return key


async def list_waiting_calls(tx: ReadTransaction, _scope: EngineScope, limit: int) -> list[GraderCall]:
    """Return the requests without an answer, oldest first."""
    query = select(grader_calls).where(grader_calls.c.answer.is_(None)).order_by(grader_calls.c.created_at).limit(limit)
    return [GraderCall(row.key, ProjectScope(row.project_id), row.request) for row in (await tx.execute(query)).all()]


async def list_known_calls(tx: ReadTransaction, _scope: EngineScope, keys: Sequence[int]) -> set[int]:
    """Return which of these requests are still waited for."""
    query = select(grader_calls.c.key).where(grader_calls.c.key.in_(keys))
    return set((await tx.execute(query)).scalars())


async def save_grader_answer(tx: AsyncConnection, scope: ProjectScope, key: int, answer: GraderAnswer) -> bool:
    """Leave the answer to a request; return whether that was done: it may have one, or be no longer waited for."""
    grade = None if answer.grade is None else grade_values(answer.grade)
    unanswered = grader_calls.c.answer.is_(None)
    saved = await tx.execute(
        update(grader_calls)
        .where(grader_calls.c.key == key, grader_calls.c.project_id == scope.project_id, unanswered)
        .values(answer=[answer.seconds, grade, answer.refusal])
    )
    return bool(saved.rowcount)


async def find_grader_answer(tx: AsyncConnection, scope: ProjectScope, key: int) -> GraderAnswer | None:
    """Return the answer to a request; None if there is none yet."""
    query = select(grader_calls.c.answer).where(
        grader_calls.c.key == key, grader_calls.c.project_id == scope.project_id
    )
    found = (await tx.execute(query)).scalar_one_or_none()
    if found is None:
        return None
    seconds, grade, refusal = found
    return GraderAnswer(seconds, None if grade is None else grade_of(*grade), refusal)


async def delete_grader_call(tx: AsyncConnection, scope: ProjectScope, key: int) -> None:
    """Delete a request that is answered or no longer waited for."""
    await tx.execute(
        delete(grader_calls).where(grader_calls.c.key == key, grader_calls.c.project_id == scope.project_id)
    )


async def forget_grader_calls(tx: AsyncConnection, _scope: EngineScope, now: int) -> None:
    """Delete requests whose server was killed while it waited."""
    await tx.execute(delete(grader_calls).where(grader_calls.c.created_at < now - KEPT_S))
