"""One damaged face to one restored face: clean, encode, sample, decode, fix the colour."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine import images
from engine.errors import EngineError
from engine.faces import SeenDamage, estimate_damage
from engine.prior.settings import Sampling, check
from engine.progress import Look, Tick, silent

if TYPE_CHECKING:
    import torch

    from engine.prior.bundle import Prior

log = logging.getLogger(__name__)

Pixels = NDArray[np.float32]

COLOUR_FIXES = ("wavelet", "adain", "none")

START_LEVELS = ((0.0, 0.0), (0.1, 0.05), (0.4, 0.15), (1.0, 0.3))
"""Severity of the damage and the start level it asks for, straight lines between. Measured on the second generation of
the pocket prior (24 held-out faces, `python app.py card`): identity is nearest to the truth at 0.2; from there to 0.4
PSNR falls by 0.3 dB for a tenth more fine detail; a sound face loses by every start."""
WHOLE_FROM = 0.1
"""Severity from which "auto" takes the restored face whole; below, as much less of it as there is less to restore."""


class BadSetting(EngineError):
    """A restoring setting outside its range."""


class NoPicture(EngineError):
    """What was sampled holds what is no number."""


@dataclass(frozen=True)
class Settings:
    """What steers the restoring of one face."""

    sampling: Sampling = field(default_factory=Sampling)
    prompt: str = ""
    """Read by the denoiser; the guide's own text is always empty."""
    guidance: float = 1.0
    """Classifier-free guidance, 1 is off."""
    guide_strength: float = 1.0
    """Scale on the guide's residuals, 0 to 2; 1 as trained."""
    against: str = ""
    """What must not be seen; read where text guidance is above 1."""
    colour_fix: str = "wavelet"
    """One of `COLOUR_FIXES`."""


@dataclass(frozen=True)
class Restored:
    """What came of one face; pictures as `(size, size, 3)`, 0 to 1."""

    pixels: Pixels
    cleaned: Pixels
    """What stage 1 made of it, before the prior; the face itself where it was left alone."""
    start: float = 0.0
    """The start level that was used; 0 where the face was left alone."""
    share: float = 1.0
    """How much of the restored face was taken, the rest being the face as it was; below 1 only when "auto" saw next to
    nothing to restore."""
    note: str = ""
    """What the user should know of how it was made, a sentence."""


def start_level(damage: SeenDamage, table: tuple[tuple[float, float], ...] = START_LEVELS) -> float:
    """Give the start level that a damage asks for, 0 (leave the face alone) to 1; see `START_LEVELS`."""
    severities, levels = zip(*table, strict=True)
    return round(float(np.interp(damage.severity, severities, levels)), 3)


def restored_share(damage: SeenDamage) -> float:
    """Give how much of the restored face "auto" takes, 0 to 1; see `WHOLE_FROM`."""
    return float(np.clip(damage.severity / WHOLE_FROM, 0.0, 1.0))


def restore_face(
    prior: Prior,
    face: Pixels,
    settings: Settings | None = None,
    *,
    damage: SeenDamage | None = None,
    seed: int = 0,
    tick: Tick = silent,
    look: Look | None = None,
) -> Restored:
    """Restore one aligned face.

    Args:
        prior: shared or personalized; not changed.
        face: `(prior.size, prior.size, 3)`, 0 to 1, FFHQ alignment.
        settings: see there. A start level of 0 leaves the face alone; None lets the damage decide.
        damage: what was seen of the face's damage; estimated from the face when not given and needed.
        seed: of the noise; the same seed gives the same picture.
        tick: called after each sampling step.
        look: called after each sampling step with the face as it comes.

    Raises:
        BadSetting: a setting or a picture of a wrong size.
        EngineError: the prompt holds words the prior does not know, or memory ran out and cannot be saved any more.
        Cancelled: from the tick.
    """
    import torch

    settings = settings or Settings()
    if face.shape != (prior.size, prior.size, 3):
        raise BadSetting(f"A face for {prior.name} is {prior.size} x {prior.size} px, got {face.shape[1::-1]}.")
    if settings.colour_fix not in COLOUR_FIXES:
        raise BadSetting(f"colour_fix must be one of {', '.join(COLOUR_FIXES)}, got {settings.colour_fix!r}.")
    prior.text.check(settings.prompt)
    prior.text.check(settings.against)
    settings, share = _decided(settings, prior, face, damage)
    check(settings.sampling)
    if settings.sampling.start == 0 or share == 0:
        tick(settings.sampling.steps, settings.sampling.steps)
        return Restored(face.copy(), face.copy(), 0.0, 0.0)
    note = ""
    try:
        decoded, plain = _drawn(prior, face, settings, seed, tick, look)
    except torch.OutOfMemoryError as error:
        prior, note = _with_less(prior, error)
        try:
            decoded, plain = _drawn(prior, face, settings, seed, tick, look)
        except torch.OutOfMemoryError as again:
            raise _no_memory(prior) from again
    fixed = fix_colour(decoded, plain, settings.colour_fix)
    taken = fixed if share == 1 else face + (fixed - face) * np.float32(share)
    return Restored(np.clip(taken, 0, 1).astype(np.float32), plain, settings.sampling.start or 0.0, share, note)


