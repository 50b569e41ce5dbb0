"""The list of published weight files: what each is for, where it is, how it is known, and what its licence allows.

Size, SHA-256 and mirrors stand here only with the public place that states them. Where none is known they are None: the
file is then pinned by what its first download gives, and shown so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from engine.weights import licences
from engine.weights.licences import Licence

Shapes = tuple[tuple[str, tuple[int, ...]], ...]


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
    """The authors' own address; empty where no program can download from it."""
    page: str
    """Page of the project, where a person finds the file."""
    serves: tuple[str, ...]
    """Restorers, priors or parts of the app that it is for."""
    purpose: str
    """What the network does, in a few words."""
    licence: Licence
    size: int | None = None
    """Bytes; None where no public place is known that states them to the byte."""
    sha256: str | None = None
    """64 hexadecimal digits; None where no public place is known that states them."""
    about: str = ""
    """The size as a public place rounds it, where none states it to the byte; empty where none is known."""
    stated: str = ""
    """Public places that state size and SHA-256; empty where none is known."""
    mirrors: tuple[Mirror, ...] = ()
    """Tried one after the other when the authors' address fails."""
    aliases: tuple[str, ...] = ()
    """Names under which other programs keep the same file."""
    shapes: Shapes = ()
    """Some tensors of the file by name, which together tell it from files of other networks; empty where unknown."""
    plain: bool = True
    """Whether it holds tensors and nothing else that matters. One that does not is never opened, only compared."""


_SIQE = "github.com/AmerZuher/Super-Image-Quality-Enhancer@1af124d backend/src/siqe/ai/manifest.py"
_AUR = "the PKGBUILD of {} in github.com/archlinux/aur"
_AUR_FACEXLIB = "the PKGBUILD of python-facexlib 0.2.5 (Arch User Repository)"
_HORDE = "github.com/Haidra-Org/AI-Horde-image-model-reference@46fdd9e {}"
_CLIBDEV = "github.com/clibdev/GFPGAN-onnxruntime-demo@29e8851 README.md"
_SWARM = "github.com/Quaggles/SwarmUI-FaceTools@65d5e30 Utils.cs"
_COMFY = "github.com/ltdrdata/ComfyUI-Manager@908a100 model-list.json (size)"
_PIXELUP = "github.com/nao7sep/pixelup@027d728 src/pixelup/models.py"
_HUB = "the file's page on huggingface.co/lxq007/{}"

_GFPGAN = "https://github.com/TencentARC/GFPGAN"
_CODEFORMER = "https://github.com/sczhou/CodeFormer"
_DIFFACE = "https://github.com/zsyOAOA/DifFace"
_ESRGAN = "https://github.com/xinntao/Real-ESRGAN"
_FACEXLIB = "https://github.com/xinntao/facexlib"
_DIFFBIR = "https://github.com/XPixelGroup/DiffBIR"
_KAIR = "https://github.com/cszn/KAIR/releases/download/v1.0/"
_REACTOR = "https://huggingface.co/datasets/Gourieff/ReActor/resolve/main/models/facerestore_models/"
_CLIBDEV_FILES = "https://github.com/clibdev/GFPGAN-onnxruntime-demo/releases/latest/download/"
_LXQ = "https://huggingface.co/lxq007/DiffBIR/resolve/main/"
_LXQ2 = "https://huggingface.co/lxq007/DiffBIR-v2/resolve/main/"


def _facelib(file: str) -> tuple[Mirror, ...]:
    """CodeFormer's release has facexlib's files too; its own code fetches them there."""
    return (Mirror(f"{_CODEFORMER}/releases/download/v0.1.0/{file}", "github.com/sczhou/CodeFormer@b33cc7d facelib"),)


