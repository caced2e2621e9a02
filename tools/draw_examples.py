"""Draw the examples that come with the program: `python -m tools.draw_examples`, after a change to their TOML files.

Each image is what the embedded engine paints for the request in the file beside it, as small as the page shows it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import imagegate.web
from imagegate.catalog.load import load_catalog
from imagegate.families import FAMILIES
from imagegate.flows.quote import DEFAULT_MODEL
from imagegate.images.jobs.thumbnail import ThumbnailRequest, draw
from imagegate.painter.paint import PaintRequest, paint
from imagegate.settings.groups import Credit
from imagegate.web.example_tiles import example_request
from imagegate.web.examples import ExampleText, read_text

FOLDER = Path(imagegate.web.__file__).parent / "static/img/examples"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        painted = Path(folder) / "painted.png"
        for file in sorted(FOLDER.glob("*.toml")):
            _paint(read_text(file), painted)
            draw(ThumbnailRequest(str(painted), str(file.with_suffix(".webp"))))
            print(file.with_suffix(".webp"))


def _paint(text: ExampleText, out: Path) -> None:
    model = load_catalog().models[DEFAULT_MODEL]
    request = example_request(text, model.id, model.qualities)
    order = FAMILIES[model.family].build_order(request, model, None, Credit().auto_cap)
    paint(
        PaintRequest(
            prompt=order.prompt,
            width=order.size.width,
            height=order.size.height,
            quality=order.quality,
            index=0,
            references=(),
            mask="",
            transparent=order.background == "transparent",
            format="png",
            compression=100,
            out=str(out),
        )
    )


if __name__ == "__main__":
    main()
