"""Environment variables of the program, each of which may stand in a file."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path


def read_variable(name: str, env: Mapping[str, str] = os.environ) -> str | None:
    """The variable, else the content of the file that `<name>_FILE` names; OSError where that cannot be read.

    Supervisors pass secrets as files (Compose, Kubernetes, `LoadCredential` of systemd): an environment is inherited by
    child processes and shown by tools. Who may read the file is the supervisor's business.
    """
    if name in env:
        return env[name]
    file = env.get(f"{name}_FILE")
    if not file:
        return None
    try:
        return Path(file).read_text("utf-8").strip()
    except UnicodeDecodeError:
        raise OSError(errno.EINVAL, f"{name}_FILE names a file that is not text", file) from None
    except OSError as error:
        raise OSError(error.errno, f"{name}_FILE names a file that cannot be read ({error.strerror})", file) from None
