"""The arguments of the tools: what a model is told about them, and what is made of what it sends."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from imagegate_client import ImageOptions

A = TypeVar("A", bound="Arguments")
MAX_IMAGES = 16


class Arguments(msgspec.Struct, frozen=True, kw_only=True):
    """Of one tool. Unknown arguments are ignored, as the API does."""


class NoArguments(Arguments, frozen=True):
    pass


class ImageArguments(Arguments, frozen=True, kw_only=True):
    prompt: Annotated[str, Meta(min_length=1, description="What the image shows, in words")]
    model: Annotated[str, Meta(description="gpt-image-2 when absent")] | None = None
    size: Annotated[str, Meta(description="auto, a ratio such as 16:9, or WxH in pixels")] | None = None
    resolution: Annotated[str, Meta(description="1K, 2K or 4K, together with a ratio")] | None = None
    quality: Annotated[str, Meta(description="low, medium or high; low is the cheapest by far")] | None = None
    n: Annotated[int, Meta(ge=1, le=10, description="How many images; each is charged")] | None = None
    background: Annotated[str, Meta(description="opaque or transparent")] | None = None
    output_format: Annotated[str, Meta(description="png, jpeg or webp")] | None = None


class QuoteArguments(ImageArguments, frozen=True, kw_only=True):
    image_count: Annotated[int, Meta(ge=0, le=MAX_IMAGES, description="For edit_image: how many images it gets")] = 0
    has_mask: Annotated[bool, Meta(description="For edit_image: whether it gets a mask")] = False


_SOURCE = "an http(s) URL, the id of an upload (file_…), or the path of a local file where the user has opened a folder"


class EditArguments(ImageArguments, frozen=True, kw_only=True):
    images: Annotated[
        list[str], Meta(min_length=1, max_length=MAX_IMAGES, description=f"The images to work from, each {_SOURCE}")
    ]
    mask: (
        Annotated[str, Meta(description=f"A PNG as large as the first image, repainted where transparent: {_SOURCE}")]
        | None
    ) = None


class TaskArguments(Arguments, frozen=True, kw_only=True):
    task_id: Annotated[str, Meta(description="The id that generate_image or edit_image gave")]


def input_schema(kind: type[Arguments]) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments, without references, which not every client follows."""
    schema: dict[str, Any] = msgspec.json.schema(kind)["$defs"][kind.__name__]
    properties = {name: _without_null(one) for name, one in schema["properties"].items()}
    return {"type": "object", "properties": properties, "required": schema["required"]}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """An optional argument is left out; a model need not be told that it may be null too."""
    (plain,) = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return {name: value for name, value in plain.items() if name != "default"}


def parse_arguments(given: dict[str, Any], kind: type[A]) -> A:
    """msgspec.ValidationError says what is wrong. Numbers as text are accepted: models send them."""
    return msgspec.convert(given, kind, strict=False)


def image_options(arguments: ImageArguments) -> ImageOptions:
    """Of a request: what was given, but the prompt and the images."""
    names = [name for name in ImageArguments.__struct_fields__ if name != "prompt"]
    given: Any = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    options: ImageOptions = given
    return options
