"""Facts about input messages: templates, references into items, and those of judges."""

import json
from typing import Any

import pytest

from evalhaven.sampling.messages.making import RequestError, UnsupportedRequestError
from evalhaven.sampling.protocols.requests import compile_judge, compile_sampling
from tests.unit.sampling.asking import (
    CHAT,
    RESPONSES,
    Files,
    body_of,
    make,
    reference,
    sent_messages,
    template,
)

RUNS = [("completions", CHAT), ("responses", RESPONSES)]


def refusal_of(data_source: dict[str, Any], item: dict[str, Any], at: Any = CHAT) -> RequestError:
    """Return why there is no request for an item."""
    with pytest.raises(RequestError) as caught:
        make(compile_sampling(data_source, at, None), item)
    return caught.value


class TestTemplates:
    @pytest.mark.parametrize(("run_type", "at"), RUNS)
    def test_placeholders_are_filled_for_each_item(self, run_type: str, at: Any) -> None:
        source = template(run_type, {"role": "system", "content": "Be {{item.how}}."}, "{{ item.text }}")
        maker = compile_sampling(source, at, None)

        requests = [make(maker, {"how": "kind", "text": text}) for text in ("one", "two")]

        key = "messages" if run_type == "completions" else "input"
        assert [json.loads(each.body)[key] for each in requests] == [
            [{"role": "system", "content": "Be kind."}, {"role": "user", "content": text}] for text in ("one", "two")
        ]
        assert requests[1].shown == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "two"}]

    def test_quotes_control_characters_and_lone_surrogates_arrive_as_they_are(self) -> None:
        text = 'He said "no"\\ \n\t\x00\x7f \u2028 é 😀 \ud800 end'
        source = template("completions", "{{ item.text }}!", {"role": "user", "content": [{"type": "x", "y": text}]})

        request = make(compile_sampling(source, CHAT, None), {"text": text})

        assert json.loads(request.body)["messages"] == [
            {"role": "user", "content": text + "!"},
            {"role": "user", "content": [{"type": "x", "y": text}]},
        ]
        assert b"\\ud800" in request.body

    def test_text_that_is_not_ascii_is_sent_as_utf_8(self) -> None:
        request = make(compile_sampling(template("completions", "größer {{item.a}}"), CHAT, None), {"a": "é"})

        assert "größer é".encode() in request.body

    def test_a_value_in_the_data_that_looks_like_a_placeholder_is_text(self) -> None:
        item = {"text": "{{ item.secret }}", "secret": "s"}

        assert sent_messages(template("completions", "{{item.text}}"), CHAT, item)[0]["content"] == "{{ item.secret }}"

    def test_values_that_are_no_text_go_in_as_json(self) -> None:
        item = {"list": [1, "é"], "big": 10**30}

        sent = sent_messages(template("completions", "{{item.list}} {{item.big}}"), CHAT, item)

        assert sent[0]["content"] == '[1, "é"] 1000000000000000000000000000000'

    def test_roles_and_types_may_be_placeholders(self) -> None:
        message = {"role": "{{ item.role }}", "content": {"type": "{{item.type}}", "text": "t"}}

        sent = sent_messages(template("completions", message), CHAT, {"role": "user", "type": "input_text"})

        assert sent == [{"role": "user", "content": "t"}]

    def test_messages_without_placeholders_are_the_same_for_every_item(self) -> None:
        maker = compile_sampling(template("completions", "Hello."), CHAT, None)

        assert make(maker, {"a": 1}) == make(maker, {"b": 2})

    @pytest.mark.parametrize("text", ["{{ item.gone }}", "{{ item.a.b }}", "{{ item.a.strip() }}", "{{ sample.x }}"])
    def test_a_placeholder_without_a_value_leaves_the_item_unasked(self, text: str) -> None:
        refused = refusal_of(template("completions", f"x {text} {{{{item.a}}}}"), {"a": "v"})

        name = text.strip("{} ")
        assert (refused.error.code, refused.error.origin) == ("unresolved_template", "template")
        assert refused.unresolved == (name,)
        assert text in refused.error.message

    def test_every_missing_variable_is_named_once_and_a_few_are_shown(self) -> None:
        names = [f"item.v{number}" for number in range(12)]
        source = template("completions", *(f"{{{{ {name} }}}}" for name in names), f"again {{{{ {names[0]} }}}}")

        refused = refusal_of(source, {})

        assert refused.unresolved == tuple(names)
        assert refused.error.message.count("{{") == 10
        assert "and 2 more" in refused.error.message

    def test_a_missing_variable_inside_an_image_is_named_as_well(self) -> None:
        image = {"role": "user", "content": {"type": "input_image", "image_url": "{{ item.url }}"}}

        assert refusal_of(template("completions", image), {}).unresolved == ("item.url",)

    @pytest.mark.parametrize("count", [1, 3])
    def test_messages_that_grow_too_large_are_the_items_error(self, count: int) -> None:
        source = template("completions", *(f"{number}{{{{ item.t }}}}" for number in range(count)))

        refused = refusal_of(source, {"t": "x" * (40_000_000 // count)})

        assert (refused.error.code, refused.error.origin) == ("template_too_large", "template")

    def test_keys_that_the_contract_does_not_have_are_not_sent(self) -> None:
        message = {"type": "message", "role": "user", "content": "x", "name": "n", "tool_calls": None}

        assert sent_messages(template("completions", message), CHAT) == [{"role": "user", "content": "x"}]

    def test_no_messages_are_refused_before_anything_runs(self) -> None:
        with pytest.raises(UnsupportedRequestError, match="empty"):
            compile_sampling(template("completions"), CHAT, None)

    def test_the_phase_is_kept_where_the_protocol_has_it(self) -> None:
        message = {"role": "assistant", "content": "x", "phase": "commentary"}
        chat = compile_sampling(template("completions", message), CHAT, None)

        assert sent_messages(template("responses", message), RESPONSES) == [{"type": "message", **message}]
        assert json.loads(make(chat).body)["messages"] == [{"role": "assistant", "content": "x"}]
        assert chat.adaptations == ("Chat completions have no `phase` of messages: it is not sent.",)


class TestReferences:
    MESSAGES = ({"role": "system", "content": "s"}, {"role": "user", "content": "u"})

    @pytest.mark.parametrize(("run_type", "at"), RUNS)
    def test_the_messages_of_the_item_are_sent(self, run_type: str, at: Any) -> None:
        item = {"a": {"messages": list(self.MESSAGES)}}

        assert sent_messages(reference(run_type, "item.a.messages"), at, item) == list(self.MESSAGES)

    def test_an_array_kept_as_text_is_understood(self) -> None:
        item = {"messages": json.dumps(self.MESSAGES)}

        assert sent_messages(reference("completions"), CHAT, item) == list(self.MESSAGES)

    def test_what_looks_like_a_placeholder_in_them_is_text(self) -> None:
        item = {"messages": [{"role": "user", "content": "{{ item.a }} \ud800"}], "a": "x"}

        assert sent_messages(reference("completions"), CHAT, item) == item["messages"]

    @pytest.mark.parametrize("path", ["item.gone", "item.messages[3]", "item.messages.pop()"])
    def test_a_path_that_leads_nowhere_leaves_the_item_unasked(self, path: str) -> None:
        refused = refusal_of(reference("completions", path), {"messages": []})

        assert (refused.error.code, refused.error.origin) == ("unresolved_template", "template")
        assert refused.unresolved

    @pytest.mark.parametrize(
        ("messages", "told"),
        [
            ("Hello", 'must be an array, but are "Hello"'),
            ({"role": "user", "content": "x"}, "must be an array, but are an object"),
            ([], "empty array"),
            (["Hello"], 'message 0 must be an object, but is "Hello"'),
            ([{"role": "user", "content": "x"}, {"content": "y"}], "message 1 has no role"),
            ([{"type": "message", "content": "y"}], "message 0 has no role"),
            ([{"type": 5}], "type that is not a string"),
            ([{"role": "user", "content": 5}], "message 0: the content must be"),
            ([{"role": "user", "content": [{"text": "no type"}]}], "message 0: the content must be"),
            ([{"role": "user", "content": [{"type": "text"}]}], "a text part has no text"),
            ([{"role": "user", "content": [{"type": "input_image"}]}], "neither image_url nor file_id"),
            ([{"role": "assistant", "content": "", "tool_calls": {}}], "tool_calls that are not an array"),
        ],
    )
    @pytest.mark.parametrize(("run_type", "at"), RUNS)
    def test_anything_else_is_the_items_error(self, run_type: str, at: Any, messages: Any, told: str) -> None:
        refused = refusal_of(reference(run_type), {"messages": messages}, at)

        assert (refused.error.code, refused.error.origin) == ("invalid_messages", "data_source")
        assert told in refused.error.message


class TestJudges:
    def test_a_text_becomes_a_users_message_that_may_name_the_sample(self) -> None:
        maker = compile_judge("Is {{sample.output_text}} {{item.a}}?", {"temperature": 0}, None, CHAT)

        request = maker.make({"item": {"a": "right"}, "sample": {"output_text": "it"}}, Files())

        assert json.loads(request.body) == {
            "model": "m-1",
            "temperature": 0,
            "messages": [{"role": "user", "content": "Is it right?"}],
        }
        assert maker.path == "/chat/completions"

    def test_a_placeholder_without_a_value_leaves_nothing_and_is_named_once(self) -> None:
        gap = "{{ sample.output_json.x }}"
        prompt: Any = [
            {"role": "system", "content": f"<{gap}>"},
            {"role": "user", "content": f"{gap}{{{{ item.a }}}}!"},
        ]
        made = compile_judge(prompt, None, None, CHAT).make({"item": {"a": 1}, "sample": {"output_text": "w"}}, Files())

        assert [message["content"] for message in json.loads(made.body)["messages"]] == ["<>", "1!"]
        assert [message["content"] for message in made.shown] == ["<>", "1!"]  # pyright: ignore[reportIndexIssue, reportArgumentType, reportOptionalSubscript, reportCallIssue]
        assert made.unresolved == ("sample.output_json.x",)

    @pytest.mark.parametrize(
        "part",
        [
            {"type": "input_image", "image_url": "{{ item.gone }}"},
            {"type": "input_image", "file_id": "{{ item.gone }}", "detail": "low"},
            {"type": "input_audio", "input_audio": {"data": "{{ item.gone }}", "format": "wav"}},
            {"type": "input_file", "file_data": "{{ item.gone }}", "filename": "a.pdf"},
        ],
    )
    def test_nothing_is_sent_of_a_medium_without_a_value(self, part: dict[str, Any]) -> None:
        text = {"type": "input_text", "text": "Is it right?"}
        kept = {"type": "input_image", "image_url": "{{ item.url }}"}
        prompt: Any = [{"role": "user", "content": [part, text]}, {"role": "user", "content": [part, text, kept]}]
        made = compile_judge([*prompt, {"role": "user", "content": part}], None, None, CHAT)
        request = made.make({"item": {"url": "http://x/y.png"}}, Files())

        assert made.make({"item": {"url": "http://x/y.png", "gone": "z"}}, Files()).unresolved == ()
        assert request.unresolved == ("item.gone",)
        image = {"type": "image_url", "image_url": {"url": "http://x/y.png"}}
        assert [message["content"] for message in json.loads(request.body)["messages"]] == [
            "Is it right?",
            [{"type": "text", "text": "Is it right?"}, image],
            "",
        ]

    def test_a_prompt_that_cannot_be_sent_without_it_names_it_too(self) -> None:
        prompt: Any = [{"role": "{{ item.role }}", "content": "x"}]

        with pytest.raises(RequestError, match="has no role") as caught:
            compile_judge(prompt, None, None, CHAT).make({"item": {}}, Files())
        assert caught.value.unresolved == ("item.role",)

    def test_messages_without_a_role_are_refused_before_anything_runs(self) -> None:
        with pytest.raises(UnsupportedRequestError, match="message 1 has no role"):
            compile_judge([{"role": "user", "content": "x"}, {"content": "y"}], None, None, CHAT)

    def test_the_form_of_the_answer_goes_along_in_either_protocol(self) -> None:
        schema = {"type": "object", "properties": {"result": {"type": "number"}}}
        wanted: Any = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema, "strict": True}}
        chat, responses = (compile_judge("x", None, wanted, at) for at in (CHAT, RESPONSES))

        assert json.loads(make(chat).body)["response_format"] == wanted
        assert json.loads(make(responses).body)["text"] == {
            "format": {"type": "json_schema", "name": "s", "schema": schema, "strict": True}
        }
        assert responses.path == "/responses"


def test_the_model_is_the_one_the_endpoint_knows() -> None:
    assert body_of(template("completions", "x"), CHAT)["model"] == "m-1"
