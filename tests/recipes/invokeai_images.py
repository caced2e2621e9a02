"""Makes and edits an image by InvokeAI's own provider: `invokeai_images.py PACKAGE`, beside its api_keys.yaml."""

from __future__ import annotations

import ast
import importlib
import locale
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from request_modules import load_modules  # beside this program, not in the package of the tests

FOLDER = Path(sys.argv[1])
PLACE = "app.services.external_generation"
OPTIONS: dict[str, Any] = {
    "model": SimpleNamespace(provider_model_id="gpt-image-2"),
    "seed": None, "num_images": 1, "width": 1024, "height": 1024, "image_size": None, "mask_image": None,
    "reference_images": [], "metadata": None, "provider_options": {"quality": "low"},
}  # fmt: skip


def read_keys() -> dict[str, str]:
    """By InvokeAI's own function, whose module needs all that InvokeAI depends on."""
    tree = ast.parse((FOLDER / "invokeai/app/services/config/config_default.py").read_text("utf-8"))
    wanted = ("load_external_api_keys", "EXTERNAL_PROVIDER_CONFIG_FIELDS")
    body = [
        part
        for part in tree.body
        if getattr(part, "name", "") in wanted
        or (isinstance(part, ast.Assign) and getattr(part.targets[0], "id", "") in wanted)
    ]
    names: dict[str, Any] = {"Path": Path, "Any": Any, "yaml": importlib.import_module("yaml"), "locale": locale}
    exec(compile(ast.Module(body, []), "config_default.py", "exec"), names)
    keys: dict[str, str] = names["load_external_api_keys"](Path("api_keys.yaml"))
    return keys


modules = ("errors", "external_generation_base", "external_generation_common", "image_utils", "providers.openai")
load_modules(FOLDER, "invokeai", *(f"{PLACE}.{name}" for name in modules))

common = importlib.import_module(f"invokeai.{PLACE}.external_generation_common")
openai = importlib.import_module(f"invokeai.{PLACE}.providers.openai")

provider = openai.OpenAIProvider(SimpleNamespace(**read_keys()), logging.getLogger())
assert provider.is_configured()
made = provider.generate(
    common.ExternalGenerationRequest(mode="txt2img", prompt="A red fox in a snowy forest", init_image=None, **OPTIONS)
)
made.images[0].image.save("fox.png")
edited = provider.generate(
    common.ExternalGenerationRequest(mode="img2img", prompt="in blue", init_image=made.images[0].image, **OPTIONS)
)
edited.images[0].image.save("blue.png")
