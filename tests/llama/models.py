"""Small models with random weights, for llama.cpp: a language model, and encoders of images and sounds for it.

They know nothing, and yet do all that a server does with a model: what they say depends on every byte, every
picture and every sound before it, and the same weights are written each time.
"""

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]

CONTEXT_TOKENS = 2048
IMAGE_TOKENS = 16
SOUND_TOKENS = 30  # for each 30 s begun

_WIDTH, _LAYERS, _HEADS, _KEY_HEADS, _INNER_WIDTH = 64, 2, 4, 2, 128
_HEAD_WIDTH = _WIDTH // _HEADS
_ENCODER_WIDTH, _ENCODER_HEADS, _ENCODER_INNER_WIDTH = 32, 2, 64
_IMAGE_SIDE, _PATCH_SIDE = 56, 14
_MEL_BINS, _SOUND_POSITIONS, _STACKED = 80, 1500, 50
_EPSILON = 1e-5
_SEED = 20_240_501

_MERGES = (("t", "h"), ("th", "e"), ("i", "n"), ("a", "n"), ("e", "r"), ("o", "n"), ("Ġ", "the"), ("Ġ", "a"))
_TOOLS, _CALL, _END_OF_CALL = "<tools>", "<tool_call>", "</tool_call>"
_NEWLINE = "Ċ"  # as byte-level BPE writes it
_START, _END, _END_OF_TEXT = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
_TOOL_TOKENS = (_TOOLS, _CALL, _END_OF_CALL)
_CONTROL_TOKENS = (_START, _END, _END_OF_TEXT)
_LIKELY = frozenset('abcdefghijklmnopqrstuvwxyz0123456789.Ġ"')

# The first hidden dimensions are written by nothing that is random. _ALWAYS is the same in every state, so that a
# weight on it is a bias, and text comes out instead of any bytes. The others make a model that begins with a call
# of a tool where it has read `<tools>`, and is done when the call is.
_ALWAYS, _IS_TOOLS, _IS_CALL, _IS_END_OF_CALL, _MAY_CALL = range(5)
_PLANNED = 5
_UNLIKELY, _LESS_LIKELY, _CERTAIN = -20.0, -10.0, 40.0

# ChatML, with tools as in Hermes models: llama.cpp finds out how calls look by rendering this with and without them.
_CHAT_TEMPLATE = """\
{%- if tools %}<|im_start|>system
<tools>{% for tool in tools %}
{{ tool | tojson }}{% endfor %}
</tools><|im_end|>
{% endif %}
{%- for message in messages %}
{%- if message.role == 'tool' %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% else %}<|im_start|>{{ message.role }}
{% if message.content %}{{ message.content }}{% endif %}
{%- for call in message.tool_calls or [] %}
<tool_call>
{"name": {{ call.function.name | tojson }}, "arguments": {{ call.function.arguments | tojson }}}
</tool_call>
{%- endfor %}<|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def write_model(path: Path) -> None:
    """Write a language model of Llama's architecture, less than half a megabyte."""
    chance = np.random.default_rng(_SEED)
    tokens = [*_characters_of_bytes(), *("".join(pair) for pair in _MERGES), *_TOOL_TOKENS, *_CONTROL_TOKENS]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_vocab_size(len(tokens))
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER_WIDTH)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_KEY_HEADS)
    writer.add_rope_dimension_count(_HEAD_WIDTH)
    writer.add_layer_norm_rms_eps(_EPSILON)
    _add_tokenizer(writer, tokens)
    writer.add_tensor("token_embd.weight", _embeddings(chance, tokens))
    for layer in range(_LAYERS):
        _add_layer(writer, chance, layer)
    writer.add_tensor("output_norm.weight", np.ones(_WIDTH, np.float32))
    writer.add_tensor("output.weight", _output(chance, tokens))
    _write(writer)


def write_encoders(path: Path) -> None:
    """Write what turns images (as in LLaVA) and sounds (as in Ultravox) into states of the language model."""
    chance = np.random.default_rng(_SEED)
    writer = gguf.GGUFWriter(path, "clip")
    for key in ("clip.has_vision_encoder", "clip.has_audio_encoder", "clip.use_gelu"):
        writer.add_key_value(key, val=True, vtype=gguf.GGUFValueType.BOOL)
    _add_image_encoder(writer, chance)
    _add_sound_encoder(writer, chance)
    _write(writer)


