"""Where and in which precision networks run, read off the machine."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from engine.errors import EngineError

if TYPE_CHECKING:
    from torch import nn

    from engine.prior.bundle import Prior


class NoSuchDevice(EngineError):
    """A device was asked for that is not there."""


def choose(wanted: str = "auto") -> torch.device:
    """Give the device for `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; auto takes CUDA, then mps, then the CPU."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise NoSuchDevice(f"There is no device {wanted!r}. Use auto, cpu, cuda or mps.") from error
    cards = torch.cuda.device_count()
    there = {"cpu": True, "cuda": (device.index or 0) < cards, "mps": torch.backends.mps.is_available()}
    if not there.get(device.type, False):
        raise NoSuchDevice(f"Device {wanted} is not available here. `python app.py doctor` says what this machine has.")
    return device


def native_bfloat16(device: torch.device) -> bool:
    """Say whether bfloat16 is computed natively: on a CPU without it, bfloat16 is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and platform.system() == "Linux":
        flags = Path("/proc/cpuinfo")
        return flags.is_file() and any(f in flags.read_text() for f in ("avx512_bf16", "amx_bf16"))
    return False


def precision(device: torch.device) -> str:
    """Name the precision that networks are computed in on a device: `bf16` or `fp32`."""
    return "bf16" if native_bfloat16(device) else "fp32"


def precision_of(prior: Prior) -> str:
    """Name the precision that a prior's networks are computed in: `bf16`, `fp16` or `fp32`."""
    if prior.exact:
        return "fp32"
    return "fp16" if prior.dtype == torch.float16 else precision(prior.device)


def autocast(device: torch.device) -> torch.autocast:
    """Give the context in which networks run on a device."""
    return torch.autocast(device.type, torch.bfloat16, enabled=native_bfloat16(device))


def dtype_of(network: nn.Module) -> torch.dtype:
    """Give the precision that a network's numbers are in."""
    return next((p.dtype for p in network.parameters()), torch.float32)


def running(prior: Prior) -> torch.autocast:
    """Give the context in which a prior's networks run: in float32 where that was asked for, else as the device does.

    Numbers that are already in half precision are computed in it as they are.
    """
    fast = native_bfloat16(prior.device) and not prior.exact and prior.dtype != torch.float16
    return torch.autocast(prior.device.type, torch.bfloat16, enabled=fast)