_GFPGAN_SHAPES: Shapes = (("conv_body_first.weight", (32, 3, 1, 1)), ("condition_shift.6.2.bias", (32,)))
_SWINIR_SHAPES: Shapes = (("conv_first.1.weight", (180, 192, 3, 3)), ("conv_up3.bias", (64,)))
_CONTROL_SHAPES: Shapes = (("input_blocks.0.0.weight", (320, 8, 3, 3)), ("zero_convs.0.0.weight", (320, 320, 1, 1)))
_FULL_SHAPES: Shapes = (
    ("control_model.input_blocks.0.0.weight", (320, 8, 3, 3)),
    ("model.diffusion_model.input_blocks.0.0.weight", (320, 4, 3, 3)),
    ("preprocess_model.conv_first.1.weight", (180, 192, 3, 3)),
)
_SD_SHAPES: Shapes = (
    ("model.diffusion_model.input_blocks.0.0.weight", (320, 4, 3, 3)),
    ("cond_stage_model.model.token_embedding.weight", (49408, 1024)),
)

_FACE_RESTORERS = (
    PublishedFile(
        "gfpgan-1.2",
        "GFPGANv1.2.pth",
        f"{_GFPGAN}/releases/download/v1.3.0/GFPGANv1.2.pth",
        _GFPGAN,
        ("gfpgan",),
        "restores faces; sharper than 1.3",
        licences.GFPGAN,
        sha256="29e25ee90c170f4231163f4c83df6b59c968b73f3ce00cb884015ae005db083c",
        about="332.5 MiB",
        stated=f"{_CLIBDEV}; {_AUR.format('python-gfpgan 0.2.1')}, as GFPGANCleanv1-NoCE-C2.pth",
        mirrors=(Mirror(f"{_CLIBDEV_FILES}gfpgan-v1.2.pth", _CLIBDEV),),
        aliases=("GFPGANCleanv1-NoCE-C2.pth", "gfpgan-v1.2.pth"),
        shapes=_GFPGAN_SHAPES,
    ),
    PublishedFile(
        "gfpgan-1.3",
        "GFPGANv1.3.pth",
        f"{_GFPGAN}/releases/download/v1.3.0/GFPGANv1.3.pth",
        _GFPGAN,
        ("gfpgan",),
        "restores faces; more natural than 1.2",
        licences.GFPGAN,
        sha256="c953a88f2727c85c3d9ae72e2bd4846bbaf59fe6972ad94130e23e7017524a70",
        about="348.6 MB",
        stated=f"{_CLIBDEV}; {_SWARM}; {_COMFY}",
        mirrors=(Mirror(f"{_REACTOR}GFPGANv1.3.pth", _SWARM), Mirror(f"{_CLIBDEV_FILES}gfpgan-v1.3.pth", _CLIBDEV)),
        aliases=("gfpgan-v1.3.pth",),
        shapes=_GFPGAN_SHAPES,
    ),
    PublishedFile(
        "gfpgan-1.4",
        "GFPGANv1.4.pth",
        f"{_GFPGAN}/releases/download/v1.3.0/GFPGANv1.4.pth",
        _GFPGAN,
        ("gfpgan",),
        "restores faces; more detail and nearer to the person than 1.3",
        licences.GFPGAN,
        size=348_632_874,
        sha256="e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
        stated=f"{_SIQE}; {_CLIBDEV}",
        mirrors=(Mirror(f"{_REACTOR}GFPGANv1.4.pth", _SWARM), Mirror(f"{_CLIBDEV_FILES}gfpgan-v1.4.pth", _CLIBDEV)),
        aliases=("gfpgan-v1.4.pth",),
        shapes=_GFPGAN_SHAPES,
    ),
    PublishedFile(
        "restoreformer",
        "RestoreFormer.pth",
        f"{_GFPGAN}/releases/download/v1.3.4/RestoreFormer.pth",
        "https://github.com/wzhouxiff/RestoreFormer",
        ("restoreformer",),
        "restores faces by a dictionary of good ones",
        licences.RESTOREFORMER,
        sha256="07404d446d62ca3d5ed38b1de09a947a1e77d46dbccec961a74d713a8f24ace0",
        about="290.8 MB",
        stated=_AUR.format("python-gfpgan 1.3.8") + f"; {_COMFY}",
        shapes=(("encoder.conv_in.weight", (64, 3, 3, 3)), ("post_quant_conv.bias", (256,))),
    ),
    PublishedFile(
        "codeformer",
        "codeformer.pth",
        f"{_CODEFORMER}/releases/download/v0.1.0/codeformer.pth",
        _CODEFORMER,
        ("codeformer",),
        "restores faces, between quality and fidelity",
        licences.S_LAB,
        sha256="1009e537e0c2a07d4cabce6355f53cb66767cd4b4297ec7a4a64ca4b8a5684b7",
        about="376.6 MB",
        stated=f"{_HORDE.format('codeformer.json')}; {_SWARM}; {_COMFY}",
        mirrors=(Mirror(f"{_REACTOR}codeformer-v0.1.0.pth", _SWARM),),
        aliases=("codeformer-v0.1.0.pth", "CodeFormers.pth"),
        shapes=(("position_emb", (256, 512)), ("fuse_convs_dict.256.shift.2.bias", (128,))),
    ),
    PublishedFile(
        "difface-swinir",
        "swinir_restoration512_L1.pth",
        f"{_DIFFACE}/releases/download/V1.0/swinir_restoration512_L1.pth",
        _DIFFACE,
        ("difface",),
        "cleans a face before DifFace's diffusion",
        licences.S_LAB,
        shapes=_SWINIR_SHAPES,
    ),
    PublishedFile(
        "difface-ffhq512",
        "iddpm_ffhq512_ema500000.pth",
        f"{_DIFFACE}/releases/download/V1.0/iddpm_ffhq512_ema500000.pth",
        _DIFFACE,
        ("difface",),
        "diffusion model of faces",
        licences.S_LAB,
        shapes=(("input_blocks.0.0.weight", (32, 3, 3, 3)), ("out.2.weight", (6, 32, 3, 3))),
    ),
    PublishedFile(
        "dr2-ffhq",
        "DR2_FFHQ.pkl",
        "",
        "https://github.com/Kaldwin0106/DR2_Drgradation_Remover",
        ("dr2",),
        "diffusion model of faces that removes damage",
        licences.DR2,
        shapes=(("input_blocks.0.0.weight", (128, 3, 3, 3)), ("out.2.weight", (6, 128, 3, 3))),
    ),
    PublishedFile(
        "dr2-sparnethd",
        "SPARNetHD_FFHQ_DR2aug.pth",
        "",
        "https://github.com/Kaldwin0106/DR2_Drgradation_Remover",
        ("dr2",),
        "sharpens what DR2 leaves",
        licences.DR2,
        shapes=(("encoder.0.conv2d.weight_orig", (102, 3, 3, 3)), ("out_conv.conv2d.bias", (3,))),
    ),
    PublishedFile(
        "asffnet512",
        "ASFFNet512.pth",
        "",
        "https://github.com/csxmli2016/ASFFNet512",
        ("asffnet",),
        "restores faces by one good photo",
        licences.BY_NC_SA,
        shapes=(
            ("sff_branch.0.sff0.MaskModel.0.weight_orig", (128, 192, 3, 3)),
            ("Component_CModel.model.6.bias", (128,)),
        ),
    ),
    PublishedFile(
        "dmdnet",
        "DMDNet.pth",
        "https://github.com/csxmli2016/DMDNet/releases/download/v1/DMDNet.pth",
        "https://github.com/csxmli2016/DMDNet",
        ("dmdnet",),
        "restores faces by several good photos",
        licences.BY_NC_SA,
        shapes=(("le_256_mem_key", (128, 16, 40, 40)), ("up4.4.weight_orig", (3, 64, 3, 3))),
    ),
    PublishedFile(
        "stylegan2-ffhq",
        "ffhq.pkl",
        "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/ffhq.pkl",
        "https://github.com/google/mystyle",
        ("mystyle",),
        "generator of faces that MyStyle tunes; the file holds a program and is never opened as it is",
        licences.NVIDIA,
        plain=False,
    ),
)

