"""`text_similarity`: how alike two rendered templates are, from 0 to 1; the threshold passes."""

from collections.abc import Mapping

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import Grade
from evalhaven.domain.samples import ItemError, Sample, Usage
from evalhaven.graders.base import UnsupportedGraderError
from evalhaven.graders.calculators import CalculatorError
from evalhaven.graders.facilities import Facilities
from evalhaven.graders.pairs import parse_pair
from evalhaven.graders.similarity.cosine import cosine
from evalhaven.graders.similarity.meteor import WITHOUT_WORDNET, meteor
from evalhaven.graders.similarity.metrics import METRICS
from evalhaven.graders.similarity.wordnet import INSTALL_HINT
from evalhaven.sampling.embeddings.embedder import Embedder, EmbeddingError
from evalhaven.wire.graders import EvalGraderTextSimilarity

LONGEST_INLINE_US = 1000.0
LARGE_CHARS = 256 * 1024
_WAITING = 64  # items at once if each waits for an endpoint or a calculator
_SOMETIMES_WAITING = 16


class TextSimilarity:
    """A `text_similarity` criterion."""

    def __init__(self, criterion: EvalGraderTextSimilarity, facilities: Facilities) -> None:
        """Check that its metric can be computed here.

        Args:
            criterion: The criterion.
            facilities: What it works with.

        Raises:
            UnsupportedGraderError: It needs an embeddings endpoint, and none is configured.
        """
        self._metric = criterion.evaluation_metric
        self._threshold = criterion.pass_threshold
        self._templates = parse_pair(criterion.input, criterion.reference)
        self._facilities = facilities
        self._notes = (WITHOUT_WORDNET,) if self._metric == "meteor" and facilities.wordnet is None else ()
        if self._metric == "cosine":
            self._embedder = _configured(facilities.embedder, criterion.name)

    @property
    def concurrency(self) -> int:
        """Return how many items are worth grading at once."""
        return _SOMETIMES_WAITING if self._metric in METRICS else _WAITING

    @property
    def waits(self) -> bool:
        """Tell whether each item waits for the endpoint of embeddings."""
        return self._metric == "cosine"

    @property
    def caution(self) -> str | None:
        """Return a warning if synonyms are missing."""
        if not self._notes:
            return None
        return (
            "METEOR counts equal words and equal stems only, and no synonyms, because WordNet was not found: "
            f"{INSTALL_HINT}, then start the server again."
        )

    async def grade(self, namespaces: Mapping[str, JsonValue]) -> Grade:
        """Measure how alike input and reference are; a placeholder without a value scores 0 and fails."""
        texts = self._templates.render(namespaces)
        if isinstance(texts, Grade):
            return texts
        if len(texts[0]) + len(texts[1]) <= LARGE_CHARS:
            return await self._compare(*texts)
        # Many items wait at once: large texts are not kept, but rendered again when their turn comes.
        del texts
        async with self._facilities.large_texts:
            texts = self._templates.render(namespaces)
            return texts if isinstance(texts, Grade) else await self._compare(*texts)

    async def _compare(self, text: str, reference: str) -> Grade:
        if self._metric == "cosine" and text and reference:
            return await self._compare_embeddings(text, reference)
        try:
            score = await self._score(text, reference) if text and reference else float(text == reference)
        except CalculatorError as error:
            what = f"{self._metric} of texts of {len(text):,} and {len(reference):,} characters {error}"
            return _errored(ItemError(error.code, f"Computing {what}.", "sandbox", error.retryable))
        return Grade(score=score, passed=score >= self._threshold, notes=self._notes)

    async def _compare_embeddings(self, text: str, reference: str) -> Grade:
        watch = self._facilities.watch
        try:
            embeddings = await self._embedder.embed((text, reference))
        except EmbeddingError as error:
            what = f"cosine of texts of {len(text):,} and {len(reference):,} characters"
            item_error = ItemError("embeddings_failed", f"No {what}: {error}", "judge", error.retryable)
            if watch is not None:
                watch.note_failure(item_error, is_fatal=error.is_fatal)
            return _errored(item_error)
        tokens = embeddings.tokens
        if watch is not None:
            watch.note_answer(embeddings.cost, tokens)
        usage = Usage(prompt_tokens=tokens, total_tokens=tokens)
        latency_ms = embeddings.latency_ms
        call = Sample(model=self._embedder.model, usage=usage, latency_ms=latency_ms, attempts=1, cost=embeddings.cost)
        score = cosine(*embeddings.vectors)
        return Grade(score=score, passed=score >= self._threshold, calls=(call,) if tokens else ())

    async def _score(self, text: str, reference: str) -> float:
        if self._metric == "meteor":
            return await self._facilities.calculators.call(meteor, text, reference, self._facilities.wordnet)
        metric = METRICS[self._metric]
        if metric.cost_us(text, reference) <= LONGEST_INLINE_US:
            return metric.score(text, reference)
        return await self._facilities.calculators.call(metric.score, text, reference)


def _configured(embedder: Embedder | None, name: str) -> Embedder:
    if embedder is None:
        raise UnsupportedGraderError(
            f"Testing criterion {name!r} compares embeddings (cosine), and no endpoint for them is configured. "
            "Set EVALHAVEN_EMBEDDINGS_BASE_URL (such as https://api.openai.com/v1), EVALHAVEN_EMBEDDINGS_API_KEY and, "
            "for another model than text-embedding-3-large, EVALHAVEN_EMBEDDINGS_MODEL; then start the server again."
        )
    return embedder


def _errored(error: ItemError) -> Grade:
    return Grade(score=0.0, passed=False, error=error)
