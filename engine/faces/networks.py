"""facexlib's networks, built from its modules and filled with the files that it publishes, which the user provides.

facexlib's own functions are not called: they download what they do not find, keep state between photos and import
video tracking and plotting with the first line. So its package is not imported either: each network's own module is
read by its path, and needs torch alone.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.faces.detect import FaceModelsMissing
from engine.weights import fill

if TYPE_CHECKING:
    from torch.nn import Module

RESNET50 = "detection_Resnet50_Final.pth"
MOBILE = "detection_mobilenet0.25_Final.pth"
PARSENET = "parsing_parsenet.pth"
ARCFACE = "recognition_arcface_ir_se50.pth"

REQUIREMENT = "facexlib>=0.3,<0.4"
INSTALL = f'pip install --no-deps "{REQUIREMENT}"'
"""Without what it asks for: its opencv-python would replace the headless one, and does not load where there is no
libGL; and nothing that is used here needs its numba, filterpy and matplotlib."""

_MODULES = {
    RESNET50: "detection/retinaface_net.py",
    MOBILE: "detection/retinaface_net.py",
    PARSENET: "parsing/parsenet.py",
    ARCFACE: "recognition/arcface_arch.py",
}


def network(path: Path, file: str) -> Module:
    """Give one network, filled, in float32 on the CPU, ready to be asked.

    Args:
        path: of the weights.
        file: which network: the name that facexlib publishes its weights under, one of those above.

    Raises:
        FaceModelsMissing: facexlib is not installed.
        WeightsMissing, WeightsDamaged: the file is not there, or is not that network's.
    """
    made = empty_network(file)
    fill(made, path)
    return made.eval().requires_grad_(False)


def empty_network(file: str) -> Module:
    """Give a network as in `network`, not filled yet."""
    module = _module(_MODULES[file])
    if file == PARSENET:
        return module.ParseNet(in_size=512, out_size=512, parsing_ch=19)
    if file == ARCFACE:
        return module.Backbone(num_layers=50, drop_ratio=0.6, mode="ir_se")
    return _retinaface(module, file)


def _retinaface(module: Any, file: str) -> Module:
    """Put RetinaFace together: backbone, feature pyramid, context modules and heads, by the names of its files.

    Source: Deng et al. 2019. facexlib's class of that name pulls in the whole package and fixes the device it runs on.
    """
    import torch
    from torchvision.models import resnet50
    from torchvision.models._utils import IntermediateLayerGetter

    class RetinaFace(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            if file == MOBILE:
                stages = {"stage1": "1", "stage2": "2", "stage3": "3"}
                self.body = IntermediateLayerGetter(module.MobileNetV1(), stages)
                widths, out = [64, 128, 256], 64
            else:
                stages = {"layer2": "1", "layer3": "2", "layer4": "3"}
                self.body = IntermediateLayerGetter(resnet50(weights=None), stages)
                widths, out = [512, 1024, 2048], 256
            self.fpn = module.FPN(widths, out)
            self.ssh1, self.ssh2, self.ssh3 = (module.SSH(out, out) for _ in range(3))
            self.ClassHead = module.make_class_head(fpn_num=3, inchannels=out)
            self.BboxHead = module.make_bbox_head(fpn_num=3, inchannels=out)
            self.LandmarkHead = module.make_landmark_head(fpn_num=3, inchannels=out)

        def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
            """Give logits `(N, A, 2)`, boxes `(N, A, 4)` and points `(N, A, 10)` for `A` anchors."""
            levels = self.fpn(list(self.body(batch).values()))
            levels = [ssh(level) for ssh, level in zip((self.ssh1, self.ssh2, self.ssh3), levels, strict=True)]
            heads = (self.ClassHead, self.BboxHead, self.LandmarkHead)
            return tuple(torch.cat([h(v) for h, v in zip(head, levels, strict=True)], dim=1) for head in heads)

    return RetinaFace()


@lru_cache(maxsize=4)
def _module(name: str) -> Any:
    """Load one module of facexlib by its place within the package, without importing the package."""
    package = find_spec("facexlib")
    for place in (package.submodule_search_locations or ()) if package else ():
        path = Path(place, name)
        if path.is_file():
            spec = spec_from_file_location(f"_facexlib_{path.stem}", path)
            if spec is not None and spec.loader is not None:
                module = module_from_spec(spec)
                spec.loader.exec_module(module)
                return module
    raise FaceModelsMissing(f"facexlib, whose {name} is needed, is not installed. Run: {INSTALL}")
