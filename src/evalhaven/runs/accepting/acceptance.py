"""Acceptance: everything that a request makes, checked as a whole and then stored in one transaction.

The order is the same everywhere: checks that need no database come first, then those that read it, and the
transaction that stores the object checks again what may have changed meanwhile. A refused request leaves nothing
behind.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import anyio.to_thread
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.clock import Clock
from evalhaven.domain.criteria import Criteria
from evalhaven.domain.errors import InvalidRequestError, NotFoundError, not_json
from evalhaven.domain.evals import UNTITLED, Caution, Eval, answered_config, identified_criteria
from evalhaven.domain.ids import IdFactory, created_at_of
from evalhaven.domain.jsontext import InvalidJsonError, JsonValue, RawJson
from evalhaven.domain.run_options import Budget, RunOptions
from evalhaven.domain.runs import Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.template_checks import criteria_cautions, input_message_cautions, item_key_cautions
from evalhaven.graders.multi import refuse_formulas
from evalhaven.runs.accepting.claims import Claim, made_before
from evalhaven.runs.accepting.creation import (
    new_run,
    option_cautions,
    refuse_cautions,
    run_options,
    unknown_key_cautions,
)
from evalhaven.runs.accepting.inline import RunBody, take_apart, write_inline_rows
from evalhaven.runs.accepting.model_checks import refuse_unanswerable, sampling_cautions
from evalhaven.runs.accepting.python_checks import PythonChecks
from evalhaven.runs.accepting.reruns import (
    insert_regrading,
    refuse_missing_parts,
    refuse_run_in_use,
    regraded_run,
    reopened_run,
    tools_of_retry,
)
from evalhaven.runs.tool_secrets import tools_with_secrets
from evalhaven.runs.vault import Vault
from evalhaven.sampling.catalog import Catalog
from evalhaven.storage import evals as eval_store
from evalhaven.storage import runs as run_store
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.chunks import reopen_chunks
from evalhaven.storage.database import Database
from evalhaven.storage.files import get_file
from evalhaven.storage.run_secrets import insert_secrets
from evalhaven.wire.data_source_configs import CreateEvalCustomDataSourceConfig
from evalhaven.wire.evals import CreateEvalRequest
from evalhaven.wire.regrading import RegradeRunRequest, RetryRunRequest
from evalhaven.wire.requests import ParsedRequest, parse_request
from evalhaven.wire.runs import CreateEvalRunRequest


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run that is ready to be stored.

    Attributes:
        run: The queued run; its inline rows are in its blob.
        sealed: The encrypted secrets of its tools; None if they have none.
    """

    run: Run
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Makes evals and runs from requests.

    Each method raises InvalidRequestError (or a subclass, such as InvalidRowsError) if something in a request
    cannot be used; the parameter and the cure are named, and nothing is stored.

    Attributes:
        catalog: The endpoints that serve models.
        vault: Encrypts the secrets of runs' tools.
        python: Checks Python graders.
        wake_executor: Tells the executor that a run is queued.
    """

    database: Database
    blobs: BlobStore
    ids: IdFactory
    clock: Clock
    catalog: Catalog
    vault: Vault
    python: PythonChecks
    wake_executor: Callable[[], None]

    async def create_eval(self, scope: ProjectScope, document: JsonValue, claim: Claim, *, strict: bool) -> Eval:
        """Create an eval.

        Args:
            scope: In whose project.
            document: The request's body.
            claim: Tells whether the request was made before; if so, the eval that it made is returned.
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
                await eval_store.insert_eval(tx, scope, new)
            else:
                with made_before():
                    new = await eval_store.get_eval(tx, scope, repeated)
        return new

    async def get_executable_eval(self, scope: ProjectScope, eval_id: str) -> Eval:
        """Return the eval for which a run is requested; call this before receiving the body, which may be large.

        Raises:
            NotFoundError: There is no such eval.
            InvalidRequestError: Nothing isolates the eval's Python graders on this machine.
        """
        async with self.database.read() as tx:
            parent = await eval_store.get_eval(tx, scope, eval_id)
        await self.python.refuse_without_isolation(parent.testing_criteria)
        return parent

    async def prepare_run(self, scope: ProjectScope, parent: Eval, raw: RawJson, *, strict: bool) -> PreparedRun:
        """Return the run that a request asks for, with its inline rows checked and written to its blob.

        Store it next, with `store_run`.

        Args:
            scope: In whose project.
            parent: Its eval.
            raw: The request's body.
            strict: Whether to refuse messages that can never resolve, and scalars where the schema declares strings.
        """
        try:
            body = await anyio.to_thread.run_sync(take_apart, raw)
        except InvalidJsonError as error:
            raise not_json(error) from error
        parsed = parse_request(CreateEvalRunRequest, body.document)
        data_source = parsed.body.data_source
        cautions = input_message_cautions(data_source, parent.item_schema)
        refuse_cautions(cautions, strict=strict)
        options = replace(run_options(parsed.body.evalhaven), strict=strict)
        run = new_run(
            self.ids.new_run_id(),
            parent,
            scope,
            name=parsed.body.name,
            metadata=parsed.body.metadata or {},
            data_source=data_source,
            warnings=[*cautions, *unknown_key_cautions(parsed.unknown)],
        )
        run = self._checked(replace(run, options=options), parent, options)
        tools = tools_with_secrets(data_source) if run.is_sampled else None
        sealed = None if tools is None else self.vault.seal(tools)
        if run.has_inline_rows and body.rows is not None:
            run = await self._write_rows(run, parent, raw, body)
        return PreparedRun(run, sealed)

    async def store_run(self, scope: ProjectScope, prepared: PreparedRun, claim: Claim) -> Run:
        """Queue a prepared run, or return the run that the same request made earlier.

        Args:
            scope: In whose project.
            prepared: The run.
            claim: Tells whether the request was made before.
        """
        run = prepared.run
        with self.blobs.kept_on_success(scope, run.id):
            async with self.database.write() as tx:
                repeated = await claim.find_repeated(tx, scope, run.id, self._now())
                if repeated is None:
                    await self._insert(tx, scope, prepared)
        if repeated is not None:
            self.blobs.delete(scope, run.id)
            with made_before():
                async with self.database.read() as tx:
                    run = await run_store.get_run(tx, scope, run.eval_id, repeated)
        self.wake_executor()
        return run

    async def regrade_run(
        self, scope: ProjectScope, run_id: str, document: JsonValue, claim: Claim, *, strict: bool
    ) -> tuple[Run, Eval]:
        """Queue a run that grades the samples of another one; nothing is sampled.

        Args:
            scope: In whose project.
            run_id: The run that has the samples.
            document: The request's body.
            claim: Tells whether the request was made before; if so, the run that it made is returned.
            strict: Whether criteria with warnings are refused.
        """
        parsed = parse_request(RegradeRunRequest, document)
        async with self.database.read() as tx:
            source = await run_store.get_run_by_id(tx, scope, run_id)
            parent = await eval_store.get_eval(tx, scope, source.eval_id)
        new = self._regraded(source, parent, parsed, strict=strict)
        cautions = await self.python.check_criteria(parsed.body.testing_criteria or [], strict=strict)
        new = replace(new, warnings=[*new.warnings, *cautions])
        await self.python.refuse_without_isolation(new.criteria(parent))
        async with self.database.write() as tx:
            repeated = await claim.find_repeated(tx, scope, new.id, self._now())
            if repeated is None:
                await insert_regrading(tx, scope, new, source)
            else:
                with made_before():
                    new = await run_store.get_run_by_id(tx, scope, repeated)
        self.wake_executor()
        return new, parent

    async def retry_run(self, scope: ProjectScope, run_id: str, document: JsonValue) -> tuple[Run, Eval]:
        """Queue a finished run again for its items without a result.

        A run that is under way, or has a result for every item, is returned unchanged.

        Args:
            scope: In whose project.
            run_id: The run.
            document: The request's body.
        """
        parsed = parse_request(RetryRunRequest, document).body
        budget = None if parsed.budget is None else Budget(parsed.budget.cost, parsed.budget.tokens)
        async with self.database.write() as tx:
            run = await run_store.get_run_by_id(tx, scope, run_id, for_update=True)
            parent = await eval_store.get_eval(tx, scope, run.eval_id)
            reopened = reopened_run(run, budget)
            if reopened is not run:
                await self.python.refuse_without_isolation(run.criteria(parent))
                sampling_cautions(run, self.catalog)
                refuse_unanswerable(run, parent, self.catalog)
                tools = tools_of_retry(run, parsed.tools)
                await refuse_run_in_use(tx, scope, run)
                await refuse_missing_parts(tx, scope, run, self._now())
                await run_store.save_reopened(tx, scope, reopened, self._now())
                await reopen_chunks(tx, scope, run.key)
                if tools is not None:
                    await insert_secrets(tx, scope, run.key, self.vault.seal(tools))
        self.wake_executor()
        return reopened, parent

    def _now(self) -> int:
        return int(self.clock.now())

    def _checked(self, run: Run, parent: Eval, asked: RunOptions) -> Run:
        """Return a run with the warnings about its models and about the options that were sent."""
        is_judged = refuse_unanswerable(run, parent, self.catalog)
        unused = option_cautions(asked, is_sampled=run.is_sampled, is_judged=is_judged)
        return replace(run, warnings=[*run.warnings, *unused, *sampling_cautions(run, self.catalog)])

    async def _write_rows(self, run: Run, parent: Eval, raw: RawJson, body: RunBody) -> Run:
        """Write the inline rows of a run to its blob; return the run with their length and the warnings about them."""
        if body.rows is None:
            return run
        with self.blobs.writer() as writer:
            write = partial(
                write_inline_rows,
                raw,
                body.rows,
                ItemSchema(parent.item_schema),
                writer,
                is_sampled=run.is_sampled,
                is_strict=run.options.strict,
            )
            notices = await anyio.to_thread.run_sync(write)
            await anyio.to_thread.run_sync(writer.commit, run.scope, run.id)
            return replace(run, source_bytes=writer.size_bytes, warnings=[*run.warnings, *notices.cautions])

    async def _insert(self, tx: AsyncConnection, scope: ProjectScope, prepared: PreparedRun) -> None:
        run = prepared.run
        # The eval was found before the body arrived and may have been deleted meanwhile.
        await eval_store.get_eval(tx, scope, run.eval_id, for_share=True)
        if run.file_id is not None:
            try:
                file = await get_file(tx, scope, run.file_id, self._now(), for_share=True)
            except NotFoundError as error:
                raise InvalidRequestError(
                    f"'data_source.source.id' names no file: {run.file_id!r} does not exist, is deleted or has "
                    "expired. Upload it with POST /v1/files (purpose 'evals').",
                    param="data_source.source.id",
                    code="file_not_found",
                ) from error
            run = replace(run, source_bytes=file.size_bytes)
        key = await run_store.insert_run(tx, scope, run)
        if prepared.sealed is not None:
            await insert_secrets(tx, scope, key, prepared.sealed)

    def _regraded(
        self,
        source: Run,
        parent: Eval,
        parsed: ParsedRequest[RegradeRunRequest],
        *,
        strict: bool,
    ) -> Run:
        """Return the run that grades the samples of another one, with its own criteria if any were sent."""
        given = parsed.body.testing_criteria
        cautions: list[Caution] = []
        criteria: Criteria | None = None
        if given is not None:
            refuse_formulas(given)
            cautions = criteria_cautions(given, parent.item_schema)
            refuse_cautions(cautions, strict=strict)
            criteria = identified_criteria(given, self.ids.new_uuid)
        options = run_options(parsed.body.evalhaven)
        new = regraded_run(
            self.ids.new_run_id(),
            source,
            name=parsed.body.name,
            metadata=parsed.body.metadata or {},
            criteria=criteria,
            options=options,
            warnings=[*cautions, *unknown_key_cautions(parsed.unknown)],
        )
        return self._checked(new, parent, options)
