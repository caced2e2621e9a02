"""Links, page tokens and webhook signatures: their bytes never change, and only ours are accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.security.signing import (
    PageToken,
    decode_blob_key,
    sign_input_link,
    sign_page_token,
    sign_result_link,
    sign_webhook,
    verify_input_link,
    verify_page_token,
    verify_result_link,
)

KEY = bytes(range(32))
ORIGIN = "https://x.example"
TASK = "task-unified-1795000000-abcd1234"
BLOB = "t/acc_1/2026/11/28/ast_1.png"
EXPIRY = 1795086400
# Made by the release before signing.py: links and tokens that are in use must stay valid.
RESULT_SIGNATURE = "k1.MS9GruSEEbQAa_KkTb_CjGi9w-pEin5zVJ2xb-015m0"
THUMBNAIL_SIGNATURE = "k1.JGNCrWxTORoX4Mq0s6oWVxyiN1qFdUTbWGI2Vih8o2w"
INPUT_SIGNATURE = "k1.CLQHaXsq9ThtdS9BhpzXwret4H6eX2zoe2q-Jlkba70"
SESSION_TOKEN = "imt_WyJhY2NfMSIsImtleV8xIiwiNWU1NSIsMTc5NTAwMDYwMF0._bCEM9FPmBAxnR3UsOJarAmPQ0VGkLiJyTpTo0GnSus"
LOCAL_TOKEN = "imt_WyJhY2NfMSIsImtleV8xIiwiIiwxNzk1MDAwNjAwXQ.4Ckvl1BZY0KNk9LKZHbd_kIPaYDjCMTbHFzPZvL1tIU"
TOKEN_EXPIRY = 1795000600


@pytest.mark.parametrize(
    ("index", "ext", "signature"), [(0, "png", RESULT_SIGNATURE), (3, "thumb.webp", THUMBNAIL_SIGNATURE)]
)
def test_result_links_have_the_same_bytes_as_ever(index: int, ext: str, signature: str) -> None:
    link = f"{ORIGIN}/files/results/{TASK}/{index}.{ext}?exp={EXPIRY}&sig={signature}"
    assert sign_result_link(ORIGIN, KEY, TASK, index, ext, EXPIRY) == link
    assert verify_result_link([KEY], TASK, index, ext, str(EXPIRY), signature) == EXPIRY


def test_input_links_have_the_same_bytes_as_ever() -> None:
    name = "dC9hY2NfMS8yMDI2LzExLzI4L2FzdF8xLnBuZw.png"
    assert sign_input_link(ORIGIN, KEY, BLOB, EXPIRY) == (
        f"{ORIGIN}/files/inputs/{name}?exp={EXPIRY}&sig={INPUT_SIGNATURE}"
    )
    assert decode_blob_key(name) == BLOB
    assert verify_input_link([KEY], BLOB, str(EXPIRY), INPUT_SIGNATURE) == EXPIRY


@pytest.mark.parametrize(("session", "text"), [("5e55", SESSION_TOKEN), ("", LOCAL_TOKEN)])
def test_page_tokens_have_the_same_bytes_as_ever(session: str, text: str) -> None:
    token = PageToken("acc_1", "key_1", session, TOKEN_EXPIRY)
    assert sign_page_token(KEY, token) == text
    assert verify_page_token(KEY, text, TOKEN_EXPIRY - 1) == token
    assert verify_page_token(KEY, text, TOKEN_EXPIRY) is None


def test_webhook_signatures_have_the_same_bytes_as_ever() -> None:
    body = b'{"a":1}'
    assert sign_webhook([KEY], f"evt_{TASK}", 1795000000, body) == "v1,0AzW8sTAmdn+jqucsoB1JCN5IipnBlIPeBCPztn5T80="
    assert sign_webhook([KEY, KEY[::-1]], "evt_x", 1795000000, body) == (
        "v1,I3eWPG7ZQRPfQZdSleXIPcMKfVVJH/wo1mbALdveL4M= v1,AMAzZ3OQKmC+e3UteTev3n8oGvZJOSHukejvsU29zBI="
    )


def test_a_link_is_good_for_what_it_names_alone() -> None:
    good = (TASK, 0, "png", str(EXPIRY), RESULT_SIGNATURE)
    assert verify_result_link([KEY], *good) == EXPIRY
    for other in (
        (TASK + "x", 0, "png", str(EXPIRY), RESULT_SIGNATURE),
        (TASK, 1, "png", str(EXPIRY), RESULT_SIGNATURE),
        (TASK, 0, "thumb.webp", str(EXPIRY), RESULT_SIGNATURE),
        (TASK, 0, "png", str(EXPIRY + 1), RESULT_SIGNATURE),
        (TASK, 0, "png", str(EXPIRY), INPUT_SIGNATURE),
        (TASK, 0, "png", str(EXPIRY), "é"),
        (TASK, 0, "png", "", RESULT_SIGNATURE),
        (TASK, 0, "png", "-1", RESULT_SIGNATURE),
        (TASK, 0, "png", "１", RESULT_SIGNATURE),
        (TASK, 0, "png", "9" * 13, RESULT_SIGNATURE),
    ):
        assert verify_result_link([KEY], *other) is None
    assert verify_result_link([b"another key"], *good) is None
    assert verify_input_link([KEY], BLOB + "x", str(EXPIRY), INPUT_SIGNATURE) is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_other_text_is_no_link_and_no_token(name: str, other: str) -> None:
    assert verify_page_token(KEY, name, 0) is None
    assert verify_page_token(KEY, f"imt_{name}.{other}", 0) is None
    assert verify_result_link([KEY], TASK, 0, "png", name, other) is None
    assert verify_input_link([KEY], decode_blob_key(name), str(EXPIRY), other) is None


@given(st.integers(0, len(SESSION_TOKEN) - 1), st.characters(codec="utf-8"))
def test_a_token_with_one_character_changed_is_no_token(position: int, character: str) -> None:
    changed = SESSION_TOKEN[:position] + character + SESSION_TOKEN[position + 1 :]
    if changed != SESSION_TOKEN and position >= len("imt_"):
        assert verify_page_token(KEY, changed, 0) is None
