"""Restored crops in their photo: exact both ways, no seam, neighbours, larger and smaller faces, tone and grain."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.faces import (
    BadScale,
    Face,
    Fitting,
    Grain,
    SeenDamage,
    add_grain,
    apply_tone,
    blend,
    choose_scale,
    cut,
    detail_share,
    detector,
    embed,
    enlarged_crop,
    enlarged_photo,
    estimate_damage,
    fit,
    head_mask,
    identity_source,
    keep_detail,
    match_sharpness,
    measure_blur,
    measure_grain,
    paste,
    photo_tone,
    place,
    round_blur,
    softer_than_input,
    template,
    with_detail,
)
from engine.faces.geometry import moved, scale_of, warp
from engine.images import Photo, Pixels, from_uint8, merge, read_photo, resize, to_uint8

SIZE = 256
CLEAN = SeenDamage(0.4, 0.0, None, 256.0, 0.0)
BLURRED = SeenDamage(4.0, 1.0, None, 43.0, 0.8)
TONES = {"sepia": (0.072, -0.008, -0.147), "blue": (-0.07, 0.01, 0.132)}
"""Red, green and blue less luma at half brightness; they leave luma as it is."""


@pytest.fixture(scope="module")
def photo(sample_faces) -> Pixels:
    return read_photo(sample_faces[0]).pixels


@pytest.fixture(scope="module")
def face(photo) -> Face:
    return detector().find(photo)[0]


def seen_at(photo: Pixels, face: Face, scale: float, degrees: float = 0.0) -> tuple[Pixels, Face]:
    """The same photo turned and resized so that the face's crop of `SIZE` is cut at `scale`."""
    turn = np.radians(degrees)
    zoom = cut(photo, face, SIZE).scale / scale
    rotated = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    side = round(320 / scale)
    matrix = np.column_stack([rotated, [side / 2, side / 2] - rotated @ face.points.mean(axis=0)])
    return warp(photo, matrix, (side, side)), Face(face.box, moved(face.points, matrix), face.scheme, 1.0, "by hand")


def by_hand(centre: tuple[float, float], scale: float, degrees: float = 0.0) -> Face:
    """A face whose crop of `SIZE` is cut at `scale`, its crop's middle at `centre`."""
    points = (template("dlib5", SIZE) - (SIZE - 1) / 2) / scale
    turn = np.radians(degrees)
    points = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + centre
    return Face((*points.min(axis=0), *points.max(axis=0)), points, "dlib5", 1.0, "by hand")


def changed(a: Pixels, b: Pixels, mask) -> float:
    """Mean difference where the mask is above 0, of 255."""
    return 255 * float(np.abs(a - b)[mask > 0].mean())


def grained(pixels: Pixels, strength: float, size: float = 0.0, seed: int = 0) -> Pixels:
    """Grey grain of `strength`, of 255, as a file would have it."""
    noise = np.random.default_rng(seed).standard_normal(pixels.shape[:2], dtype=np.float32)
    if size:
        noise = cv2.GaussianBlur(noise, (0, 0), size)
        noise /= noise.std()
    return from_uint8(to_uint8(pixels + noise[..., None] * np.float32(strength / 255)))


def toned(pixels: Pixels, tint) -> Pixels:
    luma = (pixels @ np.array([0.2989, 0.587, 0.114], np.float32))[..., None]
    return from_uint8(to_uint8(luma + np.array(tint, np.float32) * (4 * luma * (1 - luma))))


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    _, data = cv2.imencode(".jpg", to_uint8(pixels)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return from_uint8(np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]))


# There and back


@pytest.mark.parametrize("degrees", [0, 7, -25, 45, 90, 180])
@pytest.mark.parametrize("scale", [1.0, 1.4, 2.0])
def test_pasting_the_crop_itself_changes_nothing_visible(photo, face, scale, degrees):
    seen, there = seen_at(photo, face, scale, degrees)
    crop = cut(seen, there, SIZE)
    assert crop.scale == pytest.approx(scale, rel=1e-3)
    pasted, mask = paste(seen, crop, crop.pixels)
    assert changed(pasted, seen, mask) < 0.5
    assert np.array_equal(pasted[mask == 0], seen[mask == 0])


