"""Every rule of the public contract (docs/spec/contract.md) has a test of its name, in whatever folder."""

from __future__ import annotations

import re

from tests.docs.spec import cited_by_name, definitions, every_test


def test_every_rule_has_a_test_of_its_name() -> None:
    built = definitions(planned=False)
    rules = {name for name, file in built.items() if file == "contract.md" and re.fullmatch(r"C\d\d|s\d\w+", name)}
    assert len(rules) > 250
    assert sorted(rules - {cited_by_name(name) for _, name in every_test()}) == []
