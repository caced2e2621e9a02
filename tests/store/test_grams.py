"""Groups of letters: a text has those of every part of it, whatever a database makes of capitals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.store.grams import choose_groups, grams_of_text, groups_of_words, in_shard
from imagegate.store.queries.task_filter import word_forms

# Letters that change in number or in more ways than one, of many scripts, and no group of any three.
LETTERS = st.sampled_from("aZéßẞİIıſΣσςŉΐǅꭰᾳ\u0307여우狐🦊-%_!9")
WORDS = st.text(LETTERS, min_size=1, max_size=7)


def grams_of(*groups: str) -> list[int]:
    """The numbers of these groups."""
    return [number for group in groups for number in grams_of_text(group)]


def chosen(text: str, sample: list[str]) -> list[int]:
    return choose_groups(groups_of_words(word_forms(word) for word in text.split()), sample).grams


@given(before=WORDS, word=WORDS, after=WORDS)
def test_a_text_has_the_groups_of_every_form_in_which_a_word_is_found(before: str, word: str, after: str) -> None:
    asked = grams_of(*groups_of_words([word_forms(word)]))
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
    groups = groups_of_words([[word]])
    assert len(groups) == number
    assert set(grams_of(*groups)) <= grams_of_text(f"the {word}")
    assert not set(grams_of(*groups)) & grams_of_text("the")


def test_a_search_asks_for_groups_that_few_texts_have() -> None:
    sample = [f"the light in the {'OLD' if number % 2 else 'new'} city, {number}" for number in range(100)]
    assert chosen("the velvet city", sample) == grams_of("vel", "elv"), "none of them has these, and they suffice"
    assert chosen("the old light", sample) == grams_of("old"), "a half has it, all have the others"
    assert chosen("light city", sample) == grams_of("lig"), "one at least"


def test_a_second_group_of_a_word_is_not_asked_for_where_it_says_nothing() -> None:
    sample = [f"{'copper' if number < 20 else 'morning' if number < 50 else 'bright'} day" for number in range(100)]
    assert chosen("copper morning", sample) == grams_of("cop", "mor"), "of each word one"


def test_a_choice_says_how_much_is_read_for_a_text() -> None:
    half = choose_groups(["old"], ["old"] * 50 + ["new"] * 50)
    assert half.entries == pytest.approx(0.5, abs=0.01)
    assert 0 < choose_groups(["zep"], ["old"] * 100).entries < 0.01


def test_a_search_without_a_sample_asks_for_something() -> None:
    assert chosen("a velvet fox", [])
    assert chosen("a velvet fox", [""])


def test_shards_share_no_group_and_fit_into_32_bits() -> None:
    grams = grams_of_text("a fox in the snow") | {0, (1 << 24) - 1}
    shards = [set(in_shard(grams, shard)) for shard in (1, 2, 1 << 40)]
    assert all(0 <= gram < 1 << 32 for shard in shards for gram in shard)
    assert len(set().union(*shards)) == 3 * len(grams)
