"""Facts about the content of messages: every form of it, files, and what output items show of it."""

import base64
from typing import Any

import pytest

from evalhaven.sampling.messages.making import RequestError, UnsupportedRequestError
from evalhaven.sampling.protocols.requests import compile_judge, compile_sampling
from tests.recorded import read_recorded
from tests.unit.sampling.asking import (
    CHAT,
    PNG,
    PNG_URL,
    RESPONSES,
    Files,
    make,
    sent_messages,
    shown,
    target,
    template,
)

FILES = Files({"file-png": ("cat.bin", PNG), "file-csv": ("rows.csv", b"a,b")})


def content(run_type: str, *parts: Any, role: str = "user", item: dict[str, Any] | None = None) -> Any:
    """Return the content that is sent for these parts, or for a single one that is not in an array."""
    message = {"role": role, "content": list(parts) if len(parts) != 1 else parts[0]}
    at = CHAT if run_type == "completions" else RESPONSES
    return sent_messages(template(run_type, message), at, item, FILES)[0]["content"]


class TestContent:
    @pytest.mark.parametrize("run_type", ["completions", "responses"])
    @pytest.mark.parametrize(
        "part",
        [
            "Hello {{item.name}}",
            {"type": "input_text", "text": "Hello {{item.name}}"},
            {"type": "output_text", "text": "Hello {{item.name}}"},
            {"type": "text", "text": "Hello {{item.name}}"},
        ],
    )
    def test_a_single_text_is_sent_as_a_string(self, run_type: str, part: Any) -> None:
        assert content(run_type, part, item={"name": "Ann"}) == "Hello Ann"
        assert content(run_type, [part], item={"name": "Ann"}) == "Hello Ann"

    def test_strings_and_parts_are_mixed_in_their_order(self) -> None:
        parts = ("One", {"type": "input_text", "text": "Two {{item.n}}"}, {"type": "output_text", "text": "Three"})

        assert content("completions", *parts, item={"n": 2}) == [
            {"type": "text", "text": "One"},
            {"type": "text", "text": "Two 2"},
            {"type": "text", "text": "Three"},
        ]
        assert content("responses", *parts, item={"n": 2}) == [
            {"type": "input_text", "text": "One"},
            {"type": "input_text", "text": "Two 2"},
            {"type": "input_text", "text": "Three"},
        ]

    def test_texts_of_an_assistant_are_output_in_the_responses_protocol(self) -> None:
        parts = ("One", {"type": "input_text", "text": "Two"})

        assert content("responses", *parts, role="assistant") == [
            {"type": "output_text", "text": "One"},
            {"type": "output_text", "text": "Two"},
        ]

    def test_images_by_address_or_data_have_each_protocols_form(self) -> None:
        part = {"type": "input_image", "image_url": "{{ item.url }}", "detail": "low"}
        item = {"url": PNG_URL}

        assert content("completions", part, item=item) == [
            {"type": "image_url", "image_url": {"url": PNG_URL, "detail": "low"}}
        ]
        assert content("responses", part, item=item) == [{"type": "input_image", "detail": "low", "image_url": PNG_URL}]

    def test_an_image_of_chat_completions_is_understood(self) -> None:
        part = {"type": "image_url", "image_url": {"url": "{{item.url}}", "detail": "high"}}
        item = {"url": "https://x/y.png"}

        assert content("completions", part, item=item) == [
            {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "high"}}
        ]
        assert content("responses", part, item=item) == [
            {"type": "input_image", "detail": "high", "image_url": "https://x/y.png"}
        ]

    def test_audio_is_passed_on(self) -> None:
        part = {"type": "input_audio", "input_audio": {"data": "{{item.clip}}", "format": "wav"}}
        sent = [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}]

        assert content("completions", part, item={"clip": "UklGRg=="}) == sent
        assert content("responses", part, item={"clip": "UklGRg=="}) == sent

    @pytest.mark.parametrize(
        ("part", "file"),
        [
            ({"file_data": "{{item.d}}", "filename": "a.pdf"}, {"file_data": "data", "filename": "a.pdf"}),
            ({"file_id": "file-there"}, {"file_id": "file-there"}),
        ],
    )
    def test_files_have_each_protocols_form(self, part: dict[str, Any], file: dict[str, Any]) -> None:
        part = {"type": "input_file", **part}

        assert content("completions", part, item={"d": "data"}) == [{"type": "file", "file": file}]
        assert content("responses", part, item={"d": "data"}) == [{"type": "input_file", **file}]
        assert content("responses", {"type": "file", "file": file}) == [{"type": "input_file", **file}]

    def test_a_file_by_address_has_no_place_in_chat_completions(self) -> None:
        part = {"type": "input_file", "file_url": "https://x/y.pdf", "detail": "low"}

        assert content("responses", part) == [part]
        for given, place in ((part, ()), (["x", part], (1,))):
            run = template("completions", "first", {"role": "user", "content": given})
            with pytest.raises(UnsupportedRequestError, match=r"message 1.*file_url.*file_data") as caught:
                compile_sampling(run, CHAT, None)
            assert caught.value.at == ("messages", 1, "content", *place, "file_url")

    def test_a_part_that_cannot_be_sent_is_named_whatever_is_told_the_model_besides(self) -> None:
        part = {"type": "input_file", "file_url": "https://x/y.pdf"}
        run = template("completions", {"role": "user", "content": [part]}, response_format={"type": "json_object"})
        with pytest.raises(UnsupportedRequestError, match="message 0, part 0: ") as caught:
            compile_sampling(run, target("chat", lacks=("json_mode",)), None)
        assert caught.value.at == ("messages", 0, "content", 0, "file_url")

    def test_sound_has_no_place_in_responses_and_is_named(self) -> None:
        part = {"type": "input_audio", "input_audio": {"data": "x", "format": "mp3"}}
        with pytest.raises(UnsupportedRequestError, match=r"message 0, part 1: .*audio") as caught:
            compile_sampling(template("completions", {"role": "user", "content": ["x", part]}), RESPONSES, None)
        assert caught.value.at == ("messages", 0, "content", 1, "input_audio")

    @pytest.mark.parametrize(
        ("part", "told"),
        [
            ({"type": "input_image", "file_id": "file-there", "detail": "low"}, "without `detail`"),
            ({"type": "input_image", "file_id": "{{ item.f }}", "detail": "low"}, "without `detail`"),
            ({"type": "input_image", "file_id": "file-there", "image_url": "u"}, "both image_url and file_id"),
            ({"type": "input_file", "file_id": "file-there", "detail": "low"}, "have no `detail`"),
            ({"type": "file", "file": {"file_id": "file-there", "detail": "low"}}, "have no `detail`"),
        ],
    )
    def test_what_chat_completions_lose_of_a_part_is_said_with_its_place(self, part: Any, told: str) -> None:
        run = template("completions", "first", {"role": "user", "content": ["x", part]})
        (sentence,) = compile_sampling(run, CHAT, None).adaptations

        assert sentence.startswith("Input message 1, part 1: ")
        assert told in sentence

    @pytest.mark.parametrize(
        "part",
        [
            {"type": "input_image", "image_url": "u", "detail": "low"},
            {"type": "input_image", "file_id": "file-there"},
            {"type": "input_file", "file_id": "file-there"},
            {"type": "image_url", "image_url": {"url": "u", "detail": "low"}},
        ],
    )
    def test_nothing_is_said_of_parts_that_are_sent_whole(self, part: Any) -> None:
        for run_type, one in (("completions", CHAT), ("responses", RESPONSES)):
            run = template(run_type, {"role": "user", "content": [part]})
            assert compile_sampling(run, one, None).adaptations == ()

    def test_keys_inside_images_and_files_pass_too(self) -> None:
        image = {"type": "image_url", "image_url": {"url": "u", "detail": "low", "format": "png"}}
        sent = [{"type": "input_image", "image_url": "u", "detail": "low", "format": "png"}]

        assert content("responses", image) == sent
        assert content("completions", image) == [image]
        assert content("completions", {**image, "type": "input_image"}) == [image]
        file = {"type": "file", "file": {"file_id": "file-there", "mime": "x"}}
        assert content("completions", file) == [file]
        assert content("responses", file) == [{"type": "input_file", "file_id": "file-there", "mime": "x"}]

    def test_a_file_given_with_its_data_keeps_both(self) -> None:
        part = {"type": "input_file", "file_id": "file-png", "file_data": "data:x"}

        assert content("responses", part) == [part]

    def test_unknown_parts_pass_with_their_placeholders_filled(self) -> None:
        part = {"type": "video_url", "video_url": {"url": "{{ item.v }}", "frames": [1, "{{item.v}}"]}}
        sent = [{"type": "video_url", "video_url": {"url": "u", "frames": [1, "u"]}}]

        assert content("completions", part, item={"v": "u"}) == sent
        assert content("responses", part, item={"v": "u"}) == sent

    def test_unknown_keys_of_known_parts_pass(self) -> None:
        mark = {"prompt_cache_breakpoint": {"mode": "explicit"}}
        text = {"type": "input_text", "text": "x", **mark}

        assert content("completions", text) == [{"type": "text", "text": "x", **mark}]
        assert content("responses", text) == [text]
        assert content("completions", {"type": "input_image", "image_url": "u", **mark}) == [
            {"type": "image_url", "image_url": {"url": "u"}, **mark}
        ]