@pytest.mark.parametrize("size", [0.0, 0.7, 1.5])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.4, 2.0])
def test_grain_as_strong_as_a_bad_scan_has_it_comes_back_with_the_crop(photo, face, scale, size):
    seen, there = seen_at(photo, face, scale, 7)
    seen = grained(seen, 20, size)
    crop = cut(seen, there, SIZE)
    pasted, mask = paste(seen, crop, crop.pixels)
    assert changed(pasted, seen, mask) < 0.01
    patch = place(seen, crop, cut(seen_at(photo, face, scale, 7)[0], there, SIZE).pixels)
    without, _ = blend(seen, [keep_detail(seen, crop, patch, 0.0)])
    assert changed(without, blend(seen, [patch])[0], mask) < 0.25


@pytest.mark.parametrize("degrees", [0, 45])
@pytest.mark.parametrize("scale", [0.3, 0.5, 0.85])
def test_a_face_larger_than_its_crop_comes_back_whole_with_its_own_detail(photo, face, scale, degrees):
    seen, there = seen_at(photo, face, scale, degrees)
    crop = cut(seen, there, SIZE)
    plain = place(seen, crop, crop.pixels)
    pasted, mask = blend(seen, [keep_detail(seen, crop, plain)])
    assert changed(pasted, seen, mask) < 0.01
    assert changed(blend(seen, [plain])[0], seen, mask) > 0.5
    drawn = place(seen, crop, cv2.GaussianBlur(crop.pixels, (0, 0), 1.0))
    none, half, whole = (blend(seen, [keep_detail(seen, crop, drawn, share)])[0] for share in (0.0, 0.5, 1.0))
    assert changed(half, none, mask) == pytest.approx(changed(whole, none, mask) / 2, rel=0.1)
    assert changed(whole, none, mask) > 0.1


def test_kept_detail_is_the_photos_and_the_rest_the_restored(photo, face):
    seen, there = seen_at(photo, face, 0.5)
    crop = cut(seen, there, SIZE)
    brighter = np.clip(crop.pixels * np.float32(0.8) + np.float32(0.1), 0, 1)
    patch = keep_detail(seen, crop, place(seen, crop, brighter))
    assert patch.pixels[patch.mask > 0.9].mean() == pytest.approx(brighter[head_mask(crop) > 0.9].mean(), abs=0.01)
    soft = place(seen, crop, brighter)
    finest = [cv2.Laplacian(p.pixels, cv2.CV_32F)[p.mask > 0.9].std() for p in (patch, soft)]
    own = cv2.Laplacian(seen[patch.place], cv2.CV_32F)[patch.mask > 0.9].std()
    assert finest[1] < 0.6 * own
    assert finest[0] == pytest.approx(own, rel=0.15)


def test_a_scratch_that_was_taken_away_does_not_come_back_with_the_detail(photo, face):
    seen, there = seen_at(photo, face, 0.5)
    crop = cut(seen, there, SIZE)
    scratched = seen.copy()
    middle = np.rint(there.nose).astype(int)
    cv2.line(scratched, (middle[0] - 80, middle[1] - 150), (middle[0] + 40, middle[1] + 60), (1.0, 1.0, 1.0), 3)
    scratch = np.abs(scratched - seen).max(axis=2) > 0.2
    bad = cut(scratched, there, SIZE)
    patch = keep_detail(scratched, bad, place(scratched, bad, crop.pixels))
    blended, _ = blend(scratched, [patch])
    assert np.abs(blended - seen)[scratch].mean() < 0.15 * np.abs(scratched - seen)[scratch].mean()
    soft, _ = paste(scratched, bad, cv2.GaussianBlur(crop.pixels, (0, 0), 1.0))
    whole = (cv2.GaussianBlur(np.ones(seen.shape[:2], np.float32), (0, 0), 1.0)).astype(np.float32)
    put_right = with_detail(scratched, soft, whole)
    assert np.abs(put_right - seen)[scratch].mean() < 0.5 * np.abs(scratched - seen)[scratch].mean()


