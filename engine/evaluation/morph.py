"""Morphing: bringing faces into one shape by dense correspondence, and blending them there.

Every portrait is aligned and of one size. `align` gives each a flow: a field over the mean shape that says where each
of its points lies in the portrait. All warps go backwards (a map holds, for each output pixel, the place to read) and
are composed before anything is sampled, so a portrait is interpolated once, whatever shape it ends in.

Conventions: pictures are float32 sRGB, 0 to 1, `(H, W, 3)`; a map is `(H, W, 2)` float32, (x, y) in px; a flow is a
map's difference from the identity. Nothing here knows whose faces these are or what the morphs are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Map = NDArray[np.float32]
Flow = NDArray[np.float32]

# Blur of the compared pictures and smoothness of the flow, px of a 384 px portrait, from coarse to fine. Five rounds
# brought the mean shape to rest (its own movement fell from 3.8 to 1.0 px and stayed there).
ROUNDS = ((6.0, 16.0), (4.0, 12.0), (3.0, 8.0), (2.0, 6.0), (1.5, 5.0))
DESIGN_SIZE = 384


@dataclass(frozen=True)
class Cutout:
    """A portrait with its figure known, and both figure and background continued where the other one hides them."""

    name: str
    pixels: Pixels
    inside: NDArray[np.float32]
    """`(H, W)`, 1 on head and shoulders, 0 on the background, soft over about 2 px."""
    front: Pixels
    """The figure; its colours go on beyond its outline."""
    back: Pixels
    """The background; its colours go on behind the figure."""


def floats(values: Any) -> NDArray[np.float32]:
    """Return values as a float32 array; what is float32 already is not copied."""
    return np.asarray(values, dtype=np.float32)


def identity_map(height: int, width: int) -> Map:
    """Return the map that changes nothing, `(height, width, 2)`."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.dstack([x, y])


def sample(pixels: NDArray[np.float32], where: Map, *, smooth: bool = True) -> NDArray[np.float32]:
    """Read a picture or a field at the places a map names.

    Args:
        pixels: `(h, w)` or `(h, w, C)`; mirrored beyond its border.
        where: `(H, W, 2)`.
        smooth: cubic; linear otherwise, which never overshoots (for flows and masks).
    """
    how = cv2.INTER_CUBIC if smooth else cv2.INTER_LINEAR
    x, y = np.ascontiguousarray(where[..., 0]), np.ascontiguousarray(where[..., 1])
    return np.asarray(cv2.remap(pixels, x, y, how, borderMode=cv2.BORDER_REFLECT_101), dtype=np.float32)


def through(where: Map, flow: Flow) -> Map:
    """Follow a map, then a flow: the map from the output to where the flow leads."""
    return where + sample(flow, where, smooth=False)


def inverse(flow: Flow, *, rounds: int = 10) -> Flow:
    """Return the flow that undoes a smooth flow: `through(identity + inverse(f), f)` is the identity.

    Fixed-point iteration, which converges where the flow stretches less than twofold.
    """
    start = identity_map(*flow.shape[:2])
    back = -flow
    for _ in range(rounds):
        back = -sample(flow, start + back, smooth=False)
    return back


