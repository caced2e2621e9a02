"""`imagegate tasks`: the newest tasks, or one of them."""

from __future__ import annotations

import datetime
import json

import click

from imagegate.cli.client import open_client
from imagegate.cli.options import GatewayOptions, gateway_options
from imagegate.domain.money import format_for_people


@click.command()
@click.argument("task_id", required=False)
@click.option("--status", help="pending, processing, completed, failed or cancelled.")
@click.option("--page", type=int, default=1, show_default=True)
@gateway_options
def tasks(gateway: GatewayOptions, task_id: str | None, status: str | None, page: int) -> None:
    """List tasks, newest first, or show one."""
    path, params = (f"/v1/tasks/{task_id}", None) if task_id else ("/v1/tasks", {"page": page, "status": status or ""})
    with open_client(gateway) as client:
        answer = client.request("GET", path, params=params, max_retries=0)
    if gateway.as_json or task_id:
        click.echo(json.dumps(answer, indent=None if gateway.as_json else 2, ensure_ascii=False))
        return
    click.echo(f"{'task':<34}{'model':<24}{'status':<12}{'images':>6}{'credits':>16}  created (UTC)")
    for row in answer["data"]:
        created = datetime.datetime.fromtimestamp(row["created_at"], datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
        used = format_for_people(str(row["credits_used"])) if "credits_used" in row else ""
        count = row["result_count"]
        click.echo(f"{row['id']:<34}{row['model']:<24}{row['status']:<12}{count:>6}{used:>16}  {created}")
    click.echo(f"{answer['total']} in all, page {answer['page']}")