def test_noise_does_not_come_back_with_the_detail(photo, face):
    seen, there = seen_at(photo, face, 0.35)
    clean = cut(seen, there, SIZE)
    noisy = grained(seen, 12)
    crop = cut(noisy, there, SIZE)
    patch = keep_detail(noisy, crop, place(noisy, crop, clean.pixels))
    assert measure_grain(noisy).mean > 10
    assert measure_grain(patch.pixels).mean < 3.5
    with pytest.raises(ValueError, match=r"share must be 0 to 1, got 1\.5"):
        keep_detail(noisy, crop, patch, 1.5)


# The mask and its border


def test_the_mask_holds_the_heads_of_ten_photos_hair_and_ears(sample_faces, sample_truth):
    for path in (*sample_faces[:6], *sample_truth[:4]):
        picture = read_photo(path).pixels
        crop = cut(picture, detector().find(picture)[0], SIZE)
        head = head_by_grab_cut(crop.pixels)
        assert 0.2 < head.mean() < 0.6, path.name
        assert (head_mask(crop)[head] > 0.5).mean() > 0.95, path.name


def test_the_mask_holds_heads_of_others_with_long_hair_short_hair_and_none():
    """The faces of nobody that ship: women and men of all ages, cut as every crop is."""
    faces = sorted((Path(__file__).parents[1] / "assets" / "faces").glob("face-*.jpg"))[::12]
    assert len(faces) >= 10
    shares = []
    for path in faces:
        picture = cv2.resize(read_photo(path).pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        head, mask = head_by_grab_cut(picture), head_mask(cut(picture, by_hand((127.5, 127.5), 1.0), SIZE))
        shares.append((mask[head] > 0.5).mean())
        ears = head.copy()
        ears[:, 45:211] = ears[:100] = ears[170:] = False
        assert not ears.any() or mask[ears].mean() > 0.5, path.name
    # Hair that falls beyond the crop cannot be held by any mask of it.
    assert min(shares) > 0.88 and np.mean(shares) > 0.95, shares


def head_by_grab_cut(pixels: Pixels):
    """Which pixels belong to the head and not to the ground, down to the chin: by colour, without any mask of ours."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    marks = np.full((SIZE, SIZE), cv2.GC_PR_BGD, np.uint8)
    marks[((x - 128) / 100) ** 2 + ((y - 128) / 125) ** 2 < 1] = cv2.GC_PR_FGD
    marks[((x - 128) / 70) ** 2 + ((y - 135) / 95) ** 2 < 1] = cv2.GC_FGD
    marks[:4] = marks[:200, :4] = marks[:200, -4:] = cv2.GC_BGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(np.ascontiguousarray(to_uint8(pixels)[..., ::-1]), marks, None, *models, 4, cv2.GC_INIT_WITH_MASK)
    head = (marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)
    head[215:] = False
    return head


def seam(before: Pixels, after: Pixels, mask) -> float:
    """How much steeper brightness runs across the mask's border than it did, in levels a px: the worst per cent."""
    slope_x, slope_y = (cv2.Sobel(mask, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    border = (mask > 0.01) & (mask < 0.99)
    length = np.maximum(np.hypot(slope_x, slope_y), 1e-6)

    def across(pixels):
        grey = np.ascontiguousarray(cv2.GaussianBlur(pixels.mean(axis=2) * 255, (0, 0), 1.0))
        x, y = (cv2.Sobel(grey, cv2.CV_32F, *order) / 8 for order in ((1, 0), (0, 1)))
        return (np.abs(x * slope_x + y * slope_y) / length)[border]

    return float(np.quantile(across(after) - across(before), 0.99))


@pytest.mark.parametrize("scale", [0.6, 1.0])
@pytest.mark.parametrize("ground", ["flat", "textured", "dark"])
def test_no_seam_shows_on_any_ground(ground, scale):
    rough = cv2.GaussianBlur(np.random.default_rng(1).random((480, 480, 3), dtype=np.float32), (0, 0), 2.0)
    level = {"flat": 0.6, "textured": 0.5, "dark": 0.04}[ground]
    picture = np.full((480, 480, 3), level, np.float32) + (rough - 0.5) * np.float32(ground == "textured")
    crop = cut(picture, by_hand((240.3, 239.6), scale, 8), SIZE)
    lighter = np.clip(crop.pixels + np.float32(6 / 255), 0, 1)
    pasted, mask = paste(picture, crop, lighter)
    hard, hard_mask = paste(picture, crop, lighter, (head_mask(crop) > 0.5).astype(np.float32))
    limit = 0.9 if ground != "textured" else 1.5
    assert seam(picture, pasted, mask) < limit
    assert seam(picture, hard, cv2.GaussianBlur(hard_mask, (0, 0), 1.5)) > limit


def test_a_face_cut_by_the_photos_edge_is_pasted_as_far_as_it_goes(photo, face):
    left = int(face.eyes[0, 0])
    part = np.ascontiguousarray(photo[:, left:])
    shifted = Face(face.box, face.points - [left, 0], face.scheme, 1.0, "by hand")
    crop = cut(part, shifted, SIZE)
    pasted, mask = blend(part, [keep_detail(part, crop, place(part, crop, crop.pixels))])
    assert mask[:, 0].max() == pytest.approx(1, abs=0.01)
    assert changed(pasted, part, mask) < 0.01
    darker, _ = paste(part, crop, crop.pixels * np.float32(0.5))
    assert darker[:, 0].mean() < part[:, 0].mean()
    assert np.array_equal(darker[mask == 0], part[mask == 0])


def test_the_second_of_two_faces_does_not_bring_the_old_first_one_back():
    picture = np.full((420, 560, 3), 0.5, np.float32)
    faces = [by_hand((200, 210), 0.9), by_hand((310, 215), 1.0, 10)]
    crops = [cut(picture, face, SIZE) for face in faces]
    # Each crop shows the other face as it was; only its own middle is restored.
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    middle = (np.hypot(x - 127.5, y - 127.5) < 60)[..., None]
    restored = [np.where(middle, np.float32(tone), crop.pixels) for tone, crop in zip((0.9, 0.1), crops, strict=True)]
    patches = [place(picture, crop, made) for crop, made in zip(crops, restored, strict=True)]
    both, mask = blend(picture, patches)
    swapped, _ = blend(picture, patches[::-1])
    assert both[210, 200].mean() == pytest.approx(0.9, abs=0.01)
    assert both[215, 310].mean() == pytest.approx(0.1, abs=0.01)
    alone = paste(picture, crops[0], restored[0])[0]
    near_first = (slice(180, 240), slice(170, 230))
    assert np.allclose(both[near_first], alone[near_first], atol=1e-3)
    assert np.allclose(both, swapped, atol=1e-5)
    assert np.array_equal(both[mask == 0], picture[mask == 0])
    first = blend(picture, [place(picture, crops[0], restored[0])])[0]
    one_after_the_other = blend(first, [place(first, crops[1], restored[1])])[0]
    assert np.abs(one_after_the_other - alone)[near_first].max() > 0.1


# Smaller faces


@pytest.mark.parametrize(
    ("scale", "side", "chosen"),
    [(0.5, 500, 1), (1.0, 500, 1), (1.1, 500, 1), (1.6, 500, 2), (2.2, 500, 2), (3.0, 500, 4), (9.0, 500, 4)],
)
def test_auto_takes_the_smallest_scale_that_keeps_what_is_restored(scale, side, chosen):
    crop = cut(np.zeros((side, side, 3), np.float32), by_hand((250, 250), scale), SIZE)
    assert choose_scale(crop, (side, side)) == chosen


def test_auto_does_not_make_photos_that_nothing_opens_and_a_wish_is_kept_or_refused():
    crop = cut(np.zeros((500, 500, 3), np.float32), by_hand((250, 250), 4.0), SIZE)
    assert choose_scale(crop, (4000, 3000)) == 2
    assert choose_scale(crop, (8000, 6000)) == 1
    assert choose_scale(crop, (4000, 3000), 4) == 4
    with pytest.raises(BadScale, match=r"At 4 times its size the photo would have 768 million pixels"):
        choose_scale(crop, (8000, 6000), 4)
    with pytest.raises(BadScale, match=r"The output scale must be auto, 1, 2, 4, got 3"):
        choose_scale(crop, (500, 500), 3)


@pytest.mark.parametrize("factor", [2, 4])
def test_a_crop_of_the_enlarged_photo_lies_where_it_lay(photo, face, factor):
    small, there = seen_at(photo, face, 3.0)
    crop = cut(small, there, SIZE)
    larger, moved_crop = enlarged_photo(small, factor), enlarged_crop(crop, factor)
    assert larger.shape == (small.shape[0] * factor, small.shape[1] * factor, 3)
    assert np.abs(resize(larger, small.shape[1::-1]) - small).mean() < 1 / 255
    assert moved_crop.scale == pytest.approx(crop.scale / factor)
    again = cut(larger, moved_crop.face, SIZE)
    assert np.allclose(again.from_photo, moved_crop.from_photo, atol=1e-6)
    assert 255 * np.abs(again.pixels - crop.pixels).mean() < 1
    pasted, mask = blend(larger, [keep_detail(larger, moved_crop, place(larger, moved_crop, again.pixels))])
    assert changed(pasted, larger, mask) < 0.5
    # What is restored survives in the enlarged photo and not in the small one.
    sharp = cut(photo, face, SIZE)
    in_small = cut(paste(small, crop, sharp.pixels)[0], there, SIZE).pixels
    in_large = cut(paste(larger, moved_crop, sharp.pixels)[0], moved_crop.face, SIZE).pixels
    inner = head_mask(crop) > 0.99
    assert np.abs(in_large - sharp.pixels)[inner].mean() < 0.6 * np.abs(in_small - sharp.pixels)[inner].mean()
    assert scale_of(moved_crop.from_photo) == pytest.approx(3.0 / factor, rel=1e-3)


# Tone


def test_photos_in_colour_have_no_tone(sample_faces, sample_damaged):
    for path in (*sample_faces, *sample_damaged):
        assert photo_tone(read_photo(path).pixels) is None, path.name


@pytest.mark.parametrize("name", TONES)
def test_a_toned_photo_gives_its_tone_to_what_is_restored_in_colour(photo, name):
    old = toned(photo, TONES[name])
    worn = jpeg(np.clip(old + np.random.default_rng(0).normal(0, 6 / 255, old.shape), 0, 1).astype(np.float32), 60)
    for seen in (old, worn):
        tone = photo_tone(seen)
        assert tone is not None and not tone.grey
        assert 255 * np.abs(apply_tone(photo, tone) - old).mean() < 1.5
    region = np.zeros(photo.shape[:2], np.float32)
    region[100:400, 100:350] = 1
    assert photo_tone(old, region) is not None
    with pytest.raises(ValueError, match="region must be"):
        photo_tone(old, region[:50])


def test_grey_stays_exactly_grey(photo, face):
    grey = toned(photo, (0, 0, 0))
    for seen in (grey, jpeg(grained(grey, 5), 50)):
        tone = photo_tone(seen)
        assert tone is not None and tone.grey
        made = apply_tone(photo, tone)
        assert np.array_equal(made[..., 0], made[..., 1]) and np.array_equal(made[..., 1], made[..., 2])
    noisy = grained(grey, 5)
    crop = cut(noisy, face, SIZE)
    patch = fit(noisy, crop, cut(photo, face, SIZE).pixels, BLURRED, tone=photo_tone(noisy))
    pasted, mask = blend(noisy, [patch])
    whole = merge(Photo(to_uint8(noisy)[..., 0], None, None, None, "grey.png"), pasted, mask)
    assert whole.samples.ndim == 2


# Grain and sharpness


@pytest.mark.parametrize(("strength", "size"), [(5.0, 0.0), (10.0, 1.0), (10.0, 2.0), (6.0, 4.0)])
def test_grain_is_measured_as_it_was_made(photo, strength, size):
    grain = measure_grain(grained(resize(photo, (896, 1080)), strength, size))
    assert grain.mean == pytest.approx(strength, rel=0.2)
    assert grain.size == pytest.approx(size, abs=0.15 + 0.15 * size)
    assert grain.colour < 0.35


def test_a_face_gets_the_grain_of_its_photo_and_only_where_it_is_pasted(photo, face):
    noisy = grained(photo, 8, 0.8)
    crop = cut(noisy, face, SIZE)
    smooth = place(noisy, crop, cut(photo, face, SIZE).pixels)
    grain = measure_grain(noisy, smooth)
    patch = add_grain(smooth, grain, 1.0, seed=3)
    made = measure_grain(patch.pixels)
    assert measure_grain(smooth.pixels).mean < 2.5
    assert made.mean == pytest.approx(grain.mean, rel=0.2)
    assert made.size == pytest.approx(grain.size, abs=0.3)
    assert np.array_equal(patch.pixels, add_grain(smooth, grain, 1.0, seed=3).pixels)
    assert not np.array_equal(patch.pixels, add_grain(smooth, grain, 1.0, seed=4).pixels)
    assert measure_grain(add_grain(smooth, grain, 0.5, seed=3).pixels).mean < 0.75 * made.mean
    assert add_grain(smooth, grain, 0.0) is smooth
    assert add_grain(patch, grain, 0.8) is patch
    pasted, mask = blend(noisy, [patch])
    assert np.array_equal(pasted[mask == 0], noisy[mask == 0])
    # Two half shares of grain together are as strong as a whole one.
    fading = (mask > 0.3) & (mask < 0.7)
    assert (pasted - photo)[fading].std() == pytest.approx((noisy - photo)[fading].std(), rel=0.15)
    with pytest.raises(ValueError, match=r"amount must be 0 to 1\.5, got 2"):
        add_grain(smooth, grain, 2)


def test_strong_noise_is_not_given_back_whole_by_default():
    assert Grain((4.0,) * 5, 1.0, 0.0).default_amount == 1
    assert Grain((12.0,) * 5, 1.0, 0.0).default_amount == pytest.approx(0.5)


def test_grain_of_colour_is_told_from_grey(photo):
    noise = np.random.default_rng(0).normal(0, 8 / 255, photo.shape)
    assert measure_grain(np.clip(photo + noise, 0, 1).astype(np.float32)).colour > 1
    assert measure_grain(grained(photo, 8)).colour < 0.3
    assert measure_grain(np.full((64, 64, 3), 0.5, np.float32)).mean == 0
    assert measure_grain(np.zeros((9, 9, 3), np.float32)).mean == 0


def test_a_face_in_a_blurred_photo_is_softened_towards_it_and_never_sharpened(photo, face):
    blurred = cv2.GaussianBlur(photo, (0, 0), 4.0)
    crop = cut(blurred, face, SIZE)
    sharp = place(blurred, crop, cut(photo, face, SIZE).pixels)
    own, around = measure_blur(sharp.pixels, sharp.mask), round_blur(blurred, sharp)
    assert around > 2 * own
    blurs = [measure_blur(match_sharpness(sharp, around, amount).pixels, sharp.mask) for amount in (0.0, 0.5, 0.8, 1.0)]
    assert blurs[0] == own
    assert blurs[0] < blurs[1] < blurs[2] < blurs[3] < 1.3 * around
    soft = place(blurred, crop, crop.pixels)
    assert match_sharpness(soft, 1.0) is soft
    assert match_sharpness(soft, None) is soft
    assert measure_blur(np.full((40, 40, 3), 0.5, np.float32), np.zeros((40, 40), np.float32)) is None
    with pytest.raises(ValueError, match=r"amount must be 0 to 1, got 1\.2"):
        match_sharpness(soft, 1.0, 1.2)


# Softer than the input


def test_a_softer_result_is_told_and_put_right(photo, face):
    crop = cut(photo, face, SIZE)
    mask = place(photo, crop, crop.pixels).mask
    whole = np.zeros(photo.shape[:2], np.float32)
    whole[place(photo, crop, crop.pixels).place] = mask
    soft = cv2.GaussianBlur(photo, (0, 0), 2.0)
    found = softer_than_input(photo, soft, whole)
    assert found.softer and found.ratio < 0.6
    assert found.words == f"The face is softer than in the photo: it has {found.ratio:.0%} of its fine detail."
    assert not softer_than_input(photo, photo, whole).softer
    assert not softer_than_input(soft, photo, whole).softer
    right = with_detail(photo, soft, whole)
    assert not softer_than_input(photo, right, whole).softer
    assert np.array_equal(right[whole == 0], soft[whole == 0])
    assert np.array_equal(with_detail(photo, soft, whole, 0.0), soft)
    with pytest.raises(ValueError, match="share must be 0 to 1, got -1"):
        with_detail(photo, soft, whole, -1)


def test_taking_noise_away_is_not_softness_and_noise_is_not_put_back(photo, face):
    noisy = grained(photo, 10)
    crop = cut(photo, face, SIZE)
    whole = np.zeros(photo.shape[:2], np.float32)
    whole[place(photo, crop, crop.pixels).place] = place(photo, crop, crop.pixels).mask
    assert not softer_than_input(noisy, photo, whole).softer
    flat = np.full_like(photo, 0.5)
    assert softer_than_input(flat, flat, whole).ratio == 1
    assert softer_than_input(photo, photo, whole * 0).ratio == 1
    smooth = cv2.GaussianBlur(photo, (0, 0), 1.5)
    put_back = np.abs(with_detail(noisy, smooth, whole) - smooth)[whole > 0.9]
    assert np.median(put_back) < 0.2 * np.median(np.abs(noisy - smooth)[whole > 0.9])


# All together


def test_an_undamaged_face_goes_through_unchanged_and_a_damaged_one_gets_all(photo, face):
    crop = cut(photo, face, SIZE)
    pasted, mask = blend(photo, [fit(photo, crop, crop.pixels, CLEAN)])
    assert changed(pasted, photo, mask) < 0.01
    worse = grained(cv2.GaussianBlur(photo, (0, 0), 6.0), 10)
    bad = cut(worse, face, SIZE)
    damage = estimate_damage(bad.pixels, bad.scale)
    assert damage.severity > 0.3
    made = [fit(worse, bad, crop.pixels, damage, fitting=Fitting(grain=amount, seed=1)) for amount in (0.0, None)]
    assert measure_grain(made[1].pixels).mean > 1.5 * measure_grain(made[0].pixels).mean
    assert detail_share(damage) < 1 and detail_share(CLEAN) == 1


def test_a_face_too_weak_to_be_matched_is_told(sample_faces, photo, face):
    known = []
    for path in sample_faces[:3]:
        picture = read_photo(Path(path)).pixels
        known.append(embed(cut(picture, detector().find(picture)[0], SIZE)))
    crop = cut(photo, face, SIZE)
    good = identity_source(embed(crop), known)
    assert not good.from_references and good.words.startswith("Identity is in the photo:")
    gone = identity_source(embed(cv2.GaussianBlur(crop.pixels, (0, 0), 14.0)), known)
    assert gone.from_references and gone.words.startswith("Identity comes from the references:")
    with pytest.raises(ValueError, match="references must hold at least one embedding, got none"):
        identity_source(embed(crop), [])
