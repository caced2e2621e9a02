"""Groups of letters that a text has wherever it has a word: what an index of words is made of.

A group depends on its own letters alone. So the groups of a part of a text are among those of the text, and a text
without one of them does not have the part. The other way round nothing is said: the text itself decides.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable

# From here on a letter is a syllable or a word (CJK, kana, Hangul), and two of them say as much as three others.
_FIRST_WIDE = "\u2e80"
# And from here on it is a picture, which is looked for alone.
_FIRST_EMOJI = "\U0001f000"
# Databases with the rules of all languages make an i with this dot of a capital one with a dot, others a plain i.
_DOT_ABOVE = "\u0307"
_GRAM_BITS = 24
_SHARD_BITS = 8
_MAX_ASKED = 8  # groups of one search: more exclude little, and each is read through


def grams_of_text(text: str) -> set[int]:
    """The groups of all words of the text, as numbers below 2^24; several may have the same."""
    return {_number_of(gram) for word in text.split() for gram in _split(word)}


def grams_of_words(words: Iterable[Iterable[str]]) -> list[int]:
    """Groups that a text has which contains, of each word, one of its forms. Empty where short words have none."""
    found = []
    for forms in words:
        of_forms = [dict.fromkeys(_number_of(gram) for gram in _split(form)) for form in forms]
        found.append([gram for gram in of_forms[0] if all(gram in others for others in of_forms[1:])])
    found.sort(key=len, reverse=True)  # long words are rare
    return list(dict.fromkeys(itertools.chain.from_iterable(found)))[:_MAX_ASKED]


def in_shard(grams: Iterable[int], shard: int) -> list[int]:
    """The same groups, apart from those of most other shards, as signed 32 bits."""
    first = (zlib.crc32(shard.to_bytes(8)) % (1 << _SHARD_BITS) << _GRAM_BITS) - (1 << 31)
    return [first + gram for gram in grams]


def _split(word: str) -> list[str]:
    letters = word.casefold().replace(_DOT_ABOVE, "")
    grams = []
    for start, letter in enumerate(letters):
        size = 1 if letter >= _FIRST_EMOJI else 2 if min(letters[start : start + 2]) >= _FIRST_WIDE else 3
        gram = letters[start : start + size]
        if len(gram) == size:
            grams.append(gram)
    return grams


def _number_of(gram: str) -> int:
    return zlib.crc32(gram.encode("utf-8", "surrogatepass")) % (1 << _GRAM_BITS)
