"""Which runs a release can execute: beside a newer server, workers of the release before it may be at work.

A run has a format: the number of what a worker has to know so that it executes the run as it was meant. A worker
leaves runs of a higher format than its own to others.
"""

from collections.abc import Iterable
from dataclasses import fields
from types import MappingProxyType

from evalhaven.domain.run_options import DEFAULT_OPTIONS, RunOptions

FIRST_FORMAT = 1

# What a release adds gets the number after those of the release before it, and a test demands that it stands here.
_FORMATS = MappingProxyType(
    {
        "option repeats": 1,
        "option cache": 1,
        "option max_concurrency": 1,
        "option extra_body": 1,
        "option budget": 1,
        "option labels": 1,
        "option strict": 1,
        "grader label_model": 1,
        "grader multi": 1,
        "grader python": 1,
        "grader score_model": 1,
        "grader string_check": 1,
        "grader text_similarity": 1,
        "data source completions": 1,
        "data source jsonl": 1,
        "data source responses": 1,
        "source file_content": 1,
        "source file_id": 1,
        "source responses": 1,
        "source stored_completions": 1,
    }
)
NEWEST_FORMAT = max(_FORMATS.values())
"""The highest format that this release executes."""


def format_of(options: RunOptions, data_source: str, source: str, graders: Iterable[str]) -> int:
    """Return the format of a run: that of the newest thing it uses.

    Args:
        options: Its options; those with their defaults count for nothing.
        data_source: The type of its data source.
        source: The type of the place where its rows stand.
        graders: The types of its graders. One that no release knows is no reason to wait for another worker.
    """
    names = [each.name for each in fields(options)]
    used = [
        *(f"option {name}" for name in names if getattr(options, name) != getattr(DEFAULT_OPTIONS, name)),
        f"data source {data_source}",
        f"source {source}",
        *(f"grader {type_}" for type_ in graders),
    ]
    return max(_FORMATS.get(name, FIRST_FORMAT) for name in used)
