"""Finished images as content that a model can take: reduced, and together within the size of one tool result."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mcp_types import ImageContent

from imagegate.images.jobs import preview
from imagegate.images.jobs.decode import CPU_S, WALL_S
from imagegate.images.jobs.preview import Preview, PreviewRequest
from imagegate.images.jobs.process_pool import JobFailed, ProcessPool, WorkerDied
from imagegate.logging import log_warning
from imagegate_client import AsyncClient, ImagegateError, Task, TaskOutput

# Larger edges are scaled down by the models' own readers.
MAX_EDGE_PX = 1568
# Of one result: a widespread client refuses more than a megabyte, text and links included.
MAX_BASE64_CHARS = 900_000
_MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")


class Previewer:
    """Loads and reduces images. Decoding happens in child processes, as in the gateway."""

    def __init__(self) -> None:
        self._pool = ProcessPool(1)

    async def close(self) -> None:
        await self._pool.close()

    async def load(self, client: AsyncClient, task: Task) -> list[ImageContent | None]:
        """One for each result; None for what cannot be loaded or reduced, which its link still shows."""
        outputs = task.result_data
        return [await self._load(client, task, index, outputs) for index in range(len(task.results))]

    async def _load(
        self, client: AsyncClient, task: Task, index: int, outputs: Sequence[TaskOutput]
    ) -> ImageContent | None:
        max_bytes = MAX_BASE64_CHARS // len(task.results) * 3 // 4
        try:
            content = await client.tasks.read(task, index)
            known = outputs[index] if index < len(outputs) else None
            if known and _is_small(known) and len(content) <= max_bytes:
                return _content(content, known.mime_type)
            return await self._reduce(content, max_bytes)
        except (ImagegateError, JobFailed, WorkerDied) as error:
            log_warning("preview_failed", task=task.id, index=index, error=str(error))
            return None

    async def _reduce(self, content: bytes, max_bytes: int) -> ImageContent:
        with tempfile.TemporaryDirectory(prefix="imagegate-mcp-") as folder:
            source, target = Path(folder) / "source", Path(folder) / "target"
            source.write_bytes(content)
            request = PreviewRequest(str(source), str(target), MAX_EDGE_PX, max_bytes)
            done = await self._pool.run(preview.JOB, request, Preview, cpu_s=CPU_S, wall_s=WALL_S)
            return _content(target.read_bytes(), done.media_type)


def _is_small(output: TaskOutput) -> bool:
    return max(output.width, output.height) <= MAX_EDGE_PX and output.mime_type in _MEDIA_TYPES


def _content(content: bytes, media_type: str) -> ImageContent:
    return ImageContent(data=base64.b64encode(content).decode(), mime_type=media_type)