def _add_tokenizer(writer: gguf.GGUFWriter, tokens: list[str]) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([_type_of(token) for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in _MERGES])
    writer.add_bos_token_id(tokens.index(_END_OF_TEXT))
    writer.add_eos_token_id(tokens.index(_END))
    writer.add_key_value("tokenizer.ggml.add_bos_token", val=False, vtype=gguf.GGUFValueType.BOOL)
    writer.add_chat_template(_CHAT_TEMPLATE)


def _type_of(token: str) -> gguf.TokenType:
    if token in _CONTROL_TOKENS:
        return gguf.TokenType.CONTROL
    return gguf.TokenType.USER_DEFINED if token in _TOOL_TOKENS else gguf.TokenType.NORMAL


def _characters_of_bytes() -> list[str]:
    """Return the visible character that stands for each byte in byte-level BPE."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in visible]
    return [chr(byte if byte in visible else 256 + others.index(byte)) for byte in range(256)]


def _embeddings(chance: np.random.Generator, tokens: list[str]) -> Weights:
    weights = _random(chance, len(tokens), _WIDTH, deviation=1.0)
    weights[:, :_PLANNED] = 0.0
    weights[:, _ALWAYS] = 4.0
    for token, dimension in ((_TOOLS, _IS_TOOLS), (_CALL, _IS_CALL), (_END_OF_CALL, _IS_END_OF_CALL)):
        weights[tokens.index(token), dimension] = 16.0
    return weights


def _output(chance: np.random.Generator, tokens: list[str]) -> Weights:
    weights = _random(chance, len(tokens), _WIDTH, deviation=0.25)
    weights[:, :_PLANNED] = 0.0
    weights[:, _ALWAYS] = [0.0 if set(token) <= _LIKELY else _UNLIKELY for token in tokens]
    weights[tokens.index(_END_OF_CALL), _ALWAYS] = _LESS_LIKELY
    for token, dimension in ((_CALL, _MAY_CALL), (_NEWLINE, _IS_CALL), (_END, _IS_END_OF_CALL)):
        weights[tokens.index(token), dimension] = _CERTAIN
    return weights


def _add_layer(writer: gguf.GGUFWriter, chance: np.random.Generator, layer: int) -> None:
    keys_width = _HEAD_WIDTH * _KEY_HEADS
    query = _random(chance, _WIDTH, _WIDTH, deviation=0.25)
    key = _random(chance, keys_width, _WIDTH, deviation=0.25)
    value = _random(chance, keys_width, _WIDTH, deviation=0.5)
    output = _random(chance, _WIDTH, _WIDTH, deviation=0.25)
    gate, up = (_random(chance, _INNER_WIDTH, _WIDTH) for _ in range(2))
    down = _random(chance, _WIDTH, _INNER_WIDTH)
    output[:_PLANNED] = down[:_PLANNED] = 0.0
    if layer == 0:
        _plan_first_head(query, key, value, output)
    name = f"blk.{layer}"
    for part, weights in (("attn_q", query), ("attn_k", key), ("attn_v", value), ("attn_output", output)):
        writer.add_tensor(f"{name}.{part}.weight", weights)
    for part, weights in (("ffn_gate", gate), ("ffn_up", up), ("ffn_down", down)):
        writer.add_tensor(f"{name}.{part}.weight", weights)
    for part in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"{name}.{part}.weight", np.ones(_WIDTH, np.float32))


def _plan_first_head(query: Weights, key: Weights, value: Weights, output: Weights) -> None:
    """Let the first head look at `<tool_call>`, or else at `<tools>`, and note that a call may begin."""
    slowest = _HEAD_WIDTH - 2  # the rotation for positions hardly turns it
    query[:_HEAD_WIDTH] = key[slowest] = value[0] = 0.0
    query[slowest, _ALWAYS] = 2.0
    key[slowest, _IS_TOOLS], key[slowest, _IS_CALL] = 2.0, 4.0
    value[0, _IS_TOOLS] = 1.0
    output[_MAY_CALL, 0] = 1.0


def _add_image_encoder(writer: gguf.GGUFWriter, chance: np.random.Generator) -> None:
    writer.add_string("clip.vision.projector_type", "mlp")
    writer.add_uint32("clip.vision.image_size", _IMAGE_SIDE)
    writer.add_uint32("clip.vision.patch_size", _PATCH_SIDE)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    _add_encoder_shape(writer, "vision")
    writer.add_tensor("v.patch_embd.weight", _random(chance, _ENCODER_WIDTH, 3, _PATCH_SIDE, _PATCH_SIDE))
    writer.add_tensor("v.position_embd.weight", _random(chance, IMAGE_TOKENS, _ENCODER_WIDTH, deviation=0.5))
    _add_encoder_layer(writer, chance, "v.blk.0")
    for number, width in ((0, _ENCODER_WIDTH), (2, _WIDTH)):
        writer.add_tensor(f"mm.{number}.weight", _random(chance, _WIDTH, width))
        writer.add_tensor(f"mm.{number}.bias", np.zeros(_WIDTH, np.float32))


def _add_sound_encoder(writer: gguf.GGUFWriter, chance: np.random.Generator) -> None:
    writer.add_string("clip.audio.projector_type", "ultravox")
    writer.add_uint32("clip.audio.num_mel_bins", _MEL_BINS)
    writer.add_uint32("clip.audio.projector.stack_factor", _STACKED)
    _add_encoder_shape(writer, "audio")
    for number, width in ((1, _MEL_BINS), (2, _ENCODER_WIDTH)):
        kernels = _random(chance, _ENCODER_WIDTH, width, 3).astype(np.float16)
        writer.add_tensor(f"a.conv1d.{number}.weight", kernels)
        writer.add_tensor(f"a.conv1d.{number}.bias", np.zeros((_ENCODER_WIDTH, 1), np.float32))
    positions = _random(chance, _SOUND_POSITIONS, _ENCODER_WIDTH, deviation=0.1)
    writer.add_tensor("a.position_embd.weight", positions)
    _add_encoder_layer(writer, chance, "a.blk.0")
    _add_norm(writer, "a.post_ln", _ENCODER_WIDTH)
    stacked_width = _STACKED * _ENCODER_WIDTH
    writer.add_tensor("mm.a.norm_pre.weight", np.ones(stacked_width, np.float32))
    writer.add_tensor("mm.a.mlp.1.weight", _random(chance, 2 * _WIDTH, stacked_width))
    writer.add_tensor("mm.a.norm_mid.weight", np.ones(_WIDTH, np.float32))
    writer.add_tensor("mm.a.mlp.2.weight", _random(chance, _WIDTH, _WIDTH))


def _add_encoder_shape(writer: gguf.GGUFWriter, kind: str) -> None:
    writer.add_uint32(f"clip.{kind}.embedding_length", _ENCODER_WIDTH)
    writer.add_uint32(f"clip.{kind}.feed_forward_length", _ENCODER_INNER_WIDTH)
    writer.add_uint32(f"clip.{kind}.projection_dim", _WIDTH)
    writer.add_uint32(f"clip.{kind}.block_count", 1)
    writer.add_uint32(f"clip.{kind}.attention.head_count", _ENCODER_HEADS)
    writer.add_float32(f"clip.{kind}.attention.layer_norm_epsilon", _EPSILON)


def _add_encoder_layer(writer: gguf.GGUFWriter, chance: np.random.Generator, name: str) -> None:
    width, inner = _ENCODER_WIDTH, _ENCODER_INNER_WIDTH
    attention = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_out"), (width, width))
    for part, (outputs, inputs) in {**attention, "ffn_up": (inner, width), "ffn_down": (width, inner)}.items():
        writer.add_tensor(f"{name}.{part}.weight", _random(chance, outputs, inputs))
        if part != "attn_k":  # Whisper's keys have no bias, and llama.cpp insists on that.
            writer.add_tensor(f"{name}.{part}.bias", np.zeros(outputs, np.float32))
    _add_norm(writer, f"{name}.ln1", width)
    _add_norm(writer, f"{name}.ln2", width)


def _add_norm(writer: gguf.GGUFWriter, name: str, width: int) -> None:
    writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))
    writer.add_tensor(f"{name}.bias", np.zeros(width, np.float32))


def _random(chance: np.random.Generator, *shape: int, deviation: float | None = None) -> Weights:
    """Return weights, by default scaled so that what passes them keeps its size."""
    inputs = int(np.prod(shape[1:]))
    return chance.normal(0.0, deviation or inputs**-0.5, shape).astype(np.float32)


def _write(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
