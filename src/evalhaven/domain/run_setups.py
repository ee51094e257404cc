"""What a run was made of, in a form in which two runs are quickly compared: lists of runs mark what changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from evalhaven.domain import jsontext
from evalhaven.domain.criteria import Criteria
from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.spending import Spending

_PROMPT = ("tools", "response_format", "text")
_JUDGE = "judge"


@dataclass(frozen=True, slots=True)
class RunSetup:
    """What a run was made of, as digests.

    Attributes:
        prompt: Of the messages, the tools and the form of the answer.
        parameters: Of the other sampling parameters.
        model: The model.
        data: Of where the rows stand.
        criteria: Of the criteria; None if they are the eval's.
        judges: The models that graded, as their endpoints named them; empty if none has answered.
    """

    prompt: bytes
    parameters: bytes
    model: str
    data: bytes
    criteria: bytes | None
    judges: frozenset[str]

    def changed_since(self, earlier: "RunSetup", of_eval: bytes, of_earlier_eval: bytes) -> list[str]:
        """Return what differs from an earlier run of the same eval, or of one that it follows.

        Args:
            earlier: The earlier run.
            of_eval: Digest of the criteria of the eval.
            of_earlier_eval: The same of the earlier run's eval.
        """
        changed = [
            name for name in ("prompt", "parameters", "model", "data") if getattr(self, name) != getattr(earlier, name)
        ]
        if (self.criteria or of_eval) != (earlier.criteria or of_earlier_eval):
            changed.append("criteria")
        # Of a run that has not come to its judges nothing is known.
        if self.judges and earlier.judges and self.judges != earlier.judges:
            changed.append(_JUDGE)
        return changed


def setup_of(
    data_source: DataSource,
    own_criteria: Criteria | None,
    spending: Spending,
    *,
    model: str,
    source_bytes: int | None,
    extra_body: JsonValue,
) -> RunSetup:
    """Return the setup of a run.

    Args:
        data_source: Its data source.
        own_criteria: Its own criteria; None for those of the eval.
        spending: What its calls add up to, which names the judges.
        model: The model that it samples.
        source_bytes: Length of its rows, by which inline rows are told apart.
        extra_body: What each request holds beside its parameters.
    """
    document = data_source.json
    params = data_source.sampling_params
    source = document.get("source")
    where = {key: value for key, value in source.items() if key != "content"} if isinstance(source, dict) else source
    is_inline = isinstance(where, dict) and where.get("type") == "file_content"
    return RunSetup(
        prompt=_digest([document.get("input_messages"), {key: params[key] for key in _PROMPT if key in params}]),
        parameters=_digest([{key: value for key, value in params.items() if key not in _PROMPT}, extra_body]),
        model=model,
        data=_digest([document.get("type"), where, source_bytes if is_inline else None]),
        criteria=None if own_criteria is None else criteria_digest(own_criteria),
        judges=frozenset(usage.model for usage in spending.usage if usage.role == _JUDGE),
    )


def criteria_digest(criteria: Criteria) -> bytes:
    """Return a digest of criteria that does not depend on their ids, which are new for every run."""
    essence: Sequence[JsonObject] = [
        {key: value for key, value in criterion.items() if key != "id"} for criterion in criteria.json
    ]
    return _digest([*essence])


def _digest(value: JsonValue) -> bytes:
    return blake2b(jsontext.render(value).encode("utf-8", "surrogatepass"), digest_size=16).digest()
