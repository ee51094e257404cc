"""The forecast: what an export would copy, found by listing evals and runs; nothing is written."""

from dataclasses import dataclass, field

from evalhaven.importers.hosted.client import HostedClient, HostedError, path_of
from evalhaven.importers.hosted.export import EVAL_FILES
from evalhaven.importers.hosted.filters import Filters
from evalhaven.importers.hosted.listening import OLDEST_FIRST
from evalhaven.importers.hosted.logs import COMPLETIONS
from evalhaven.importers.pages import Head, object_id, read_head


@dataclass(slots=True)
class Forecast:
    """How much would be copied; `listed_evals` also counts those that the filters leave out."""

    listed_evals: int = 0
    evals: int = 0
    runs: int = 0
    active_runs: int = 0
    output_items: int = 0
    stored_completions: int = 0
    problems: list[str] = field(default_factory=list[str])
    file_ids: set[str] = field(default_factory=set[str])


async def forecast_export(client: HostedClient, filters: Filters, *, all_files: bool, logs: bool = True) -> Forecast:
    """Return what an export with these filters would copy.

    Raises:
        HostedError: The account cannot be read.
    """
    forecast = Forecast()
    if filters.eval_ids:
        for eval_id in dict.fromkeys(filters.eval_ids):
            await _add_eval(client, filters, read_head(await client.get_object(path_of("evals", eval_id))), forecast)
    else:
        async for _, page in client.list_pages(path_of("evals"), OLDEST_FIRST):
            for raw in page.objects:
                await _add_eval(client, filters, read_head(raw), forecast)
    if all_files:
        async for _, page in client.list_pages(path_of("files"), EVAL_FILES):
            forecast.file_ids.update(map(object_id, page.objects))
    if logs and not filters.eval_ids:
        try:
            async for _, page in client.list_pages(path_of(*COMPLETIONS), OLDEST_FIRST):
                forecast.stored_completions += sum(filters.wants_eval(read_head(raw)) for raw in page.objects)
        except HostedError as error:
            if error.is_gone:
                raise
            forecast.problems.append(f"Stored completions cannot be listed: {error}")
    return forecast


async def _add_eval(client: HostedClient, filters: Filters, parent: Head, forecast: Forecast) -> None:
    runs = 0
    async for _, page in client.list_pages(path_of("evals", parent.id, "runs"), OLDEST_FIRST):
        for run in map(read_head, page.objects):
            if filters.wants_run(parent, run):
                runs += 1
                forecast.active_runs += not run.is_final
                forecast.output_items += run.total
                forecast.file_ids.update(run.file_ids)
    forecast.listed_evals += 1
    forecast.runs += runs
    forecast.evals += bool(runs) or filters.wants_eval(parent)
