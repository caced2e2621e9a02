"""Prompts are neither logged nor kept with an attempt: what an upstream quotes of one is cut out of its words."""

from __future__ import annotations

import re
import unicodedata

CUT = "(prompt)"
# So many letters and digits in a row that stand in the prompt too are a quote. Fewer are any two texts' common words;
# those are cut only between quotation marks.
_MIN_QUOTED_CHARS = 8
_MIN_MARKED_CHARS = 3
# A character, or what stands for one in a text that was escaped once more.
_UNIT = re.compile(r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\[nrtbf\"'\\/]|%[0-9a-fA-F]{2}|&#?\w{1,8};|.", re.DOTALL)
_MARKED = re.compile(r"""'([^']+)'|"([^"]+)"|`([^`]+)`|“([^”]+)”|‘([^’]+)’|「([^」]+)」|«([^»]+)»""")

Span = tuple[int, int]


def cut_quotes(text: str, prompt: str) -> str:
    """`text` without what it quotes of the prompt, whatever became of case, spaces, marks, line ends and accents."""
    if not text:
        return ""
    wanted = "".join(char for char, _ in _letters(prompt))
    spans = _marked_spans(text, wanted) + (_long_spans(text, wanted) if len(wanted) >= _MIN_MARKED_CHARS else [])
    if not wanted and prompt.strip():  # of symbols alone
        return text.replace(prompt.strip(), CUT)
    return _cut(text, spans)


def _letters(text: str) -> list[tuple[str, Span]]:
    """The letters and digits, each with where it stands."""
    return [
        (char, unit.span())
        for unit in _UNIT.finditer(text)
        for char in unicodedata.normalize("NFKD", _unescape(unit[0])).casefold()
        if char.isalnum()
    ]


def _unescape(unit: str) -> str:
    if len(unit) == 1:
        return unit
    digits = unit.lstrip("\\ux%")
    return chr(int(digits, 16)) if unit[:2] in ("\\u", "\\x") or unit[0] == "%" else " "


def _long_spans(text: str, wanted: str) -> list[Span]:
    size = min(_MIN_QUOTED_CHARS, len(wanted))
    quoted = {wanted[start : start + size] for start in range(len(wanted) - size + 1)}
    letters = _letters(text)
    plain = "".join(char for char, _ in letters)
    starts = [start for start in range(len(plain) - size + 1) if plain[start : start + size] in quoted]
    return [(letters[start][1][0], letters[start + size - 1][1][1]) for start in starts]


def _marked_spans(text: str, wanted: str) -> list[Span]:
    """What stands between quotation marks and in the prompt."""
    found = []
    for match in _MARKED.finditer(text):
        group = match.lastindex or 0
        plain = "".join(char for char, _ in _letters(match[group]))
        if len(plain) >= _MIN_MARKED_CHARS and plain in wanted:
            found.append(match.span(group))
    return found


def _cut(text: str, spans: list[Span]) -> str:
    parts: list[str] = []
    end = 0
    for start, stop in sorted(spans):
        if start > end or not parts:
            parts += [text[end:start], CUT]
        end = max(end, stop)
    return "".join(parts) + text[end:]
