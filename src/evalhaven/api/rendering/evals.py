"""Evals on the wire."""

from evalhaven.api.rendering.parts import imported_document, shown_warnings
from evalhaven.domain import jsontext
from evalhaven.domain.evals import Eval


def eval_text(found: Eval) -> str:
    """Return the JSON text of an eval."""
    if found.imported is not None:
        return jsontext.render(imported_document(found.imported))
    return jsontext.render(
        {
            "object": "eval",
            "id": found.id,
            "data_source_config": found.data_source_config.json,
            "testing_criteria": found.testing_criteria.json,
            "name": found.name,
            "created_at": found.created_at,
            "metadata": found.metadata,
            "evalhaven": {
                "warnings": shown_warnings(found.warnings),
                "version": found.version,
                "follows": found.follows,
            },
        }
    )
