"""An identity loss through a recogniser that a gradient can pass: how far predicted faces are from the references.

Two recognisers are taken where their files are in the folder of weights: facexlib's ArcFace, and else MobileFaceNet.
dlib's network, which scores everywhere in this project, is never one of them: what was trained on cannot judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine import images
from engine.errors import EngineError
from engine.faces.crop import FFHQ5, TEMPLATE_SIZE
from engine.faces.geometry import similarity
from engine.faces.networks import ARCFACE, network
from engine.faces.recognise import ARCFACE5, ARCFACE_SIZE
from engine.weights import fill

Pixels = NDArray[np.float32]

MOBILE = "mobilefacenet_casia.ckpt"
"""A small recogniser for trials. It has no licence file, so it is neither shipped nor named as a default."""
MOBILE_SIZE = (112, 96)
"""Height and width in px of the crop that it knows: ArcFace's without 8 px at each side."""


class NoRecogniser(EngineError):
    """A recipe asks for an identity loss and there is no recogniser to take it from."""


@dataclass(frozen=True)
class IdentityLoss:
    """A recogniser and the person's mean vector."""

    name: str
    """Named in the tuned model, so that nobody scores with it."""
    net: nn.Module
    size: tuple[int, int]
    """Height and width of what it reads, px."""
    red_first: bool
    wanted: Tensor
    """`(width,)`, of unit length."""

    def distances(self, pictures: Tensor) -> Tensor:
        """Give one minus the cosine to the person for each picture, `(N,)`, 0 to 2.

        Args:
            pictures: `(N, 3, size, size)`, -1 to 1, aligned by the FFHQ template; a gradient passes.
        """
        return 1 - self._vectors(pictures) @ self.wanted

    def _vectors(self, pictures: Tensor) -> Tensor:
        seen = aligned(pictures.float(), self.size)
        with torch.autocast(pictures.device.type, enabled=False):
            made: Tensor = self.net(seen if self.red_first else seen.flip(1))
        return nn.functional.normalize(made, dim=1)


def identity_loss(weights: Path | None, faces: Sequence[Pixels], device: torch.device) -> IdentityLoss:
    """Load the recogniser whose file is there and learn the person from their references.

    Args:
        weights: folder of the user's networks.
        faces: `(size, size, 3)` each, 0 to 1, aligned; at least one.
        device: where it runs.

    Raises:
        NoRecogniser: the folder holds neither file.
        FaceModelsMissing: ArcFace's file is there and facexlib is not installed.
        WeightsDamaged: a file is not that network's.
    """
    arcface = weights / ARCFACE if weights is not None else None
    mobile = weights / MOBILE if weights is not None else None
    if arcface is not None and arcface.is_file():
        made = IdentityLoss("ArcFace IR-SE50", network(arcface, ARCFACE), (112, 112), False, torch.zeros(512))
    elif mobile is not None and mobile.is_file():
        net = MobileFaceNet()
        fill(net, mobile, within="net_state_dict")
        made = IdentityLoss("MobileFaceNet", net, MOBILE_SIZE, True, torch.zeros(128))
    else:
        raise NoRecogniser(
            f"The recipe's identity loss needs {ARCFACE} or {MOBILE}, and neither is in {weights}. "
            "Put one there, or set identity_weight to 0."
        )
    made.net.to(device).eval().requires_grad_(False)
    with torch.no_grad():
        shown = torch.cat([images.to_tensor(face) for face in faces]).to(device)
        wanted = nn.functional.normalize(made._vectors(shown).mean(0), dim=0)  # pyright: ignore[reportPrivateUsage]
    return IdentityLoss(made.name, made.net, made.size, made.red_first, wanted)


def aligned(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut what a recogniser reads out of aligned faces, `(N, 3, *size)`; a gradient passes.

    Args:
        pictures: `(N, 3, side, side)`, aligned by the FFHQ template.
        size: height and width in px; 112 x 112, or the same without its left and right edge.
    """
    side, (height, width) = pictures.shape[-1], size
    ours = (np.array(FFHQ5) + 0.5) * (side / TEMPLATE_SIZE) - 0.5
    theirs = np.array(ARCFACE5) - [(ARCFACE_SIZE - width) / 2, 0]
    back = np.linalg.inv(np.vstack([similarity(ours, theirs), [0, 0, 1]]))  # from their pixels to ours
    scale = 1 / float(np.hypot(back[0, 0], back[1, 0]))
    if scale < 0.5:  # each pixel read would skip several
        factor = int(1 / scale)
        pictures = nn.functional.avg_pool2d(pictures, factor)
        return aligned(pictures, size)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ back.T
    grid = torch.from_numpy(((places[..., :2] + 0.5) * 2 / side - 1).astype(np.float32)).to(pictures.device)
    return nn.functional.grid_sample(
        pictures, grid.expand(len(pictures), -1, -1, -1), mode="bilinear", padding_mode="border", align_corners=False
    )


class MobileFaceNet(nn.Module):
    """The recogniser of Chen et al. 2018 (arXiv 1804.07573), table 1, for faces of 112 x 96 px, red first, -1 to 1.

    Layers are named as its published files name them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _unit(3, 64, 3, stride=2, padding=1)
        self.dw_conv1 = _unit(64, 64, 3, padding=1, groups=64)
        blocks: list[nn.Module] = []
        inside = 64
        for widen, out, count, stride in (
            (2, 64, 5, 2),
            (4, 128, 1, 2),
            (2, 128, 6, 1),
            (4, 128, 1, 2),
            (2, 128, 2, 1),
        ):
            for n in range(count):
                blocks.append(_Bottleneck(inside, out, widen, stride if n == 0 else 1))
                inside = out
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = _unit(128, 512, 1)
        self.linear7 = _unit(512, 512, (7, 6), groups=512, bend=False)
        self.linear1 = _unit(512, 128, 1, bend=False)

    def forward(self, faces: Tensor) -> Tensor:
        """Give the vector of each face, `(N, 128)`, for `(N, 3, 112, 96)`."""
        seen = self.conv2(self.blocks(self.dw_conv1(self.conv1(faces))))
        return self.linear1(self.linear7(seen)).flatten(1)


class _Bottleneck(nn.Module):
    def __init__(self, inside: int, out: int, widen: int, stride: int) -> None:
        super().__init__()
        self.passes = stride == 1 and inside == out
        wide = inside * widen
        self.conv = nn.Sequential(
            *(nn.Conv2d(inside, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.PReLU(wide)),
            *(nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.PReLU(wide)),
            *(nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out)),
        )

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.conv(x)
        return x + made if self.passes else made


def _unit(inside: int, out: int, kernel: Any, *, bend: bool = True, **options: Any) -> nn.Module:
    """Give a convolution with its normalisation, and a bend unless it is to be linear."""
    made = nn.Sequential()
    made.add_module("conv", nn.Conv2d(inside, out, kernel, bias=False, **options))
    made.add_module("bn", nn.BatchNorm2d(out))
    if bend:
        made.add_module("prelu", nn.PReLU(out))
    return made
