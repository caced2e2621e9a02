"""P15: what an upstream quotes of a prompt is cut out, however it was changed; its own words stay."""

from __future__ import annotations

import base64
import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.flows.execution.prompt_quotes import CUT, cut_quotes

PROMPT = 'A red fox in a snowy forest at sunset,\nholding the Müller family\'s "silver" lantern'


@pytest.mark.parametrize(
    "quote",
    [
        PROMPT,
        PROMPT.upper(),
        PROMPT.replace("\n", " "),
        " ".join(PROMPT.split())[:40],
        json.dumps(PROMPT)[1:-1],
        json.dumps(json.dumps(PROMPT))[1:-1],
        PROMPT.replace(" ", "%20"),
        PROMPT.replace(" ", "+"),
        PROMPT.replace("ü", "u\u0308"),
        PROMPT.replace('"', "&quot;").replace("'", "&#39;"),
        PROMPT[10:30],
        "-".join(PROMPT.split()),
    ],
)
def test_a_quote_is_cut_however_it_was_written(quote: str) -> None:
    cut = cut_quotes(f"400: invalid_request Your prompt {quote} was rejected by our system", PROMPT)
    assert CUT in cut
    for word in ("fox", "snowy", "forest", "ller", "lantern", "silver"):
        assert word not in cut.casefold().replace("\\u00fc", ""), cut
    assert cut.startswith("400: invalid_request Your prompt ")
    assert cut.endswith(" was rejected by our system")


@pytest.mark.parametrize(
    ("text", "prompt", "cut"),
    [
        ("400: the word 'fox' is not allowed", PROMPT, f"400: the word '{CUT}' is not allowed"),
        ("429: rate limit reached for images", PROMPT, "429: rate limit reached for images"),
        ("400: fox is refused", "fox", f"400: {CUT} is refused"),
        ("400: a bad request", "a", "400: a bad request"),
        ("400: “눈 덮인 숲의 붉은 여우” 거부됨", "눈 덮인 숲의 붉은 여우, 해질녘", f"400: “{CUT}” 거부됨"),
        ("400: 雪の森の赤い狐と夕焼け refused", "夕方、雪の森の赤い狐と夕焼け、写実的", f"400: {CUT} refused"),
        ("400: 🦊🦊 refused", "🦊🦊", f"400: {CUT} refused"),
        ("", PROMPT, ""),
        ("unexpected end", "", "unexpected end"),
    ],
)
def test_words_of_its_own_stay(text: str, prompt: str, cut: str) -> None:
    assert cut_quotes(text, prompt) == cut


@given(st.text(), st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_taken_and_no_long_quote_is_left(prompt: str, before: str, after: str) -> None:
    cut = cut_quotes(f"{before} {prompt} {after}", prompt)
    letters = [char for char in prompt if char in string.ascii_letters]
    if len(letters) >= 8 and len(letters) == len(prompt) and prompt not in before + after:
        assert prompt not in cut


def test_what_merely_looks_escaped_is_taken() -> None:
    blob = base64.b64encode(b"x" * 30).decode()
    assert cut_quotes(f"\\ud83d %zz &x; {blob}", "%zz \\u12 &amp;")
