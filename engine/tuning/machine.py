"""What a run has to know of the machine: memory, and whether sums come out the same each time."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

import torch


def out_of_memory(error: BaseException) -> bool:
    """Say whether an error is a lack of memory, of the card or of the machine."""
    words = str(error).lower()
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        "out of memory" in words or "defaultcpuallocator" in words
    )


def memory_in_use(device: torch.device) -> int:
    """Give the bytes that this process uses: of the card where it is one, else of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    import psutil

    return int(psutil.Process().memory_info().rss)


def how_exact(device: torch.device) -> str:
    """Say how near a resumed run comes to an unbroken one on a device."""
    if device.type == "cpu":
        return "bit-identical"
    return "with deterministic algorithms; where one has none, within 1e-5"


@contextmanager
def exact(device: torch.device) -> Generator[None]:
    """Let a card use algorithms that add up in the same order each time, while the block runs."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read by cuBLAS when it is first used
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
