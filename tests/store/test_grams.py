"""Groups of letters: a text has those of every part of it, whatever a database makes of capitals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.store.grams import grams_of_text, grams_of_words, in_shard
from imagegate.store.queries.task_filter import word_forms

# Letters that change in number or in more ways than one, of many scripts, and no group of any three.
LETTERS = st.sampled_from("aZéßẞİIıſΣσςŉΐǅꭰᾳ\u0307여우狐🦊-%_!9")
WORDS = st.text(LETTERS, min_size=1, max_size=7)


@given(before=WORDS, word=WORDS, after=WORDS)
def test_a_text_has_the_groups_of_every_form_in_which_a_word_is_found(before: str, word: str, after: str) -> None:
    asked = grams_of_words([word_forms(word)])
    for form in word_forms(word):
        text = f"{before}{form}{after}"
        # As it was typed, and as what is lower in one database or another.
        for typed in (text, text.upper() if form.upper().lower() == form else text, text.lower()):
            assert set(asked) <= grams_of_text(f"x {typed} y")


def test_whatever_changes_its_case_has_the_same_groups() -> None:
    letters = (chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000)
    for letter in (one for one in letters if one.lower() != one and not one.isspace()):
        for lower in (letter.lower(), letter.lower()[0]):
            assert grams_of_text(f"ab{letter}cd") == grams_of_text(f"ab{lower}cd"), letter


@pytest.mark.parametrize(
    ("word", "number"),
    [("fox", 1), ("foxes", 3), ("ox", 0), ("a", 0), ("여우", 1), ("고양이", 2), ("산", 0), ("🦊", 1)],
)
def test_words_of_two_syllables_and_of_one_emoji_have_groups_too(word: str, number: int) -> None:
    assert len(grams_of_words([[word]])) == number
    assert set(grams_of_words([[word]])) <= grams_of_text(f"the {word}")
    assert not set(grams_of_words([[word]])) & grams_of_text("the")


def test_a_long_search_asks_for_the_groups_of_its_longest_words() -> None:
    text = "the light in the old city with a velvet lighthouse"
    asked = grams_of_words(word_forms(word) for word in text.split())
    assert len(asked) == 8
    assert set(asked) == grams_of_text("lighthouse")


def test_shards_share_no_group_and_fit_into_32_bits() -> None:
    grams = grams_of_text("a fox in the snow") | {0, (1 << 24) - 1}
    shards = [set(in_shard(grams, shard)) for shard in (1, 2, 1 << 40)]
    assert all(-(1 << 31) <= gram < 1 << 31 for shard in shards for gram in shard)
    assert len(set().union(*shards)) == 3 * len(grams)
