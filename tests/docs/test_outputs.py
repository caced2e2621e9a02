"""What a page shows and what was printed: the same, but for what differs from run to run."""

from __future__ import annotations

import pytest

from tests.docs.outputs import assert_json, assert_printed


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("charged $0.0267 after 1.1 s", "charged $0.02673 after 20.4 s\n"),
        ("saved fox.png (1,339 kB)", "saved fox.png (17 kB)"),
        ("task-unified-1795368471-lnm8po0d  completed", "task-unified-1-abcdefgh    completed\n\n"),
        ("imk_live_…", "imk_live_0Mk7Nw5a1Qjs"),
        ("first\n…\nlast", "first\nbetween\nand between\nlast"),
        ("first\n…", "first"),
    ],
)
def test_the_same_but_for_what_differs_from_run_to_run(shown: str, printed: str) -> None:
    assert_printed(shown, ["another terminal", printed], "here")


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("charged $0.0267", "charged $0.0268"),
        ("250 credits", "249.4 credits"),
        ("first", "first\nsecond"),
        ("first\nsecond", "first"),
        ("fox.png", "foxipng"),
        ("something", ""),
    ],
)
def test_another_output_is_noticed(shown: str, printed: str) -> None:
    with pytest.raises(AssertionError, match="here shows"):
        assert_printed(shown, [printed], "here")


def test_json_may_have_more_fields_and_no_other_values() -> None:
    printed = 'HTTP/1.1 200\n{"id": "task-unified-1-abcdefgh", "created": 1795368471, "n": [1, 2], "more": null}'
    assert_json('{"id": "task-unified-1795368471-lnm8po0d", "created": 1795000000, "n": [1, 2]}', printed, "here")
    for wrong in ('{"n": [1]}', '{"n": [1, 3]}', '{"less": 1}', '{"id": "task-unified-1-abcdefgh-2"}', '{"n": "1"}'):
        with pytest.raises(AssertionError):
            assert_json(wrong, printed, "here")
