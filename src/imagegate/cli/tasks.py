"""`imagegate tasks`: the newest tasks, or one of them."""

from __future__ import annotations

import asyncio
import datetime
import json
from pathlib import Path

import click

from imagegate.cli.client import GatewayClient
from imagegate.cli.options import gateway_options, read_settings


@click.command()
@click.argument("task_id", required=False)
@click.option("--status", help="pending, processing, completed, failed or cancelled.")
@click.option("--page", type=int, default=1, show_default=True)
@gateway_options
def tasks(
    task_id: str | None,
    status: str | None,
    page: int,
    url: str | None,
    key: str | None,
    as_json: bool,
    data: str | None,
    config: Path | None,
) -> None:
    """List tasks, newest first, or show one."""
    settings = read_settings(config, data)
    newest = f"/v1/tasks?page={page}" + (f"&status={status}" if status else "")
    path = f"/v1/tasks/{task_id}" if task_id else newest
    answer = asyncio.run(GatewayClient.request_once(settings, url, key, "GET", path))
    if as_json or task_id:
        click.echo(json.dumps(answer, indent=None if as_json else 2, ensure_ascii=False))
        return
    click.echo(f"{'task':<34}{'model':<24}{'status':<12}{'images':>6}{'credits':>16}  created (UTC)")
    for row in answer["data"]:
        created = datetime.datetime.fromtimestamp(row["created_at"], datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
        used, count = row.get("credits_used", ""), row["result_count"]
        click.echo(f"{row['id']:<34}{row['model']:<24}{row['status']:<12}{count:>6}{used:>16}  {created}")
    click.echo(f"{answer['total']} in all, page {answer['page']}")
