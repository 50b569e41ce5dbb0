"""The licences of published weights, with what they say of commercial use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Licence:
    """What may be done with a file."""

    name: str
    """What the user accepts it by, such as "S-Lab-1.0"."""
    commercial: Literal["yes", "no", "ask"]
    """Whether it allows commercial use; "ask" where its words do not settle that for the weights."""
    words: str
    """The same in a sentence."""
    url: str
    """Where it is published."""

    @property
    def to_accept(self) -> bool:
        """Whether it must be accepted by name, once, before its files are used."""
        return self.commercial == "no"


GFPGAN = Licence(
    "GFPGAN",
    "ask",
    "Apache-2.0, but parts of the network come from StyleGAN2 (NVIDIA, non-commercial) and DFDNet (CC BY-NC-SA 4.0): "
    "ask the authors before commercial use.",
    "https://github.com/TencentARC/GFPGAN/blob/master/LICENSE",
)
RESTOREFORMER = Licence(
    "RestoreFormer-Apache-2.0",
    "yes",
    "Commercial use is allowed; the repository has no other words about the weights.",
    "https://github.com/wzhouxiff/RestoreFormer",
)
S_LAB = Licence(
    "S-Lab-1.0",
    "no",
    "Non-commercial use only; for commercial use ask the authors.",
    "https://github.com/sczhou/CodeFormer/blob/master/LICENSE",
)
REAL_ESRGAN = Licence(
    "BSD-3-Clause",
    "yes",
    "Commercial use is allowed.",
    "https://github.com/xinntao/Real-ESRGAN/blob/master/LICENSE",
)
FACEXLIB = Licence(
    "facexlib",
    "ask",
    "The code is under MIT; facexlib sends you to the licence of each network's first authors, and what the training "
    "photos allow is not said: ask before commercial use.",
    "https://github.com/xinntao/facexlib#readme",
)
DIFFBIR = Licence(
    "Apache-2.0",
    "yes",
    "Commercial use is allowed; the repository has no other words about the weights.",
    "https://github.com/XPixelGroup/DiffBIR/blob/main/LICENSE",
)
DIFFBIR_WITH_DIFFACE = Licence(
    "DiffBIR-with-DifFace",
    "ask",
    "DiffBIR is under Apache-2.0, but the face cleaner in this file is borrowed from DifFace, whose licence S-Lab 1.0 "
    "is non-commercial: ask the authors before commercial use.",
    "https://github.com/XPixelGroup/DiffBIR/blob/main/LICENSE",
)
KAIR = Licence("MIT", "yes", "Commercial use is allowed.", "https://github.com/cszn/KAIR/blob/master/LICENSE")
SCUNET = Licence(
    "SCUNet-Apache-2.0", "yes", "Commercial use is allowed.", "https://github.com/cszn/SCUNet/blob/main/LICENSE"
)
STABLE_DIFFUSION = Licence(
    "OpenRAIL++-M",
    "yes",
    "Commercial use is allowed within the licence's list of forbidden uses, which every copy must carry on.",
    "https://github.com/Stability-AI/stablediffusion/blob/main/LICENSE-MODEL",
)
DR2 = Licence(
    "DR2",
    "ask",
    "The code is under MIT; there are no words about the weights: ask the authors before commercial use.",
    "https://github.com/Kaldwin0106/DR2_Drgradation_Remover/blob/main/LICENSE",
)
BY_NC_SA = Licence(
    "CC-BY-NC-SA-4.0",
    "no",
    "Non-commercial use only, with credit, and what is made of it under the same licence.",
    "https://creativecommons.org/licenses/by-nc-sa/4.0/",
)
NVIDIA = Licence(
    "NVIDIA-StyleGAN2-ADA",
    "no",
    "Non-commercial use only: research and evaluation.",
    "https://github.com/NVlabs/stylegan2-ada-pytorch/blob/main/LICENSE.txt",
)
