"""The price blocks in the documents are loaded as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

from imagegate.catalog.catalog import describe_price_blocks
from imagegate.catalog.load import load_catalog
from imagegate.domain.time import US_PER_HOUR, US_PER_SECOND

PAGE = (Path(__file__).parents[2] / "docs" / "upstreams.md").read_text()


def test_every_price_block_shown_loads_and_says_when_it_applies(tmp_path: Path) -> None:
    blocks = [text for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if text.startswith("version = ")]
    assert len(blocks) == 2
    files = []
    for number, text in enumerate(blocks):
        files.append(tmp_path / f"{number}.toml")
        files[-1].write_text(text)
    catalog = load_catalog((), [str(file) for file in files])
    moment = catalog.blocks["2026-12-01.markup"].effective_from * US_PER_SECOND
    assert f"prices: {describe_price_blocks(catalog, moment - 25 * US_PER_HOUR)[0]}" in " ".join(PAGE.split())
    for name in ("2026-12-01.markup", "2026-12-15.shop"):
        assert catalog.price(name, "gpt-4o-image", "1K") != catalog.price("2026-11-01.1", "gpt-4o-image", "1K")
