"""What of a PostgreSQL server is refused: settings with which it loses what it acknowledged."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from imagegate.store.database import DatabaseUnusable, create_engine


@pytest.fixture
def name(postgres_url: str) -> Iterator[str]:
    with psycopg.connect(postgres_url) as connection:
        yield connection.info.dbname


@pytest.mark.parametrize("where", ["database", "role in database"])
def test_synchronous_commit_off_is_refused_wherever_it_is_set(postgres_url: str, name: str, where: str) -> None:
    create_engine(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        target = sql.SQL("DATABASE {}") if where == "database" else sql.SQL("ROLE CURRENT_USER IN DATABASE {}")
        admin.execute(sql.SQL("ALTER {} SET synchronous_commit = off").format(target.format(sql.Identifier(name))))
    with pytest.raises(DatabaseUnusable, match="synchronous_commit=off"):
        create_engine(postgres_url)


def test_synchronous_commit_off_in_the_url_is_refused(postgres_url: str) -> None:
    mark = "&" if "?" in postgres_url else "?"
    with pytest.raises(DatabaseUnusable, match="synchronous_commit=off"):
        create_engine(f"{postgres_url}{mark}options=-csynchronous_commit%3Doff")