class TestUploadedFiles:
    def test_a_file_that_is_here_is_sent_with_the_request(self) -> None:
        assert content("completions", {"type": "input_image", "file_id": "file-png"}) == [
            {"type": "image_url", "image_url": {"url": PNG_URL}}
        ]
        assert content("responses", {"type": "input_image", "file_id": "{{item.f}}"}, item={"f": "file-png"}) == [
            {"type": "input_image", "detail": "auto", "image_url": PNG_URL}
        ]
        document = {"file_data": "data:text/csv;base64,YSxi", "filename": "rows.csv"}
        assert content("completions", {"type": "input_file", "file_id": "file-csv"}) == [
            {"type": "file", "file": document}
        ]
        assert content("responses", {"type": "file", "file": {"file_id": "file-csv"}}) == [
            {"type": "input_file", **document}
        ]

    def test_a_file_that_is_elsewhere_is_passed_on_by_its_id(self) -> None:
        image = {"type": "input_image", "file_id": "file-there"}

        assert content("completions", image) == [{"type": "file", "file": {"file_id": "file-there"}}]
        assert content("responses", image) == [{"type": "input_image", "detail": "auto", "file_id": "file-there"}]

    def test_a_file_that_every_item_shows_is_read_once(self) -> None:
        files = Files({"file-png": ("a.png", PNG)})
        image = {"role": "user", "content": ["{{item.a}}", {"type": "input_image", "file_id": "file-png"}]}
        maker = compile_sampling(template("completions", image), CHAT, None)

        bodies = [make(maker, {"a": str(number)}, files).body for number in range(3)]

        assert all(PNG_URL.encode() in body for body in bodies)
        assert files.asked == ["file-png"]

    def test_files_kept_for_other_items_are_bounded(self) -> None:
        files = Files({f"file-{number}": ("a.png", PNG + bytes(10_000_000)) for number in range(4)})
        image = {"role": "user", "content": {"type": "input_image", "file_id": "{{ item.f }}"}}
        maker = compile_sampling(template("completions", image), CHAT, None)

        for number in (0, 1, 2, 3, 3, 0):
            make(maker, {"f": f"file-{number}"}, files)

        assert files.asked == ["file-0", "file-1", "file-2", "file-3", "file-0"]

    def test_a_file_too_large_for_a_request_is_the_items_error(self) -> None:
        files = Files({"file-big": ("big.pdf", bytes(50 * 1024 * 1024 + 1))})
        message = {"role": "user", "content": {"type": "input_file", "file_id": "file-big"}}

        with pytest.raises(RequestError, match=r"file-big.*52428801") as caught:
            make(compile_sampling(template("responses", message), RESPONSES, None), {}, files)
        assert caught.value.error.code == "file_too_large"

    @pytest.mark.parametrize(
        ("name", "start", "expected"),
        [
            ("x", b"\xff\xd8\xff\xe0", "image/jpeg"),
            ("x.txt", b"GIF89a", "image/gif"),
            ("x", b"RIFF\x00\x00\x00\x00WEBPVP8", "image/webp"),
            ("x", b"RIFF\x00\x00\x00\x00WAVEfmt", "audio/wav"),
            ("x", b"%PDF-1.7", "application/pdf"),
            ("x.PDF", b"something", "application/pdf"),
            ("photo.webp", b"something", "image/webp"),
            ("x", b"something", "application/octet-stream"),
        ],
    )
    def test_the_media_type_is_told_by_content_then_by_name(self, name: str, start: bytes, expected: str) -> None:
        message = {"role": "user", "content": {"type": "input_image", "file_id": "f"}}

        sent = sent_messages(template("completions", message), CHAT, files=Files({"f": (name, start)}))

        url = sent[0]["content"][0]["image_url"]["url"]
        assert url == f"data:{expected};base64,{base64.b64encode(start).decode()}"


