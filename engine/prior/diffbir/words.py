"""Prompts to numbers as Stable Diffusion 2's text encoder was trained with: CLIP's byte pairs, without any hub."""

from __future__ import annotations

import gzip
import html
import importlib.util
import re
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

from engine.errors import EngineError

LENGTH = 77
"""Tokens of a prompt, start and end included; what is left is filled up with 0, as OpenCLIP does."""
MERGES = 49152 - 256 - 2
START, END = "<|startoftext|>", "<|endoftext|>"
PIECES = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


class PromptTooLong(EngineError):
    """A prompt has more tokens than the text encoder reads."""


class WordsMissing(EngineError):
    """The list of byte pairs is not installed."""


def _bytes() -> list[str]:
    """Give the sign that stands for each byte, in the order of CLIP's vocabulary: what can be printed stays itself."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("\xa1"), ord("\xac") + 1), *range(ord("\xae"), 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [chr(byte) for byte in shown] + [chr(256 + n) for n in range(len(hidden))]


def _merges() -> list[tuple[str, str]]:
    """Read the byte pairs that the package open_clip_torch carries, without importing it."""
    found = importlib.util.find_spec("open_clip")
    file = Path(found.origin or "").parent / "bpe_simple_vocab_16e6.txt.gz" if found is not None else None
    if file is None or not file.is_file():
        raise WordsMissing("DiffBIR's text encoder needs the package open_clip_torch: pip install open_clip_torch")
    lines = gzip.decompress(file.read_bytes()).decode("utf-8").split("\n")[1 : MERGES + 1]
    return [(first, second) for first, second in (line.split() for line in lines)]


@lru_cache(maxsize=1)
def tokenizer() -> Any:
    """Build the tokenizer (`tokenizers.Tokenizer`); prompts come out `LENGTH` long."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    merges, signs = _merges(), _bytes()
    tokens = [*signs, *(f"{sign}</w>" for sign in signs), *("".join(pair) for pair in merges), START, END]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    made: Any = Tokenizer(models.BPE(vocabulary, merges, end_of_word_suffix="</w>", unk_token=END))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    start, end = (START, vocabulary[START]), (END, vocabulary[END])
    made.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=[start, end])
    made.enable_padding(length=LENGTH, pad_id=0, pad_token="!")
    return made


def plain(prompt: str) -> str:
    """Give a prompt as the tokenizer was trained to read it: entities as signs, one blank between words."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", html.unescape(html.unescape(prompt)))).strip()


def numbers(prompt: str) -> list[int]:
    """Give a prompt's `LENGTH` tokens.

    Raises:
        PromptTooLong: it has more.
    """
    made: list[int] = tokenizer().encode(plain(prompt)).ids
    if len(made) > LENGTH:
        raise PromptTooLong(
            f"The prompt has {len(made) - 2} tokens; this prior reads at most {LENGTH - 2}. Shorten it."
        )
    return made
