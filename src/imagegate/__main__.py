"""The program `imagegate`."""

from __future__ import annotations

from imagegate.cli import main

if __name__ == "__main__":
    main()
