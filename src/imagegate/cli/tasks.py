"""`imagegate tasks` and `imagegate cancel`: the newest tasks, one of them, and its end."""

from __future__ import annotations

import datetime
import json
from typing import Any

import click

from imagegate.cli.client import open_client
from imagegate.cli.exit_codes import USAGE, Exit
from imagegate.cli.options import GatewayOptions, gateway_options, task_id_argument
from imagegate.domain.money import format_for_people
from imagegate_client import Client

_PAGE_ROWS = 20
_MAX_REQUESTS = 10


@click.command(epilog="One task:  imagegate tasks task-unified-1795368471-lnm8po0d")
@task_id_argument(required=False)
@click.option("--status", help="Only those: pending, processing, completed, failed or cancelled.")
@click.option("--search", "q", metavar="WORDS", help="Only those whose prompt has all these words.")
@click.option("--starred", is_flag=True, help="Only those that are starred.")
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Of 20 tasks each.")
@click.option("--cursor", metavar="TEXT", help="Instead of a page: go on where a list ended, '' from the newest.")
@gateway_options
def tasks(
    gateway: GatewayOptions,
    task_id: str | None,
    status: str | None,
    q: str | None,
    starred: bool,
    page: int,
    cursor: str | None,
) -> None:
    """List tasks, newest first; or show all about TASK."""
    if task_id and (status or q or starred or page != 1 or cursor is not None):
        raise Exit(USAGE, "imagegate: the options choose among all tasks: leave them out with TASK")
    if cursor is not None and page != 1:
        raise Exit(USAGE, "imagegate: --page and --cursor are two ways through a list: leave one out")
    filters = {"status": status or "", "q": q or "", "starred": "true" if starred else ""}
    with open_client(gateway) as client:
        if task_id:
            answer = client.request("GET", f"/v1/tasks/{task_id}", max_retries=0)
        elif cursor is None:
            answer = client.request("GET", "/v1/tasks", params={**filters, "page": page}, max_retries=0)
        else:
            answer = _list_on(client, filters, cursor)
    if gateway.as_json or task_id:
        click.echo(json.dumps(answer, indent=None if gateway.as_json else 2, ensure_ascii=False))
        return
    click.echo(f"{'task':<34}{'model':<24}{'status':<12}{'images':>6}{'credits':>16}  created (UTC)")
    for row in answer["data"]:
        created = datetime.datetime.fromtimestamp(row["created_at"], datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
        used = format_for_people(str(row["credits_used"])) if "credits_used" in row else ""
        count = row["result_count"]
        click.echo(f"{row['id']:<34}{row['model']:<24}{row['status']:<12}{count:>6}{used:>16}  {created}")
    click.echo(_end_of_list(answer))


def _list_on(client: Client, filters: dict[str, str], cursor: str) -> dict[str, Any]:
    """A page by cursor. The gateway looks through so many tasks at a time: several times, until the page is full."""
    rows: list[dict[str, Any]] = []
    for _ in range(_MAX_REQUESTS):
        params = {**filters, "cursor": cursor, "limit": _PAGE_ROWS - len(rows)}
        answer: dict[str, Any] = client.request("GET", "/v1/tasks", params=params, max_retries=0)
        rows += answer["data"]
        cursor = answer["next_cursor"] or ""
        if not cursor or len(rows) == _PAGE_ROWS:
            break
    return {**answer, "data": rows}


def _end_of_list(answer: dict[str, Any]) -> str:
    if "total" not in answer:
        return f"more with --cursor {answer['next_cursor']}" if answer["has_more"] else "no older ones"
    if answer.get("total_capped"):
        return f"at least {answer['total']} in all, page {answer['page']}; --cursor '' goes through all of them"
    return f"{answer['total']} in all, page {answer['page']}"


@click.command(short_help="Cancel a task: free unless an upstream works on it.")
@task_id_argument(required=True)
@gateway_options
def cancel(gateway: GatewayOptions, task_id: str) -> None:
    """Cancel TASK: free as long as no upstream works on it, else it may still complete and be charged."""
    with open_client(gateway) as client:
        task = client.request("POST", f"/v1/tasks/{task_id}/cancel", max_retries=0)
    if gateway.as_json:
        click.echo(json.dumps(task, ensure_ascii=False))
    elif task["status"] == "failed":
        click.echo(f"{task_id} is cancelled; nothing is charged")
    else:
        click.echo(
            f"{task_id} is with an upstream: no further call is made, and what this one brings is charged; see how it"
            f" ends with: imagegate tasks {task_id}"
        )
