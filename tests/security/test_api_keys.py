"""What a customer's key looks like, and that a mistyped one is noticed without a look-up."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.security.api_keys import PREFIXES, generate_key, hash_key, is_well_formed, mask_key

KEY = re.compile(r"imk_(live|test)_[0-9A-Za-z]{49}")
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_keys_have_one_shape_and_are_never_the_same(prefix: str) -> None:
    keys = {generate_key(prefix) for _ in range(200)}
    assert len(keys) == 200
    assert all(KEY.fullmatch(key) and key.startswith(prefix) and is_well_formed(key) for key in keys)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_single_character_change_is_noticed(prefix: str) -> None:
    key = generate_key(prefix)
    for place in range(len(key)):
        for letter in BASE62 + "_-é ":
            if letter != key[place]:
                assert not is_well_formed(key[:place] + letter + key[place + 1 :]), (place, letter)


def test_two_neighbours_that_change_places_are_noticed() -> None:
    key = generate_key()
    for place in range(len(key) - 1):
        swapped = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
        assert swapped == key or not is_well_formed(swapped)


@given(st.text(max_size=80))
def test_other_text_is_no_key(text: str) -> None:
    assert not is_well_formed(text)


def test_cut_and_lengthened_keys_are_no_keys() -> None:
    key = generate_key()
    assert not any(is_well_formed(key[:end]) for end in range(len(key)))
    assert not is_well_formed(key + "0")
    assert not is_well_formed(key + "\n")


def test_what_is_stored_and_shown_does_not_tell_the_key() -> None:
    key = generate_key()
    assert hash_key(b"pepper", key) != hash_key(b"salt", key)
    assert key not in hash_key(b"pepper", key)
    assert mask_key(key) == key[:13] + "…"