def _drawn(
    prior: Prior, face: Pixels, settings: Settings, seed: int, tick: Tick, look: Look | None
) -> tuple[Pixels, Pixels]:
    """Give what prior and guide make of a face, and what stage 1 alone makes of it."""
    import torch

    from engine.prior.device import dtype_of, running

    with torch.inference_mode(), running(prior):
        damaged = images.to_tensor(face).to(prior.device)
        cleaned = prior.cleaner(damaged.to(dtype_of(prior.cleaner))).float().clamp(-1, 1).to(prior.dtype)
        plain = images.from_tensor(cleaned)
    return _sampled(prior, cleaned, settings, seed, tick, look), plain


def _sampled(
    prior: Prior, cleaned: torch.Tensor, settings: Settings, seed: int, tick: Tick, look: Look | None = None
) -> Pixels:
    """Give what prior and guide make of a cleaned picture, `(1, 3, H, W)`, -1 to 1."""
    import torch

    from engine.prior.bundle import Condition
    from engine.prior.device import running
    from engine.prior.sample import sample

    with torch.inference_mode(), running(prior):
        latents = prior.autoencoder.encode(cleaned)
        text = prior.text.encode([settings.prompt, "", settings.against]).to(prior.device, prior.dtype)
        condition = Condition(
            latents,
            text[:1],
            text[1:2],
            settings.guide_strength,
            settings.guidance,
            against=text[2:],
            pixels=cleaned,
        )

        def seen(done: int, total: int, clean: Callable[[], Any]) -> None:
            """Pass on a look at latents as one at a face."""
            if look is not None:
                look(done, total, lambda: images.from_tensor(prior.autoencoder.decode(clean())))

        sampled = sample(
            prior,
            condition,
            settings.sampling,
            seed=seed,
            start_from=latents,
            tick=tick,
            look=seen if look is not None else None,
        )
        decoded = prior.autoencoder.decode(sampled)
        if not bool(torch.isfinite(decoded).all()):
            raise NoPicture(
                f"{prior.name} gave no picture: its numbers overflowed. Choose another precision, such as "
                f"{prior.name}:precision=fp32, weaker guidance or pull, or tune the person again."
            )
        return images.from_tensor(decoded)


def _with_less(prior: Prior, error: Exception) -> tuple[Prior, str]:
    """Give the prior held so that it needs less memory, and the sentence that says so."""
    if prior.smaller is None:
        raise _no_memory(prior) from error
    note = f"There was not enough memory for {prior.name} as it was held, so it was held in less, which takes longer."
    log.warning(note)
    return prior.smaller(), note


def _no_memory(prior: Prior) -> EngineError:
    return EngineError(
        f"There is not enough memory for {prior.name} on {prior.device}. Close other programs, choose another device, "
        "or use the pocket prior."
    )


def _decided(settings: Settings, prior: Prior, face: Pixels, damage: SeenDamage | None) -> tuple[Settings, float]:
    """Give settings whose start level is a number, and how much of the restored face to take."""
    if settings.sampling.start is not None:
        return settings, 1.0
    seen = damage or estimate_damage(face)
    start = start_level(seen, prior.start_levels or START_LEVELS)
    return replace(settings, sampling=replace(settings.sampling, start=start)), restored_share(seen)


MULTIPLE = 64
"""Px that the sides of a whole photo are filled up to for the networks, as DiffBIR does."""


def restore_photo(
    prior: Prior, pixels: Pixels, settings: Settings | None = None, *, seed: int = 0, tick: Tick = silent
) -> Pixels:
    """Draw a whole photo anew, whatever is in it, with every stage in tiles of a crop's size.

    Memory grows with the photo for its pixels and latents alone. The autoencoder's own tiles are the prior's.

    Args:
        prior: made for photos, with the cleaner for photos; not changed.
        pixels: `(H, W, 3)`, 0 to 1, at the size of the result; not changed.
        settings: see there; its start level is a number, and without a pull.
        seed: of the noise.
        tick: called after each tile of the cleaning, and after each sampling step.

    Returns:
        Like `pixels`.

    Raises:
        BadSetting: the start level is left to a face's damage, or no such colour fix.
        EngineError: the prompt is too long, a setting is outside its range, or memory ran out.
        Cancelled: from the tick.
    """
    import torch

    settings = settings or Settings(sampling=Sampling(start=1.0))
    if settings.sampling.start is None:
        raise BadSetting("The start level of a whole photo must be a number from 0 to 1; there is no face to look at.")
    if settings.colour_fix not in COLOUR_FIXES:
        raise BadSetting(f"colour_fix must be one of {', '.join(COLOUR_FIXES)}, got {settings.colour_fix!r}.")
    settings = replace(settings, sampling=replace(settings.sampling, tile=settings.sampling.tile or prior.size))
    check(settings.sampling)
    for said in (settings.prompt, settings.against):
        prior.text.check(said)
    cleaned = _cleaned_in_tiles(prior, pixels, tick)
    height, width = pixels.shape[:2]
    filled = np.pad(cleaned, ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)), mode="edge")
    try:
        made = _sampled(prior, images.to_tensor(filled).to(prior.device, prior.dtype), settings, seed, tick)
    except torch.OutOfMemoryError as error:
        raise _no_memory(prior) from error
    return np.clip(fix_colour(made[:height, :width], cleaned, settings.colour_fix), 0, 1).astype(np.float32)


