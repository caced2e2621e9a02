"""Makes and edits an image by Open WebUI's own router: `open_webui_images.py PACKAGE`, its settings as variables."""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from request_modules import load_modules  # beside this program, not in the package of the tests

FOLDER = Path(sys.argv[1])
_NAMES = iter(("fox.png", "blue.png"))


def read_settings() -> dict[str, Any]:
    """What Open WebUI's own table of settings makes of the variables: this storage key is that constant, which is read
    from that variable."""
    text = (FOLDER / "open_webui/config.py").read_text("utf-8")
    variables = {
        constant.upper(): (name, default)
        for constant, name, default in re.findall(r"^(\w+) = os\.getenv\('(\w+)', '?(.*?)'?\)", text, re.MULTILINE)
    }
    # made from a variable by way of another constant
    variables["IMAGES_OPENAI_API_PARAMS"] = variables["IMAGES_OPENAI_PARAMS"]
    settings: dict[str, Any] = {}
    for key, constant in re.findall(r"^ +'(image[\w.]+)': (\w+),$", text, re.MULTILINE):
        name, default = variables.get(constant, (constant, ""))
        settings[key] = os.environ.get(name, default)
    settings["image_generation.openai.params"] = json.loads(settings["image_generation.openai.params"] or "{}")
    return settings


async def get_many(*keys: str) -> dict[str, Any]:
    return {key: value for key, value in read_settings().items() if key in keys}


async def keep_file(request: Any, file: Any, **_: Any) -> Any:
    name = next(_NAMES)
    Path(name).write_bytes(await file.read())
    return SimpleNamespace(id=name, filename=name, meta={"name": name, "content_type": file.content_type})


load_modules(
    FOLDER, "open_webui", "routers.images", "constants", "utils.session_pool",
    config={
        "CACHE_DIR": Path("cache"),
        "ENABLE_OPENAI_IMAGE_EDIT_NORMALIZATION": True,
        "IMAGE_AUTO_SIZE_MODELS_REGEX_PATTERN": "^gpt-image",
        "IMAGE_URL_RESPONSE_MODELS_REGEX_PATTERN": "^gpt-image",
    },
    env={
        "AIOHTTP_CLIENT_ALLOW_REDIRECTS": False,
        "AIOHTTP_CLIENT_SESSION_SSL": True,
        "AIOHTTP_CLIENT_STREAM_IDLE_TIMEOUT": None,
        "AIOHTTP_CLIENT_TIMEOUT": 300,
        "AIOHTTP_POOL_CONNECTIONS": 100,
        "AIOHTTP_POOL_CONNECTIONS_PER_HOST": 30,
        "AIOHTTP_POOL_DNS_TTL": 300,
        "ENABLE_FORWARD_USER_INFO_HEADERS": False,
    },
    models__config={"Config": SimpleNamespace(get_many=get_many)},
    routers__files={"upload_file_handler": keep_file},
    utils__json_codec={"JSONCodec": json},
)  # fmt: skip


async def main() -> None:
    images = importlib.import_module("open_webui.routers.images")
    session_pool = importlib.import_module("open_webui.utils.session_pool")
    request = SimpleNamespace(app=SimpleNamespace(url_path_for=lambda *_, **__: "/a-file"))
    user = SimpleNamespace(id="someone", role="admin")
    form = images.CreateImageForm(prompt="A red fox in a snowy forest")
    await images.image_generations(request, form, user=user)
    data = f"data:image/png;base64,{base64.b64encode(Path('fox.png').read_bytes()).decode()}"
    await images.image_edits(request, images.EditImageForm(prompt="in blue", image=[data]), user=user)
    await session_pool.close_session()


asyncio.run(main())