def blur(field: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return a Gaussian blur, `sigma` in px; 0 or less changes nothing."""
    if sigma <= 0:
        return field
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), dtype=np.float32)


def blur_within(pixels: Pixels, mask: NDArray[np.float32], sigma: float) -> Pixels:
    """Return a blur that only looks at pixels inside a mask, so nothing bleeds in from outside.

    Args:
        pixels: `(H, W, 3)`.
        mask: `(H, W)`, 0 to 1.
        sigma: px.
    """
    weight = mask[..., None]
    return floats(blur(pixels * weight, sigma) / (blur(mask, sigma)[..., None] + 1e-4))


def fill(pixels: Pixels, known: NDArray[np.float32]) -> Pixels:
    """Continue a picture into its unknown part by pulling colours up a pyramid and pushing them down again.

    Args:
        pixels: `(H, W, 3)`; what stands where `known` is 0 does not matter.
        known: `(H, W)`, 0 to 1; at least one pixel above 0.

    Returns:
        Like `pixels`, unchanged where `known` is 1.
    """
    weight = known[..., None]
    if min(known.shape) <= 2:
        return np.broadcast_to((pixels * weight).sum((0, 1)) / max(float(known.sum()), 1e-6), pixels.shape).copy()
    less: Any = cv2.pyrDown(pixels * weight)
    less_known = np.asarray(cv2.pyrDown(known), dtype=np.float32)
    coarse = fill(np.asarray(less / np.maximum(less_known, 1e-6)[..., None], np.float32), np.clip(less_known * 2, 0, 1))
    grown: Any = cv2.resize(coarse, known.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(pixels * weight + grown * (1 - weight), dtype=np.float32)


def find_figure(pixels: Pixels) -> NDArray[np.float32]:
    """Return where head and shoulders are in an aligned portrait, `(H, W)`, 0 or 1.

    GrabCut, started from where a face in the FFHQ template always is. Hair much wider than the head is partly lost.
    """
    side = pixels.shape[0]
    unit = side / DESIGN_SIZE

    def px(value: float) -> int:
        return round(value * unit)

    def ellipse(x: int, y: int, wide: int, high: int, label: int) -> None:
        cv2.ellipse(labels, (px(x), px(y)), (px(wide), px(high)), 0, 0, 360, label, -1)

    labels: Any = np.full((side, side), cv2.GC_PR_BGD, np.uint8)
    ellipse(192, 200, 112, 165, cv2.GC_PR_FGD)
    labels[px(330) :, px(40) : px(344)] = cv2.GC_PR_FGD
    ellipse(192, 215, 78, 105, cv2.GC_FGD)
    labels[px(345) :, px(130) : px(254)] = cv2.GC_FGD
    labels[: px(230), : px(36)] = labels[: px(230), -px(36) :] = cv2.GC_BGD
    top = labels[: px(10)]
    top[top == cv2.GC_PR_BGD] = cv2.GC_BGD
    cv2.setRNGSeed(1)  # GrabCut draws its first clusters
    bytes_ = np.ascontiguousarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)[..., ::-1])
    cv2.grabCut(bytes_, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 6, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    figure = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, parts = cv2.connectedComponents(figure)
    figure = (parts == parts[px(215), px(192)]).astype(np.uint8)
    count, holes, stats, _ = cv2.connectedComponentsWithStats(1 - figure)
    for k in range(1, count):
        if stats[k, cv2.CC_STAT_AREA] < 1500 * unit * unit:
            figure[holes == k] = 1
    figure = cv2.morphologyEx(figure, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    return np.asarray(figure, dtype=np.float32)


def cut_out(name: str, pixels: Pixels) -> Cutout:
    """Separate an aligned portrait into figure and background."""
    figure = find_figure(pixels)

    def grow(by: int) -> NDArray[np.float32]:
        if by >= 0:
            return np.asarray(cv2.dilate(figure, np.ones((2 * by + 1,) * 2)), dtype=np.float32)
        # Beyond the picture the figure goes on; otherwise shoulders would be eaten from the border.
        padded: Any = cv2.copyMakeBorder(figure, 8, 8, 8, 8, cv2.BORDER_REPLICATE)
        return np.asarray(cv2.erode(padded, np.ones((1 - 2 * by,) * 2))[8:-8, 8:-8], dtype=np.float32)

    # The outline holds mixed colours: neither figure nor background may take its own from there.
    return Cutout(
        name=name,
        pixels=pixels,
        inside=blur(grow(-1), 1.2),
        front=fill(pixels, grow(-3)),
        back=fill(pixels, 1 - grow(6)),
    )


def structure(cutout: Cutout) -> NDArray[np.float32]:
    """Return what correspondence is found on: local contrast inside the figure, one dark value outside.

    So features lie on features, whatever the light, and outlines on outlines, whatever the background. `(H, W)`.
    """
    sigma = 12 * cutout.inside.shape[0] / DESIGN_SIZE
    grey = floats(cutout.pixels @ floats([0.299, 0.587, 0.114]))
    weight = cutout.inside
    around = blur(weight, sigma) + np.float32(1e-3)
    detail = floats((grey - blur(grey * weight, sigma) / around) * weight)
    spread = np.sqrt(blur(detail * detail, sigma) / around) + np.float32(0.03)
    contrast = np.clip(detail / spread * np.float32(0.16) + np.float32(0.6), 0.25, 0.95)
    return np.asarray(contrast * weight + 0.05 * (1 - weight), dtype=np.float32)


def align(cutouts: Sequence[Cutout]) -> list[Flow]:
    """Find the mean shape of several portraits of one size and each one's flow from it.

    Groupwise: dense inverse search flow from the mean picture of the last round to each portrait, smoothed, with the
    mean movement taken off, from coarse to fine.

    Returns:
        Per portrait `(H, W, 2)`: over the mean shape, how far away the same point is in the portrait. Sum: 0.

    Source: groupwise registration in the manner of Learned-Miller 2006 (congealing); flow by Kroeger et al. 2016.
    """
    pictures = [structure(c) for c in cutouts]
    side = pictures[0].shape[0]
    unit = side / DESIGN_SIZE
    start = identity_map(side, side)
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    finder.setFinestScale(0)
    flows: list[Flow] = [np.zeros((side, side, 2), np.float32) for _ in pictures]
    for detail, smoothness in ROUNDS:

        def as_bytes(picture: NDArray[np.float32], sigma: float = detail * unit) -> NDArray[np.uint8]:
            return np.asarray(np.clip(blur(picture, sigma), 0, 1) * 255, dtype=np.uint8)

        warped = [sample(p, start + f, smooth=False) for p, f in zip(pictures, flows, strict=True)]
        mean = as_bytes(floats(np.mean(warped, axis=0)))
        found = [finder.calc(mean, as_bytes(p), f.copy()) for p, f in zip(pictures, flows, strict=True)]
        smoothed = [blur(np.asarray(f, dtype=np.float32), smoothness * unit) for f in found]
        middle = floats(np.mean(smoothed, axis=0))
        flows = [f - middle for f in smoothed]
    return flows


def blend(
    pictures: Sequence[Pixels], low: Sequence[float], high: Sequence[float], *, sigma: float, gain: float = 1.0
) -> Pixels:
    """Mix pictures with other weights for their detail than for their tones.

    A plain mean of three skins or three heads of hair is smooth: their detail cancels out. With one of them leading
    in the detail it does not, and yet each of them is in every pixel.

    Args:
        pictures: `(H, W, 3)` each, in one shape.
        low: a weight each for what is coarser than `sigma`; sum 1.
        high: a weight each for what is finer; sum 1.
        sigma: where tones end and detail begins, px.
        gain: how much the detail is raised.
    """
    out = np.zeros_like(pictures[0])
    for picture, tone, detail in zip(pictures, low, high, strict=True):
        smooth = blur(picture, sigma)
        out += np.float32(tone) * smooth + np.float32(detail * gain) * (picture - smooth)
    return out


def relight(pixels: Pixels, like: Pixels, mask: NDArray[np.float32], *, sigma: float, strength: float) -> Pixels:
    """Give a picture another's light: its tones coarser than `sigma` become the other's, inside a mask.

    Args:
        pixels: `(H, W, 3)`.
        like: where the light is taken from, like `pixels`.
        mask: `(H, W)`, 0 to 1: the part that counts.
        sigma: px; features smaller than this stay the picture's own.
        strength: 0 (nothing changes) to 1.
    """
    difference = blur_within(like - pixels, mask, sigma)
    return np.asarray(pixels + difference * np.float32(strength), dtype=np.float32)
