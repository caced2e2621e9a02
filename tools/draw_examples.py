"""Draw the examples that come with the program: `python -m tools.draw_examples`, after a change to their TOML files.

Each image is what the embedded engine paints for the request in the file beside it, cut to the box on the page.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image, ImageOps

import imagegate.web
from imagegate.catalog.load import load_catalog
from imagegate.families import FAMILIES
from imagegate.flows.quote import DEFAULT_MODEL
from imagegate.painter.paint import PaintRequest, paint
from imagegate.settings.groups import Credit
from imagegate.web.example_tiles import example_request
from imagegate.web.examples import ExampleText, read_text

SIZE = (424, 318)  # twice the box that the page shows them in
FOLDER = Path(imagegate.web.__file__).parent / "static/img/examples"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        painted = Path(folder) / "painted.png"
        for file in sorted(FOLDER.glob("*.toml")):
            _paint(read_text(file), painted)
            with Image.open(painted) as image:
                ImageOps.fit(image.convert("RGB"), SIZE).save(file.with_suffix(".webp"), quality=80, method=6)
            print(file.with_suffix(".webp"))


def _paint(text: ExampleText, out: Path) -> None:
    model = load_catalog().models[DEFAULT_MODEL]
    request = example_request(text, model.id, model)
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
