"""The state of a training on the disk: written whole or not at all, and read back for the very same inputs alone."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from engine.workspace import write_bytes

log = logging.getLogger(__name__)


def write(path: Path, fingerprint: str, state: Mapping[str, Any]) -> None:
    """Write a state; when that fails, the former one stays.

    Args:
        path: of the file; its folder is there.
        fingerprint: of all inputs of the training.
        state: tensors and plain values.

    Raises:
        DiskFull: there is no room.
    """
    whole = io.BytesIO()  # torch.save itself would give a full disk no name
    torch.save({"fingerprint": fingerprint, **state}, whole)
    write_bytes(path, whole.getvalue())


def read(path: Path, fingerprint: str, device: torch.device) -> dict[str, Any] | None:
    """Read the state of these inputs to a device; None when there is none, or it cannot be read."""
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever torch makes of a file that a failing disk has changed
        log.warning("%s cannot be read (%s); it is left aside", path, error)
        return None
    if state.get("fingerprint") != fingerprint:
        log.warning("%s is of other inputs; starting anew", path)
        return None
    return state