class TestShown:
    def test_the_recorded_judge_input_is_shown_as_recorded(self, shared_dir: Any) -> None:
        path = shared_dir / "spec" / "recorded" / "output_item_image_score_model__cookbook_2025-07.txt"
        recorded = read_recorded(path)["results"][0]["sample"]["input"]
        prompt: list[Any] = [
            {"role": "system", "content": recorded[0]["content"]},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Prompt: {{ item.prompt }}."},
                    {"type": "input_image", "image_url": "{{ item.media_url }}"},
                    {"type": "input_text", "text": "Reference answer: {{ item.reference }}."},
                    {"type": "input_text", "text": "Model response: {{ sample.output_text }}."},
                ],
            },
        ]
        document = read_recorded(path)
        sample = {"output_text": document["sample"]["output"][0]["content"]}

        maker = compile_judge(prompt, None, None, target())
        request = maker.make({"item": document["datasource_item"], "sample": sample}, Files())

        assert request.shown == recorded

    @pytest.mark.parametrize(
        ("part", "text"),
        [
            ({"type": "input_image", "image_url": "https://x/y.png"}, "<image>https://x/y.png</image>"),
            ({"type": "image_url", "image_url": {"url": PNG_URL}}, f"<image>{PNG_URL}</image>"),
            ({"type": "input_image", "file_id": "file-png"}, "<image>file-png</image>"),
            (
                {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
                "<audio>data:audio/mp3;base64,QUJD</audio>",
            ),
            ({"type": "input_file", "file_id": "file-csv"}, "<file>file-csv</file>"),
            ({"type": "input_file", "file_data": "data:x", "filename": "a.pdf"}, "<file>a.pdf</file>"),
            ({"type": "video", "u": 1}, '{"type":"video","u":1}'),
        ],
    )
    def test_media_are_shown_by_their_address(self, part: dict[str, Any], text: str) -> None:
        message = {"role": "user", "content": ["See", part, "now"]}

        assert shown(template("completions", message), CHAT) == [{"role": "user", "content": f"See {text} now"}]

    @pytest.mark.parametrize(
        ("part", "text"),
        [
            (
                {"type": "input_image", "image_url": f"data:image/png;base64,{'A' * 5000}"},
                "<image>data:image/png;base64,… (5022 characters)</image>",
            ),
            ({"type": "video", "u": "A" * 5000}, "<video>(5023 characters)</video>"),
        ],
    )
    def test_long_data_are_not_shown_whole(self, part: dict[str, Any], text: str) -> None:
        message = {"role": "user", "content": part}

        assert shown(template("completions", message), CHAT) == [{"role": "user", "content": text}]
