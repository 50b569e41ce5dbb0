"""The list of published weight files: what each is for, where it is, how it is known, and what its licence allows.

Size, SHA-256 and mirrors stand here only with the public place that states them. Where none is known they are None: the
file is then pinned by what its first download from the authors' own address gives, and shown so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True)
class Licence:
    """What may be done with a file."""

    name: str
    """What the user accepts it by, such as "S-Lab-1.0"."""
    commercial: Literal["yes", "no", "ask"]
    """Whether it allows commercial use; "ask" where its words do not settle that."""
    words: str
    """The same in a sentence."""
    url: str
    """Where it is published."""


@dataclass(frozen=True)
class Mirror:
    """Another address of the same bytes."""

    url: str
    stated: str
    """Public place that says the file is there."""


@dataclass(frozen=True)
class PublishedFile:
    """One file of weights that others publish."""

    id: str
    file: str
    """Name under which the authors publish it, and under which it lies in a folder of weights."""
    url: str
    """The authors' own address; empty where there is none that a program can download from."""
    page: str
    """Page of the project, where a person finds the file."""
    serves: tuple[str, ...]
    """Restorers, priors or parts of the app that it is for."""
    purpose: str
    """What the network does, in a few words."""
    licence: Licence
    size: int | None = None
    """Bytes; None where no public place is known that states it."""
    sha256: str | None = None
    """64 hexadecimal digits; None as for the size."""
    stated: str = ""
    """Public place that states size and SHA-256, empty where none is known."""
    mirrors: tuple[Mirror, ...] = ()
    """Tried one after the other when the authors' address fails."""


GFPGAN_LICENCE = Licence(
    "GFPGAN",
    "ask",
    "Apache-2.0, but parts of the network come from StyleGAN2 (NVIDIA, non-commercial) and DFDNet (CC BY-NC-SA 4.0): "
    "ask the authors before commercial use.",
    "https://github.com/TencentARC/GFPGAN/blob/master/LICENSE",
)
S_LAB = Licence(
    "S-Lab-1.0",
    "no",
    "Non-commercial use only; the authors give other licences on request.",
    "https://github.com/sczhou/CodeFormer/blob/master/LICENSE",
)
BSD = Licence(
    "BSD-3-Clause",
    "yes",
    "Commercial use is allowed.",
    "https://github.com/xinntao/Real-ESRGAN/blob/master/LICENSE",
)

_GFPGAN = "https://github.com/TencentARC/GFPGAN/releases/download/"
_GFPGAN_PAGE = "https://github.com/TencentARC/GFPGAN"
_DIFFACE = "https://github.com/zsyOAOA/DifFace/releases/download/V1.0/"
_DIFFACE_PAGE = "https://github.com/zsyOAOA/DifFace"
_REALESRGAN = "https://github.com/xinntao/Real-ESRGAN/releases/download/"
_REALESRGAN_PAGE = "https://github.com/xinntao/Real-ESRGAN"

_FILES = (
    PublishedFile(
        "gfpgan-1.2",
        "GFPGANv1.2.pth",
        _GFPGAN + "v1.3.0/GFPGANv1.2.pth",
        _GFPGAN_PAGE,
        ("gfpgan",),
        "restores faces, sharper and with more make-up than 1.3",
        GFPGAN_LICENCE,
    ),
    PublishedFile(
        "gfpgan-1.3",
        "GFPGANv1.3.pth",
        _GFPGAN + "v1.3.0/GFPGANv1.3.pth",
        _GFPGAN_PAGE,
        ("gfpgan",),
        "restores faces",
        GFPGAN_LICENCE,
    ),
    PublishedFile(
        "gfpgan-1.4",
        "GFPGANv1.4.pth",
        _GFPGAN + "v1.3.0/GFPGANv1.4.pth",
        _GFPGAN_PAGE,
        ("gfpgan",),
        "restores faces",
        GFPGAN_LICENCE,
    ),
    PublishedFile(
        "restoreformer",
        "RestoreFormer.pth",
        _GFPGAN + "v1.3.4/RestoreFormer.pth",
        _GFPGAN_PAGE,
        ("restoreformer",),
        "restores faces",
        GFPGAN_LICENCE,
    ),
    PublishedFile(
        "codeformer",
        "codeformer.pth",
        "https://github.com/sczhou/CodeFormer/releases/download/v0.1.0/codeformer.pth",
        "https://github.com/sczhou/CodeFormer",
        ("codeformer",),
        "restores faces, between quality and fidelity",
        S_LAB,
    ),
    PublishedFile(
        "difface-swinir",
        "swinir_restoration512_L1.pth",
        _DIFFACE + "swinir_restoration512_L1.pth",
        _DIFFACE_PAGE,
        ("difface",),
        "cleans a face before diffusion",
        S_LAB,
    ),
    PublishedFile(
        "difface-ffhq512",
        "iddpm_ffhq512_ema500000.pth",
        _DIFFACE + "iddpm_ffhq512_ema500000.pth",
        _DIFFACE_PAGE,
        ("difface",),
        "diffusion model of faces",
        S_LAB,
    ),
    PublishedFile(
        "realesrgan-x2plus",
        "RealESRGAN_x2plus.pth",
        _REALESRGAN + "v0.2.1/RealESRGAN_x2plus.pth",
        _REALESRGAN_PAGE,
        ("background", "face enlarger"),
        "enlarges a photo 2 times",
        BSD,
    ),
    PublishedFile(
        "realesrgan-x4plus",
        "RealESRGAN_x4plus.pth",
        _REALESRGAN + "v0.1.0/RealESRGAN_x4plus.pth",
        _REALESRGAN_PAGE,
        ("background", "face enlarger"),
        "enlarges a photo 4 times",
        BSD,
    ),
    PublishedFile(
        "realesrgan-general-x4v3",
        "realesr-general-x4v3.pth",
        _REALESRGAN + "v0.2.5.0/realesr-general-x4v3.pth",
        _REALESRGAN_PAGE,
        ("background", "face enlarger"),
        "enlarges a photo 4 times, quickly",
        BSD,
    ),
)

CATALOGUE: Mapping[str, PublishedFile] = MappingProxyType({file.id: file for file in _FILES})
"""Every published file by its id."""
