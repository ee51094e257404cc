"""New runs, made from requests.

A run is prepared before it is stored: while its body, which may be large, is still on disk.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

import anyio.to_thread
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.limits import Limits
from evalhaven.domain.clock import Clock
from evalhaven.domain.errors import InvalidRequestError, NotFoundError, not_json
from evalhaven.domain.evals import Eval
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.jsontext import InvalidJsonError, RawJson, Span
from evalhaven.domain.runs import Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.template_checks import input_message_cautions
from evalhaven.runs.accepting.claims import Claim, made_before
from evalhaven.runs.accepting.creation import new_run, refuse_cautions, run_options, unknown_key_cautions
from evalhaven.runs.accepting.inline import take_apart, write_inline_rows
from evalhaven.runs.accepting.limits import read_allowed, refuse_beyond
from evalhaven.runs.accepting.model_checks import checked_run, refuse_unanswerable
from evalhaven.runs.accepting.python_checks import PythonChecks
from evalhaven.runs.sources.logged_rows import LOGGED_ITEM
from evalhaven.runs.telling import untraced
from evalhaven.runs.tool_secrets import tools_with_secrets
from evalhaven.runs.vault import Vault
from evalhaven.sampling.catalog import Catalog
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import Database
from evalhaven.storage.evals import get_eval
from evalhaven.storage.files import get_file
from evalhaven.storage.run_secrets import insert_secrets
from evalhaven.storage.run_writes import insert_run
from evalhaven.storage.runs import get_run
from evalhaven.wire.data_sources import EvalResponsesSource, EvalStoredCompletionsSource
from evalhaven.wire.requests import parse_request
from evalhaven.wire.runs import CreateEvalRunRequest


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run that can be stored.

    Attributes:
        run: The run, queued; its inline rows are in its blob.
        sealed: The secrets of its tools, encrypted; None if there are none.
        limits: What its project may use.
    """

    run: Run
    sealed: bytes | None
    limits: Limits


@dataclass(frozen=True, slots=True)
class RunAcceptance:
    """Makes runs from requests.

    Each method raises InvalidRequestError (or a subclass, such as InvalidRowsError) if part of a request cannot be
    used. The message names the parameter and the cure, and nothing is stored.

    Attributes:
        catalog: The endpoints at which models are asked.
        vault: Seals the secrets of tools.
        python: Checks Python graders.
        wake_executor: Tells the executor that a run is queued.
        settle_logs: Returns once the calls that were made so far are stored, or cannot be for now.
        submit_plan: Has a stored run planned, in its transaction; None: whoever executes runs finds it by itself.
        find_trace: Returns what names the span of the request, which becomes that of the run's parent.
    """

    database: Database
    blobs: BlobStore
    ids: IdFactory
    clock: Clock
    catalog: Catalog
    vault: Vault
    python: PythonChecks
    wake_executor: Callable[[], None]
    settle_logs: Callable[[], Awaitable[None]]
    submit_plan: Callable[[AsyncConnection, int], Awaitable[None]] | None = None
    find_trace: Callable[[], str | None] = untraced

    async def get_executable_eval(self, scope: ProjectScope, eval_id: str) -> Eval:
        """Return the eval of a run that is to be created; call it before the body, which may be large, is received.

        Raises:
            NotFoundError: There is none.
            InvalidRequestError: Nothing isolates its Python graders on this machine.
        """
        async with self.database.read() as tx:
            parent = await get_eval(tx, scope, eval_id)
        await self.python.refuse_without_isolation(parent.testing_criteria)
        return parent

    async def prepare_run(self, scope: ProjectScope, parent: Eval, raw: RawJson, *, strict: bool) -> PreparedRun:
        """Return the run that a request asks for; its inline rows are checked and in its blob.

        It has to be stored next, by `store_run`.

        Args:
            scope: In whose project.
            parent: Its eval.
            raw: The request's body.
            strict: Whether messages that can never resolve, and scalars in the place of strings, are refused.

        Raises:
            LimitExceededError: The project has spent what it may in this month, and the run calls models.
        """
        try:
            body = await anyio.to_thread.run_sync(take_apart, raw)
        except InvalidJsonError as error:
            raise not_json(error) from error
        parsed = parse_request(CreateEvalRunRequest, body.document)
        data_source = parsed.body.data_source
        is_logged = isinstance(data_source.source, EvalStoredCompletionsSource | EvalResponsesSource)
        cautions = input_message_cautions(data_source, LOGGED_ITEM if is_logged else parent.item_schema)
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
        async with self.database.read() as tx:
            allowed = await read_allowed(tx, scope, self._now())
        run = allowed.checked(
            replace(run, options=options, traceparent=self.find_trace()),
            options,
            lambda one: one.is_sampled or refuse_unanswerable(one, parent, self.catalog),
            lambda one: checked_run(one, parent, self.catalog, options),
        )
        tools = tools_with_secrets(data_source) if run.is_sampled else None
        sealed = None if tools is None else self.vault.seal(tools)
        if run.has_inline_rows and body.rows is not None:
            run = await self._write_rows(run, parent, raw, body.rows)
        if is_logged:
            await self.settle_logs()  # the caller may just have made the calls that the run is about
        return PreparedRun(run, sealed, allowed.limits)

    async def store_run(self, scope: ProjectScope, prepared: PreparedRun, claim: Claim) -> Run:
        """Queue a prepared run, or return the one that the same request made before.

        Args:
            scope: In whose project.
            prepared: The run.
            claim: Tells whether the request was made before.

        Raises:
            LimitExceededError: The project has no room for it.
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
                    run = await get_run(tx, scope, run.eval_id, repeated)
        self.wake_executor()
        return run

    async def _write_rows(self, run: Run, parent: Eval, raw: RawJson, rows: Span) -> Run:
        """Write the inline rows of a run to its blob; return the run with their length and its new warnings."""
        with self.blobs.writer() as writer:
            write = partial(
                write_inline_rows,
                raw,
                rows,
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
        await get_eval(tx, scope, run.eval_id, for_share=True)
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
        more_bytes = (run.source_bytes or 0) if run.has_inline_rows else 0
        await refuse_beyond(tx, scope, prepared.limits, more_bytes)
        key = await insert_run(tx, scope, run)
        if prepared.sealed is not None:
            await insert_secrets(tx, scope, key, prepared.sealed)
        if self.submit_plan is not None:
            await self.submit_plan(tx, key)

    def _now(self) -> int:
        return int(self.clock.now())
