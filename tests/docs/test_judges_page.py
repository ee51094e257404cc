"""Facts about the pages on judges: the rules shown play the judges they should, and no code or note is missing."""

import json
import re
from pathlib import Path

from evalhaven.graders.judges.answers import read_answer
from evalhaven.graders.judges.forms import SCORE_CLAMPED, ScoreForm
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.configuration.loading import Upstream, load_catalog
from evalhaven.sampling.protocols.replies import read_reply

BLOCK = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


async def test_the_rules_that_are_shown_play_several_judges(repository: Path, tmp_path: Path) -> None:
    page = (repository / "docs" / "how-to" / "work-offline.md").read_text(encoding="utf-8")
    [block] = BLOCK.findall(page.partition("\n## Several judges\n")[2])
    config = tmp_path / "evalhaven.toml"
    config.write_text(block)
    catalog = load_catalog(config, Upstream(), {})
    path = "/chat/completions"
    said: dict[tuple[str, str], str] = {}
    async with ModelCaller() as caller:
        for model in ("strict-judge", "kind-judge"):
            for question in ("Sorry?", "Fine."):
                body = json.dumps({"model": model, "messages": [{"role": "user", "content": question}]}).encode()
                called = await caller.call(catalog.find(model), path, body, lambda reply: read_reply(path, reply))
                [message] = called.value.output
                assert isinstance(message, dict)
                reading = read_answer(str(message["content"]), ScoreForm(0, 1, 0.5))
                said[model, question] = str(message.get("refusal") if reading is None else reading.result)

    assert said == {
        ("strict-judge", "Sorry?"): "0.2",
        ("strict-judge", "Fine."): "I cannot judge this.",
        ("kind-judge", "Sorry?"): "0.9",
        ("kind-judge", "Fine."): "0.9",
    }


def test_every_code_and_note_is_explained(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "judges.md").read_text(encoding="utf-8")
    source = (repository / "src/evalhaven/graders/judges/grader.py").read_text(encoding="utf-8")
    names = {*re.findall(r'"(judge_\w+|without_\w+|read_from_\w+|unescaped_\w+)"', source), SCORE_CLAMPED}

    assert len(names) == 11
    assert [name for name in names if name not in page] == []
