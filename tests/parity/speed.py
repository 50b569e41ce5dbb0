"""Our networks against the official ones in one run: `python -m tests.parity.speed ID CHECKOUT`, at official size.

ID is gfpgan, restoreformer, codeformer or difface (its U-Net); CHECKOUT is the repository at the commit that
`make_<id>.py` names. Both have the same weights; the passes of the two take turns, and the least of each counts.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.parity import rule
from tests.parity.ports import PORTS

PASSES = 3


def official(id: str, checkout: Path) -> Any:
    """Make the official network."""
    sys.path.insert(0, str(Path(__file__).parent))
    if id == "gfpgan":
        import make_gfpgan

        return make_gfpgan.official(checkout).GFPGANv1Clean(**make_gfpgan.FULL)
    if id == "codeformer":
        import make_codeformer

        return make_codeformer.official(checkout)[0].CodeFormer(**make_codeformer.FULL)
    if id == "difface":
        import make_difface

        return make_difface.official(checkout)[0].UNetModel(**make_difface.UNETS["full"])
    import make_restoreformer

    sys.path.insert(0, str(checkout))
    from RestoreFormer.modules.vqvae.vqvae_arch import VQVAEGANMultiHeadTransformer  # type: ignore[import-not-found]

    return VQVAEGANMultiHeadTransformer(**make_restoreformer.FULL)


def main(id: str, checkout: Path) -> None:
    """Print seconds and processor seconds of both, and the largest difference of what they make."""
    warnings.simplefilter("ignore")
    ours = next(port for port in PORTS if port.id in (id, f"{id}-unet")).network("full")
    theirs = official(id, checkout)
    theirs.load_state_dict(rule.official_state(theirs))
    theirs.eval().requires_grad_(False)
    batch = torch.from_numpy(rule.picture(512))
    calls: dict[str, Callable[[], Any]] = {
        "gfpgan": {
            "ours": lambda: ours(batch, return_rgb=False, randomize_noise=False)[0],
            "official": lambda: theirs(batch, return_rgb=False, randomize_noise=False)[0],
        },
        "restoreformer": {"ours": lambda: ours(batch)[0], "official": lambda: theirs(batch)[0]},
        "codeformer": {
            "ours": lambda: ours(batch, weight=0.5)[0],
            "official": lambda: theirs(batch, w=0.5, adain=True)[0],
        },
        "difface": {
            "ours": lambda: ours(batch, torch.tensor([396])),
            "official": lambda: theirs(batch, torch.tensor([396])),
        },
    }[id]
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    made: dict[str, torch.Tensor] = {}
    with torch.inference_mode():
        for _ in range(PASSES):
            for name, call in calls.items():
                begun, worked = time.perf_counter(), time.process_time()
                made[name] = call()
                taken[name].append((time.perf_counter() - begun, time.process_time() - worked))
    for name, times in taken.items():
        wall, worked = (min(column) for column in zip(*times, strict=True))
        print(f"{id} {name}: {wall:.2f} s, processor {worked:.2f} s, {torch.get_num_threads()} threads")  # noqa: T201
    print(f"largest difference: {float((made['ours'] - made['official']).abs().max()):.1e}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