_ENLARGERS = (
    PublishedFile(
        "realesrgan-x2plus",
        "RealESRGAN_x2plus.pth",
        f"{_ESRGAN}/releases/download/v0.2.1/RealESRGAN_x2plus.pth",
        _ESRGAN,
        ("realesrgan",),
        "enlarges photos and faces 2 times",
        licences.REAL_ESRGAN,
        size=67_061_725,
        sha256="49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
        stated=f"{_SIQE}; {_AUR.format('python-realesrgan 0.3.0')}",
        mirrors=(
            Mirror(
                f"{_CODEFORMER}/releases/download/v0.1.0/RealESRGAN_x2plus.pth",
                "github.com/sczhou/CodeFormer@b33cc7d inference_codeformer.py",
            ),
        ),
        shapes=(("conv_first.weight", (64, 12, 3, 3)), ("body.22.rdb3.conv5.weight", (64, 192, 3, 3))),
    ),
    PublishedFile(
        "realesrgan-x4plus",
        "RealESRGAN_x4plus.pth",
        f"{_ESRGAN}/releases/download/v0.1.0/RealESRGAN_x4plus.pth",
        _ESRGAN,
        ("realesrgan",),
        "enlarges photos and faces 4 times",
        licences.REAL_ESRGAN,
        size=67_040_989,
        sha256="4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        stated=f"{_SIQE}; {_AUR.format('python-realesrgan 0.3.0')}",
        shapes=(("conv_first.weight", (64, 3, 3, 3)), ("body.22.rdb3.conv5.weight", (64, 192, 3, 3))),
    ),
    PublishedFile(
        "realesrgan-general-x4v3",
        "realesr-general-x4v3.pth",
        f"{_ESRGAN}/releases/download/v0.2.5.0/realesr-general-x4v3.pth",
        _ESRGAN,
        ("realesrgan",),
        "enlarges photos 4 times, quickly",
        licences.REAL_ESRGAN,
        size=4_885_111,
        sha256="8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
        stated=f"{_SIQE}; {_AUR.format('python-realesrgan 0.3.0')}",
        shapes=(("body.0.weight", (64, 3, 3, 3)), ("body.66.weight", (48, 64, 3, 3))),
    ),
)

