"""New evals, made from requests, and changes to evals."""

from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.clock import Clock
from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.evals import UNTITLED, Eval, answered_config, identified_criteria
from evalhaven.domain.ids import IdFactory, created_at_of
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.template_checks import criteria_cautions, item_key_cautions
from evalhaven.graders.multi import refuse_formulas
from evalhaven.runs.accepting.claims import Claim, made_before
from evalhaven.runs.accepting.creation import refuse_cautions, unknown_key_cautions
from evalhaven.runs.accepting.python_checks import PythonChecks
from evalhaven.storage.database import Database
from evalhaven.storage.eval_writes import insert_eval, update_eval
from evalhaven.storage.evals import get_eval
from evalhaven.wire.data_source_configs import CreateEvalCustomDataSourceConfig
from evalhaven.wire.evals import CreateEvalRequest, UpdateEvalRequest
from evalhaven.wire.requests import parse_request


@dataclass(frozen=True, slots=True)
class EvalAcceptance:
    """Makes evals from requests, and changes them.

    Each method raises InvalidRequestError if part of a request cannot be used. The message names the parameter and the
    cure, and nothing is stored.

    Attributes:
        python: Checks Python graders.
    """

    database: Database
    ids: IdFactory
    clock: Clock
    python: PythonChecks

    async def create_eval(self, scope: ProjectScope, document: JsonValue, claim: Claim, *, strict: bool) -> Eval:
        """Create an eval.

        Args:
            scope: In whose project.
            document: The request's body.
            claim: Tells whether the request was made before: then the eval that it made is returned.
            strict: Whether an eval with warnings is refused.
        """
        parsed = parse_request(CreateEvalRequest, document)
        config, criteria = parsed.body.data_source_config, parsed.body.testing_criteria
        if isinstance(config, CreateEvalCustomDataSourceConfig):
            ItemSchema(config.item_schema)
        refuse_formulas(criteria)
        eval_id = self.ids.new_eval_id()
        new = Eval(
            id=eval_id,
            created_at=created_at_of(eval_id),
            updated_at=created_at_of(eval_id),
            name=UNTITLED if parsed.body.name is None else parsed.body.name,
            metadata=parsed.body.metadata or {},
            data_source_config=answered_config(config),
            testing_criteria=identified_criteria(criteria, self.ids.new_uuid),
        )
        cautions = criteria_cautions(criteria, new.item_schema)
        refuse_cautions(cautions, strict=strict)
        cautions += item_key_cautions(new.item_schema)
        cautions += await self.python.check_criteria(criteria, strict=strict)
        new = replace(new, warnings=[*cautions, *unknown_key_cautions(parsed.unknown)])
        async with self.database.write() as tx:
            repeated = await claim.find_repeated(tx, scope, new.id, self._now())
            if repeated is None:
                if parsed.body.evalhaven is not None and parsed.body.evalhaven.follows is not None:
                    new = await _following(tx, scope, new, parsed.body.evalhaven.follows)
                await insert_eval(tx, scope, new)
            else:
                with made_before():
                    new = await get_eval(tx, scope, repeated)
        return new

    async def update_eval(self, scope: ProjectScope, eval_id: str, document: JsonValue) -> Eval:
        """Change an eval's name or metadata, which is replaced as a whole.

        Args:
            scope: In whose project.
            eval_id: The eval.
            document: The request's body.

        Raises:
            NotFoundError: There is none.
        """
        body = parse_request(UpdateEvalRequest, document).body
        metadata = body.metadata or {} if "metadata" in body.model_fields_set else None
        async with self.database.write() as tx:
            found = await get_eval(tx, scope, eval_id, for_update=True)
            changed = found.renamed(body.name, metadata, self._now())
            await update_eval(tx, scope, changed)
        return changed

    def _now(self) -> int:
        return int(self.clock.now())


async def _following(tx: AsyncConnection, scope: ProjectScope, new: Eval, followed_id: str) -> Eval:
    """Return a new eval as the next version of another one."""
    try:
        followed = await get_eval(tx, scope, followed_id, for_share=True)
    except NotFoundError as error:
        raise InvalidRequestError(
            f"'evalhaven.follows' must name an eval of this project, but there is none with id {followed_id!r}. "
            "Without it the new eval is a first version.",
            param="evalhaven.follows",
            code="invalid_value",
        ) from error
    return replace(new, version=followed.version + 1, follows=followed.id)
