"""The words a small prior knows, and the tokenizer made of them."""

from __future__ import annotations

from typing import Any

from engine.errors import EngineError

LENGTH = 16
"""Tokens of a prompt, start and end mark included."""

RARE = ("sks", "zwx", "ohwx", "qvt", "bxr", "hjd", "mfk", "vlq")
"""Tokens that are no words: each can stand for one person."""

COMMON = (
    *("a", "an", "the", "of", "in", "and", "with"),
    *("photo", "portrait", "face", "picture"),
    *("person", "man", "woman", "child", "boy", "girl"),
    *("colour", "color", "black", "white", "grey", "gray"),
    *("smiling", "serious", "old", "young"),
)
"""Words of captions. Which of them a training really used stands in the prior's card."""

MARKS = ("[pad]", "[start]", "[end]", "[unknown]")


class UnknownWord(EngineError):
    """A prompt holds a word that the prior never saw."""


def vocabulary() -> tuple[str, ...]:
    """Every token in the order of its number."""
    return (*MARKS, *COMMON, *RARE)


def tokenizer(words: tuple[str, ...]) -> Any:
    """Build the whitespace tokenizer (`tokenizers.Tokenizer`) over a vocabulary; prompts come out `LENGTH` long."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[unknown]"))
    made.normalizer = normalizers.Lowercase()  # pyright: ignore[reportAttributeAccessIssue]
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # pyright: ignore[reportAttributeAccessIssue]
    made.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single="[start] $A [end]", special_tokens=[("[start]", 1), ("[end]", 2)]
    )
    made.enable_padding(length=LENGTH, pad_id=0, pad_token="[pad]")
    made.enable_truncation(LENGTH)
    return made


def check(prompt: str, words: tuple[str, ...]) -> None:
    """Raise `UnknownWord` when a prompt is too long or holds a word outside the vocabulary."""
    asked = prompt.lower().split()
    unknown = [w for w in asked if w not in words]
    if unknown:
        known = ", ".join(w for w in words if w not in MARKS and w not in RARE)
        raise UnknownWord(f"This prior does not know {', '.join(map(repr, unknown))}. It knows: {known}.")
    if len(asked) > LENGTH - 2:
        raise UnknownWord(f"The prompt has {len(asked)} words; this prior reads at most {LENGTH - 2}. Shorten it.")
