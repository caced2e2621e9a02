"""imagegate: the self-hosted gateway for image generation.

`imagegate.Client` and everything else of the Python client is here too: see `imagegate_client`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagegate_client import *  # noqa: F403

__version__ = "0.7.0"


def __getattr__(name: str) -> Any:
    """The names of the client, which is loaded at the first of them: no command pays for it that makes no calls."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import imagegate_client

    if name not in imagegate_client.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(imagegate_client, name)


def __dir__() -> list[str]:
    import imagegate_client

    return [*globals(), *imagegate_client.__all__]