_FACES = (
    PublishedFile(
        "retinaface-resnet50",
        "detection_Resnet50_Final.pth",
        f"{_FACEXLIB}/releases/download/v0.1.0/detection_Resnet50_Final.pth",
        _FACEXLIB,
        ("faces",),
        "finds faces, the better of two",
        licences.FACEXLIB,
        size=109_497_761,
        sha256="6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
        stated=f"{_SIQE}; {_HORDE.format('gfpgan.json')}",
        mirrors=_facelib("detection_Resnet50_Final.pth"),
        shapes=(("body.layer4.2.conv3.weight", (2048, 512, 1, 1)), ("ClassHead.0.conv1x1.weight", (4, 256, 1, 1))),
    ),
    PublishedFile(
        "retinaface-mobile",
        "detection_mobilenet0.25_Final.pth",
        f"{_FACEXLIB}/releases/download/v0.1.0/detection_mobilenet0.25_Final.pth",
        _FACEXLIB,
        ("faces",),
        "finds faces, small and quick",
        licences.FACEXLIB,
        sha256="2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220",
        about="1.79 MB",
        stated=f"{_HORDE.format('gfpgan.json')}; {_AUR_FACEXLIB}; {_COMFY}",
        mirrors=_facelib("detection_mobilenet0.25_Final.pth"),
        shapes=(("body.stage1.0.0.weight", (8, 3, 3, 3)), ("ClassHead.0.conv1x1.weight", (4, 64, 1, 1))),
    ),
    PublishedFile(
        "parsenet",
        "parsing_parsenet.pth",
        f"{_FACEXLIB}/releases/download/v0.2.2/parsing_parsenet.pth",
        _FACEXLIB,
        ("faces",),
        "tells hair, skin and hat apart",
        licences.FACEXLIB,
        size=85_331_193,
        sha256="3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2",
        stated=f"{_PIXELUP} (size); {_HORDE.format('gfpgan.json')}",
        mirrors=_facelib("parsing_parsenet.pth"),
        shapes=(("out_mask_conv.conv2d.bias", (19,)), ("out_img_conv.conv2d.bias", (3,))),
    ),
    PublishedFile(
        "arcface-ir-se50",
        "recognition_arcface_ir_se50.pth",
        f"{_FACEXLIB}/releases/download/v0.1.0/recognition_arcface_ir_se50.pth",
        _FACEXLIB,
        ("faces",),
        "measures whether two faces are one person",
        licences.FACEXLIB,
        sha256="a035c768259b98ab1ce0e646312f48b9e1e218197a0f80ac6765e88f8b6ddf28",
        stated=_AUR_FACEXLIB,
        shapes=(("input_layer.0.weight", (64, 3, 3, 3)), ("output_layer.3.weight", (512, 25088))),
    ),
)