def clean_face(prior: Prior, face: Pixels) -> Pixels:
    """Give what stage 1 alone makes of a face; arguments as in `restore_face`."""
    import torch

    from engine.prior.device import dtype_of, running

    with torch.inference_mode(), running(prior):
        cleaned = prior.cleaner(images.to_tensor(face).to(prior.device, dtype_of(prior.cleaner)))
    return images.from_tensor(cleaned.float().clamp(-1, 1))


def clean_photo(prior: Prior, pixels: Pixels, *, sides: int = 1) -> Pixels:
    """Give a whole photo cleaned by stage 1, small, so that a face can be found in it.

    The photo is brought to one side of a crop, or a few, and cleaned tile by tile. The cleaner knows faces that fill
    most of a crop, and so small a picture hides most of the damage: of 14 people's photos damaged beyond the method's
    ranges dlib's HOG detector found 6 faces as they were, 12 with `sides` 1 and 8 with 2.

    Args:
        prior: whose cleaner it is.
        pixels: `(H, W, 3)`, 0 to 1; not changed.
        sides: long side of the result, in sides of a crop.

    Returns:
        The same picture with a long side of `sides * prior.size` px, 0 to 1.
    """
    height, width = pixels.shape[:2]
    scale = sides * prior.size / max(width, height)
    small = images.resize(pixels, (max(1, round(width * scale)), max(1, round(height * scale))))
    return _cleaned_in_tiles(prior, small)


def _cleaned_in_tiles(prior: Prior, pixels: Pixels, tick: Tick = silent) -> Pixels:
    """Give a picture of any size as stage 1 makes it, tile by tile, each of a crop's size."""
    # A side shorter than a tile is filled up by repeating its border.
    lacking = [max(0, prior.size - side) for side in pixels.shape[:2]]
    filled = np.pad(pixels, ((0, lacking[0]), (0, lacking[1]), (0, 0)), mode="edge")
    rise = np.minimum(np.arange(1, prior.size + 1), np.arange(prior.size, 0, -1)).astype(np.float32)
    weight = (rise[:, None] * rise[None, :])[..., None]
    total, share = np.zeros_like(filled), np.zeros((*filled.shape[:2], 1), np.float32)
    places = [(y, x) for y in _starts(filled.shape[0], prior.size) for x in _starts(filled.shape[1], prior.size)]
    for n, (y, x) in enumerate(places):
        here = slice(y, y + prior.size), slice(x, x + prior.size)
        total[here] += clean_face(prior, np.ascontiguousarray(filled[here])) * weight
        share[here] += weight
        tick(n + 1, len(places))
    return np.asarray((total / share)[: pixels.shape[0], : pixels.shape[1]], np.float32)


def _starts(length: int, tile: int) -> list[int]:
    """Give where tiles begin that cover a length, evenly and overlapping by a quarter at least."""
    count = 1 if length <= tile else 1 + int(np.ceil((length - tile) / (0.75 * tile)))
    return [round(n * (length - tile) / max(1, count - 1)) for n in range(count)]


def fix_colour(result: Pixels, reference: Pixels, how: str) -> Pixels:
    """Give a result the colours of the cleaned picture.

    Args:
        result: `(H, W, 3)`, 0 to 1, about.
        reference: like `result`; whose colours are right.
        how: `wavelet` (its low frequencies), `adain` (its mean and spread of each channel) or `none`.

    Source: StableSR (arXiv 2305.07015); DiffBIR@3f8b530 uses the wavelet with five levels,
    DiffBIR@ea13481 has both.
    """
    if how == "wavelet":
        return np.asarray(result - _low(result) + _low(reference), dtype=np.float32)
    if how == "adain":
        ours, theirs = result.astype(np.float64), reference.astype(np.float64)  # float32 sums lose the third digit
        spread = np.sqrt((theirs.var((0, 1), ddof=1) + 1e-5) / (ours.var((0, 1), ddof=1) + 1e-5))
        return np.asarray((ours - ours.mean((0, 1))) * spread + theirs.mean((0, 1)), dtype=np.float32)
    return result


def _low(pixels: Pixels, levels: int = 5) -> Pixels:
    """Blur by a 3-tap binomial whose taps move apart by a factor of two a level (an undecimated wavelet's low band)."""
    import cv2

    out: Any = pixels
    for level in range(levels):
        gap = 2**level
        taps = np.zeros(2 * gap + 1, np.float32)
        taps[[0, gap, 2 * gap]] = 0.25, 0.5, 0.25
        out = cv2.sepFilter2D(out, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(out, dtype=np.float32)
