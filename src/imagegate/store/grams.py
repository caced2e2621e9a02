"""Groups of letters that a text has wherever it has a word: what an index of words is made of.

A group depends on its own letters alone. So the groups of a part of a text are among those of the text, and a text
without one of them does not have the part. The other way round nothing is said: the text itself decides.
"""

from __future__ import annotations

import functools
import itertools
import zlib
from collections.abc import Iterable
from typing import NamedTuple

# From here on a letter is a syllable or a word (CJK, kana, Hangul), and two of them say as much as three others.
_FIRST_WIDE = "\u2e80"
# And from here on it is a picture, which is looked for alone.
_FIRST_EMOJI = "\U0001f000"
# Databases with the rules of all languages make an i with this dot of a capital one with a dot, others a plain i.
_DOT_ABOVE = "\u0307"
_GRAM_BITS = 24
_SHARD_BITS = 8
# Most words of prompts have come before: so their groups take a quarter of the time, and some MB.
_WORDS_KEPT, _LONGEST_KEPT = 4096, 24
_MAX_COUNTED = 64  # of a search: to count them in many texts takes a few ms
# What it takes to test a text, beside an entry of a group's list.
TEST_COST = 40


class Choice(NamedTuple):
    """Groups to look for, as numbers, and the entries of their lists for each text that is searched (estimated)."""

    grams: list[int]
    entries: float


def grams_of_text(text: str) -> set[int]:
    """The groups of all words of the text, as numbers below 2^24; several may have the same."""
    found: set[int] = set()
    for word in text.split():
        found.update(_grams_of_common_word(word) if len(word) <= _LONGEST_KEPT else map(_number_of, _split(word)))
    return found


def groups_of_words(words: Iterable[Iterable[str]]) -> list[str]:
    """Groups that a text has which contains, of each word, one of its forms. Empty where short words have none."""
    found = []
    for forms in words:
        of_forms = [_split(form) for form in forms]
        found.append([group for group in of_forms[0] if all(group in others for others in of_forms[1:])])
    return list(dict.fromkeys(itertools.chain.from_iterable(found)))


def choose_groups(groups: list[str], sample: Iterable[str]) -> Choice:
    """The groups that narrow a search at the least cost, judged by some of the texts; one at least.

    Each list is read through, and what is in all of them is tested. Groups of one word come in the same texts, so that
    a second one says little.
    """
    texts = [_fold(text) for text in sample]
    having = {
        group: frozenset(number for number, text in enumerate(texts) if group in text)
        for group in groups[:_MAX_COUNTED]
    }
    # What is in none of the texts may be in one of twice as many.
    share = {group: max(len(numbers), 0.5) / (len(texts) + 1) for group, numbers in having.items()}
    chosen: list[str] = []
    passing, passing_share = frozenset(range(len(texts))), 1.0
    for group in sorted(having, key=lambda group: share[group]):
        left = max(len(passing & having[group]), 0.5) / len(passing) if passing else share[group]
        if chosen and passing_share * (1 - left) * TEST_COST <= share[group]:
            continue
        chosen.append(group)
        passing, passing_share = passing & having[group], passing_share * left
    return Choice([_number_of(group) for group in chosen], sum(share[group] for group in chosen))


def in_shard(grams: Iterable[int], shard: int) -> list[int]:
    """The same groups, apart from those of most other shards, as numbers below 2^32."""
    first = zlib.crc32(shard.to_bytes(8)) % (1 << _SHARD_BITS) << _GRAM_BITS
    return [first + gram for gram in grams]


@functools.lru_cache(_WORDS_KEPT)
def _grams_of_common_word(word: str) -> frozenset[int]:
    return frozenset(_number_of(group) for group in _split(word))


def _split(word: str) -> list[str]:
    letters = _fold(word)
    grams = []
    for start, letter in enumerate(letters):
        size = 1 if letter >= _FIRST_EMOJI else 2 if min(letters[start : start + 2]) >= _FIRST_WIDE else 3
        gram = letters[start : start + size]
        if len(gram) == size:
            grams.append(gram)
    return grams


def _fold(text: str) -> str:
    return text.casefold().replace(_DOT_ABOVE, "")


def _number_of(gram: str) -> int:
    return zlib.crc32(gram.encode("utf-8", "surrogatepass")) % (1 << _GRAM_BITS)