_PRIORS = (
    PublishedFile(
        "diffbir-v1-face-full",
        "face_full_v1.ckpt",
        f"{_LXQ}face_full_v1.ckpt",
        _DIFFBIR,
        ("diffbir-v1-face",),
        "the whole of DiffBIR v1 for faces in one file: prior, guide and cleaner",
        licences.DIFFBIR_WITH_DIFFACE,
        sha256="39528d72e70cb09a9610a7036ced3d879fd0de7b4d83d6a8e47c0150ea3a6b84",
        about="6.89 GB",
        stated=_HUB.format("DiffBIR"),
        shapes=_FULL_SHAPES,
    ),
    PublishedFile(
        "diffbir-v1-general-full",
        "general_full_v1.ckpt",
        f"{_LXQ}general_full_v1.ckpt",
        _DIFFBIR,
        ("diffbir-v1-general",),
        "the whole of DiffBIR v1 for photos in one file",
        licences.DIFFBIR,
        shapes=_FULL_SHAPES,
    ),
    PublishedFile(
        "diffbir-v1-face-guide",
        "v1_face.pth",
        f"{_LXQ2}v1_face.pth",
        _DIFFBIR,
        ("diffbir-v1-face-in-parts",),
        "guide of DiffBIR v1 for faces",
        licences.DIFFBIR,
        about="1.45 GB",
        stated=_HUB.format("DiffBIR-v2"),
        shapes=_CONTROL_SHAPES,
    ),
    PublishedFile(
        "diffbir-v1-general-guide",
        "v1_general.pth",
        f"{_LXQ2}v1_general.pth",
        _DIFFBIR,
        ("diffbir-v1-general-in-parts",),
        "guide of DiffBIR v1 for photos",
        licences.DIFFBIR,
        about="1.45 GB",
        stated=_HUB.format("DiffBIR-v2"),
        shapes=_CONTROL_SHAPES,
    ),
    PublishedFile(
        "diffbir-v2-guide",
        "v2.pth",
        f"{_LXQ2}v2.pth",
        _DIFFBIR,
        ("diffbir-v2",),
        "guide of DiffBIR v2",
        licences.DIFFBIR,
        sha256="c023992d042a4e966a335b084fae7a4e38b3ac3d0df819398c839ff371ebaba5",
        about="1.45 GB",
        stated=_HUB.format("DiffBIR-v2"),
        shapes=_CONTROL_SHAPES,
    ),
    PublishedFile(
        "diffbir-v2.1-guide",
        "DiffBIR_v2.1.pt",
        f"{_LXQ2}DiffBIR_v2.1.pt",
        _DIFFBIR,
        ("diffbir-v2.1",),
        "guide of DiffBIR v2.1",
        licences.DIFFBIR,
        sha256="49477de737be9028ac2d9352cf45633324a0090afde57a7aa358321dd6a1de53",
        about="1.45 GB",
        stated=_HUB.format("DiffBIR-v2"),
        shapes=_CONTROL_SHAPES,
    ),
    PublishedFile(
        "diffbir-face-swinir",
        "face_swinir_v1.ckpt",
        f"{_LXQ}face_swinir_v1.ckpt",
        _DIFFBIR,
        ("diffbir-v1-face-in-parts", "diffbir-v2", "diffbir-v2.1"),
        "cleaner for faces, by DifFace's authors",
        licences.DIFFBIR_WITH_DIFFACE,
        size=90_204_233,
        sha256="62fb6605702e6ad35712299a23cc19ea7cd2fb4bbd50a8080fcefa8ad2620c71",
        stated=_HUB.format("DiffBIR"),
        shapes=_SWINIR_SHAPES,
    ),
    PublishedFile(
        "diffbir-general-swinir",
        "general_swinir_v1.ckpt",
        f"{_LXQ}general_swinir_v1.ckpt",
        _DIFFBIR,
        ("diffbir-v1-general-in-parts",),
        "cleaner for photos",
        licences.DIFFBIR,
        shapes=_SWINIR_SHAPES,
    ),
    PublishedFile(
        "diffbir-codeformer-swinir",
        "codeformer_swinir.ckpt",
        f"{_LXQ2}codeformer_swinir.ckpt",
        _DIFFBIR,
        ("diffbir-v2",),
        "cleaner for photos, trained on CodeFormer's damage",
        licences.DIFFBIR,
        shapes=_SWINIR_SHAPES,
    ),
    PublishedFile(
        "diffbir-realesrgan-swinir",
        "realesrgan_s4_swinir_100k.pth",
        f"{_LXQ2}realesrgan_s4_swinir_100k.pth",
        _DIFFBIR,
        ("diffbir-v2.1",),
        "cleaner for photos, trained on Real-ESRGAN's damage",
        licences.DIFFBIR,
        shapes=_SWINIR_SHAPES,
    ),
    PublishedFile(
        "bsrnet",
        "BSRNet.pth",
        f"{_KAIR}BSRNet.pth",
        "https://github.com/cszn/BSRGAN",
        ("diffbir-v2",),
        "cleaner for photos that enlarges 4 times",
        licences.KAIR,
        shapes=(("conv_first.weight", (64, 3, 3, 3)), ("RRDB_trunk.22.RDB3.conv5.weight", (64, 192, 3, 3))),
    ),
    PublishedFile(
        "scunet-psnr",
        "scunet_color_real_psnr.pth",
        f"{_KAIR}scunet_color_real_psnr.pth",
        "https://github.com/cszn/SCUNet",
        ("diffbir-v2",),
        "cleaner for noise",
        licences.SCUNET,
        size=71_982_841,
        sha256="fa78899ba2caec9d235a900e91d96c689da71c42029230c2028b00f09f809c2e",
        stated=_SIQE,
        shapes=(("m_head.0.weight", (64, 3, 3, 3)), ("m_tail.0.weight", (3, 64, 3, 3))),
    ),
    PublishedFile(
        "sd-2.1-base",
        "v2-1_512-ema-pruned.ckpt",
        "",
        "https://github.com/Nerogar/OneTrainer/issues/1129",
        ("diffbir-v1-face-in-parts", "diffbir-v1-general-in-parts", "diffbir-v2"),
        "Stable Diffusion 2.1-base, the prior of DiffBIR v1 and v2; its authors took it off their address in 2025",
        licences.STABLE_DIFFUSION,
        sha256="88ecb782561455673c4b78d05093494b9c539fc6bfc08f3a9a4a0dd7b0b10f36",
        about="5.21 GB",
        stated="the file's page on huggingface.co/stabilityai/stable-diffusion-2-1-base, taken off since (size); "
        "github.com/XmYx/ainodes-engine@0b7b926 backend/model_loader.py (SHA-256)",
        mirrors=(
            Mirror(
                "https://huggingface.co/sd-research/stable-diffusion-2-1-base/resolve/main/v2-1_512-ema-pruned.ckpt",
                "github.com/ruiyi-w/Learning-Hazing-to-Dehazing/issues/12",
            ),
        ),
        shapes=_SD_SHAPES,
    ),
    PublishedFile(
        "sd-2.1-zsnr",
        "sd2.1-base-zsnr-laionaes5.ckpt",
        f"{_LXQ2}sd2.1-base-zsnr-laionaes5.ckpt",
        _DIFFBIR,
        ("diffbir-v2.1",),
        "the prior of DiffBIR v2.1, another one than Stable Diffusion 2.1-base",
        licences.STABLE_DIFFUSION,
        about="5.16 GB",
        stated=_HUB.format("DiffBIR-v2"),
        shapes=_SD_SHAPES,
    ),
)

CATALOGUE: Mapping[str, PublishedFile] = MappingProxyType(
    {file.id: file for file in (*_FACE_RESTORERS, *_ENLARGERS, *_FACES, *_PRIORS)}
)
"""Every published file by its id."""
