"""A model without weights: what Dynamo's frontend and mocker read of one, made here.

Its tokens are single bytes and syllables, so that what a simulated engine says, which is random tokens, reads like a
language; its dimensions are those of Qwen3-32B, by which the mocker reckons the size of the KV cache.
"""

import functools
import itertools
import json
import string
from collections.abc import Iterator

_SPECIAL = ("<|begin|>", "<|end|>", "<|turn|>")
_VOCABULARY = 4096
"""Tokens. The mocker picks ids of up to some thousands: those that are no token would be no text."""
_CONTEXT = 40_960
_DIMENSIONS = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "num_hidden_layers": 64,
    "hidden_size": 5120,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 25_600,
    "torch_dtype": "bfloat16",
}
_CHAT = (
    "{% for message in messages %}<|turn|>{{ message['role'] }}\n{{ message['content'] }}<|end|>{% endfor %}"
    "<|turn|>assistant\n"
)


@functools.cache
def files() -> dict[str, str]:
    """Return the files of the model by their names; they are the same each time."""
    ends = {"bos_token_id": 0, "eos_token_id": 1}
    sizes = {"vocab_size": _VOCABULARY, "max_position_embeddings": _CONTEXT}
    tokens = {"bos_token": _SPECIAL[0], "eos_token": _SPECIAL[1], "pad_token": _SPECIAL[1]}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": _CONTEXT, "chat_template": _CHAT}
    contents = {
        "config.json": _DIMENSIONS | sizes | ends,
        "generation_config.json": ends,
        "tokenizer.json": _tokenizer(),
        "tokenizer_config.json": settings | tokens,
    }
    return {name: json.dumps(content, ensure_ascii=False) for name, content in contents.items()}


def _tokenizer() -> dict[str, object]:
    """Return a byte-level BPE as the library ``tokenizers`` reads it."""
    letters = _letters_of_bytes()
    merges = list(itertools.islice(_merges(letters[ord(" ")]), _VOCABULARY - len(_SPECIAL) - len(letters)))
    words = [*_SPECIAL, *letters, *("".join(pair) for pair in merges)]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    bytewise = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "added_tokens": [{"id": number, "content": word} | plain for number, word in enumerate(_SPECIAL)],
        "pre_tokenizer": bytewise,
        "decoder": bytewise,
        "model": {"type": "BPE", "vocab": {word: number for number, word in enumerate(words)}, "merges": merges},
    }


def _letters_of_bytes() -> list[str]:
    """Return the letter for each byte in a byte-level BPE (GPT-2's rule): itself where it can be printed."""
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = itertools.count(0x100)
    return [chr(byte) if byte in printed else chr(next(others)) for byte in range(0x100)]


def _merges(space: str) -> Iterator[tuple[str, str]]:
    """Yield which tokens become one: two letters, then two pairs of them; a word's first one begins with the space."""
    pairs = list(itertools.product((space, *string.ascii_lowercase), string.ascii_lowercase))
    yield from pairs
    for (first, second), (third, fourth) in itertools.product(pairs, itertools.product("aeinorst", repeat=2)):
        yield first + second, third + fourth
