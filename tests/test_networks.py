"""facexlib's networks: filled from files in its format, fed in the right order of channels, and never downloaded."""

from __future__ import annotations

import logging
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from engine.errors import EngineError
from engine.faces import (
    FaceModelsMissing,
    ParseNetMasker,
    RetinaFaceDetector,
    UnknownDetector,
    cut,
    detector,
    distance,
    masker,
    recognise,
    recogniser,
    retinaface,
)
from engine.faces.networks import ARCFACE, MOBILE, PARSENET, RESNET50, empty_network, network
from engine.faces.parsing import CLASSES, HEAD
from engine.images import Pixels, read_photo
from engine.weights import WeightsDamaged, WeightsMissing, read_published

if find_spec("facexlib") is None:
    pytest.fail("facexlib is not installed. This installs what the tests need: python -m tests.browser", pytrace=False)

RED = np.zeros((32, 32, 3), np.float32) + np.array([1, 0, 0], np.float32)


@pytest.fixture(scope="module")
def photo(sample_faces) -> Pixels:
    return read_photo(sample_faces[0]).pixels


def constant(file, path, *, prefix="", **heads):
    """Write a file as published whose heads give the same answer everywhere, and random features before them."""
    torch.manual_seed(0)
    state = {name: tensor.clone() for name, tensor in empty_network(file).state_dict().items()}
    for head, values in heads.items():
        for name in state:
            if name.startswith(f"{head}.") and name.endswith("weight"):
                state[name] = torch.zeros_like(state[name])
            elif name.startswith(f"{head}.") and name.endswith("bias"):
                state[name] = torch.tensor(values, dtype=torch.float32).repeat(state[name].numel() // len(values))
    torch.save({prefix + name: tensor for name, tensor in state.items()}, path)
    return path


# Files


@pytest.mark.parametrize("file", [MOBILE, RESNET50, PARSENET, ARCFACE])
def test_a_file_in_the_official_format_fills_its_network_and_no_other(tmp_path, file):
    torch.manual_seed(1)
    state = {
        name: torch.randn_like(t) if t.is_floating_point() else t
        for name, t in empty_network(file).state_dict().items()
    }
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / file)
    made = network(tmp_path / file, file)
    assert all(torch.equal(tensor, state[name]) for name, tensor in made.state_dict().items())
    assert not made.training
    assert {p.dtype for p in made.parameters()} == {torch.float32} and not any(
        p.requires_grad for p in made.parameters()
    )
    other = PARSENET if file == MOBILE else MOBILE
    with pytest.raises(WeightsDamaged, match=r"is not the file of this network: \d+ of its tensors differ"):
        network(tmp_path / file, other)


def test_the_networks_have_the_published_number_of_weights():
    counts = {RESNET50: 27_293_600, MOBILE: 426_608, PARSENET: 21_303_254, ARCFACE: 43_797_696}
    for file, count in counts.items():
        assert sum(p.numel() for p in empty_network(file).parameters()) == count


def test_a_tensor_too_many_too_few_or_of_another_shape_is_named(tmp_path):
    state = empty_network(MOBILE).state_dict()
    name = "BboxHead.0.conv1x1.bias"
    for wrong, sentence in (
        ({**state, "extra": torch.zeros(2)}, r"extra is \(2,\) and should be absent"),
        ({n: t for n, t in state.items() if n != name}, rf"{name} is missing and should be \(8,\)"),
        ({**state, name: torch.zeros(4)}, rf"{name} is \(4,\) and should be \(8,\)"),
    ):
        torch.save(wrong, tmp_path / MOBILE)
        with pytest.raises(WeightsDamaged, match=sentence):
            network(tmp_path / MOBILE, MOBILE)


@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_files_and_files_of_something_else_are_named(tmp_path, zipped):
    path = tmp_path / MOBILE
    torch.save(empty_network(MOBILE).state_dict(), path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    broken = [whole[: len(whole) * n // 10] for n in range(10)] + [
        b"<html>not found</html>",
        b"\x80\x02}q\x00.",
        b"\0" * 900,
    ]
    for data in broken:
        path.write_bytes(data)
        with pytest.raises(WeightsDamaged, match=rf"{MOBILE} is .*damaged or holds no weights. Get the file again"):
            read_published(path)
    for value in ([torch.zeros(2)], {"a": 1}, {}, {"state_dict": {"a": torch.zeros(2)}}):
        torch.save(value, path)
        with pytest.raises(WeightsDamaged, match="holds no weights"):
            read_published(path)
    with pytest.raises(WeightsMissing, match=r"gone\.pth is missing"):
        read_published(tmp_path / "gone.pth")


def test_a_file_that_would_run_code_is_refused_unrun(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"a": Trap()}, tmp_path / MOBILE)
    with pytest.raises(WeightsDamaged):
        read_published(tmp_path / MOBILE)
    assert not (tmp_path / "sprung").exists()


# RetinaFace


def test_retinaface_is_given_blue_first_without_the_means():
    batch = retinaface.as_input(RED)
    assert batch.shape == (1, 3, 32, 32)
    assert batch[0, :, 5, 5].tolist() == [-104, -117, 255 - 123]
    filled = retinaface.as_input(np.ones((10, 40, 3), np.float32))
    assert filled.shape == (1, 3, 32, 64)
    assert not filled[:, :, 10:].any() and not filled[..., 40:].any()


def test_anchors_lie_where_the_network_puts_its_answers():
    around = retinaface.anchors(64, 32)
    assert around.shape == (2 * (8 * 4 + 4 * 2 + 2 * 1), 3)
    assert around[:3].tolist() == [[4, 4, 16], [4, 4, 32], [12, 4, 16]]
    assert around[-1].tolist() == [48, 16, 512]
    boxes, points = retinaface.decoded(np.zeros((84, 4)), np.tile([0, 0, 1, 2], (84, 3))[:, :10], around)
    assert boxes[0].tolist() == [-4, -4, 12, 12]
    assert np.allclose(points[0, :2], [[4, 4], [4 + 1.6, 4 + 3.2]])


def test_places_in_the_network_become_places_in_the_photo(tmp_path):
    marks = [-3, -2, 3, -2, 0, 1, -2, 3, 2, 3]
    path = constant(MOBILE, tmp_path / MOBILE, ClassHead=[0, 9], BboxHead=[0, 0, 0, 0], LandmarkHead=marks)
    faces = RetinaFaceDetector("retinaface-mobile", path).find(np.zeros((1000, 1500, 3), np.float32))
    assert len(faces) > 3
    for face in faces:
        x0, y0, x1, y1 = face.box
        side = x1 - x0
        assert (face.scheme, face.detector) == ("ffhq5", "RetinaFace MobileNet-0.25")
        assert np.isclose(side, y1 - y0, rtol=0.01)
        assert np.isclose(face.eye_distance, 0.6 * side, rtol=0.01)
        assert np.allclose(face.points[2], [(x0 + x1) / 2, (y0 + y1) / 2 + 0.1 * side], atol=0.01 * side)
        assert min(x0, y0) > -side and x1 < 1500 + side and y1 < 1000 + side
        assert 0.999 < face.score <= 1


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 500, 3)])
def test_random_weights_and_odd_pictures_do_no_harm(tmp_path, shape):
    path = constant(RESNET50, tmp_path / RESNET50, prefix="module.")
    noise = np.random.default_rng(0).random(shape, dtype=np.float32)
    before = noise.copy()
    faces = RetinaFaceDetector("retinaface-resnet50", path).find(noise)
    assert all(np.isfinite(face.points).all() and face.score > 0.8 for face in faces)
    assert np.array_equal(noise, before)


def test_half_precision_round_it_changes_nothing(tmp_path, photo):
    path = constant(MOBILE, tmp_path / MOBILE, ClassHead=[0, 9])
    search = RetinaFaceDetector("retinaface-mobile", path)
    plain = search.find(photo)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        again = search.find(photo)
    assert len(plain) == len(again) > 0
    assert all(np.array_equal(a.points, b.points) for a, b in zip(plain, again, strict=True))


def test_auto_goes_on_without_a_damaged_file_and_a_named_detector_does_not(tmp_path, photo, caplog):
    (tmp_path / MOBILE).write_bytes(b"not weights")
    with caplog.at_level(logging.WARNING):
        search = detector("auto", tmp_path)
    assert MOBILE in search.notes[0] and search.notes[0].endswith("Faces are searched without it.")
    assert MOBILE in caplog.text
    assert search.find(photo)[0].detector == "dlib HOG"
    with pytest.raises(WeightsDamaged, match=MOBILE):
        detector("retinaface-mobile", tmp_path)


def test_auto_takes_retinaface_first_and_dlib_where_that_finds_nothing(tmp_path, photo):
    constant(
        MOBILE, tmp_path / MOBILE, ClassHead=[0, 9], BboxHead=[0, 0, 0, 0], LandmarkHead=[-3, 0, 3, 0, 0, 1, 0, 2, 0, 2]
    )
    assert detector("auto", tmp_path).find(photo)[0].detector == "RetinaFace MobileNet-0.25"
    constant(MOBILE, tmp_path / MOBILE, ClassHead=[9, 0])
    search = detector("auto", tmp_path)
    assert search.notes == ()
    assert search.find(photo)[0].detector == "dlib HOG"
    assert detector("retinaface-mobile", tmp_path).find(photo) == ()


# ParseNet


@pytest.fixture(scope="module")
def parsenet(tmp_path_factory) -> ParseNetMasker:
    folder = tmp_path_factory.mktemp("weights")
    assert masker(folder) is None
    constant(PARSENET, folder / PARSENET, **{"out_mask_conv.conv2d": [0.0]})
    made = masker(folder)
    assert isinstance(made, ParseNetMasker)
    return made


def test_hair_is_head_and_a_hat_is_not(parsenet):
    """One test for what takes a network of this size two looks."""
    seen: list[torch.Tensor] = []
    parsenet._network.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    last = parsenet._network.out_mask_conv.conv2d
    for name, is_head, size in (("hair", 1, 512), ("hat", 0, 128)):
        last.bias.copy_(torch.tensor([float(name == known) for known in CLASSES]))
        mask = parsenet.mask(np.zeros((size, size, 3), np.float32) + np.array([1, 0, 0], np.float32))
        assert (mask.shape, mask.dtype) == ((size, size), np.float32)
        assert abs(mask[size // 2, size // 2] - is_head) < 0.01
        edge = int(0.03 * size)
        assert not mask[:edge].any() and not mask[:, -edge:].any()
        assert np.abs(np.diff(mask, axis=0)).max() < 40 / size
        assert seen[-1].shape == (1, 3, 512, 512)
        assert seen[-1][0, :, 5, 5].tolist() == [1, -1, -1]  # red first


def test_the_head_is_what_facexlib_keeps_too():
    assert (*range(1, 14), 15) == HEAD
    assert len(CLASSES) == 19


def test_a_crop_that_is_not_square_has_no_mask(parsenet):
    with pytest.raises(ValueError, match=r"an aligned face must be \(size, size, 3\), got \(8, 9, 3\)"):
        parsenet.mask(np.zeros((8, 9, 3), np.float32))


def test_there_is_no_masker_without_a_folder():
    assert masker(None) is None


# ArcFace


def test_arcface_gives_unit_vectors_of_the_aligned_face(tmp_path, photo):
    constant(ARCFACE, tmp_path / ARCFACE)
    known = recogniser("arcface", tmp_path)
    crop = cut(photo, detector("dlib").find(photo)[0], 256)
    vector = known.embed(crop)
    assert vector.shape == (512,) and vector.dtype == np.float64
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(vector, known.embed(crop.pixels))
    other = known.embed(np.ascontiguousarray(crop.pixels[::-1]))
    assert 0 < known.distance(vector, other) <= 2
    assert (known.direction, known.name) == ("lower", "ArcFace IR-SE50 (facexlib)")


def test_arcface_is_given_blue_first_and_the_eyes_where_it_wants_them():
    batch = recognise.as_input(np.zeros((64, 64, 3), np.float32) + np.array([1, 0, 0], np.float32))
    assert batch.shape == (1, 3, 112, 112)
    assert np.allclose(batch[0, :, 50, 50], [-1, -1, 1], atol=1e-5)
    crop = np.zeros((512, 512, 3), np.float32)
    for x, y in recognise.FFHQ5[:2]:
        crop[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5] = 1
    seen = recognise.as_input(crop)[0, 0] + 1
    for half, (x, y) in ((slice(0, 56), recognise.ARCFACE5[0]), (slice(56, 112), recognise.ARCFACE5[1])):
        weight = seen[:, half]
        rows, columns = np.mgrid[0:112, half.start : half.stop]
        place = (columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()
        assert np.hypot(place[0] - x, place[1] - y) < 2


def test_recognisers_are_told_apart_by_name(tmp_path, photo):
    known = recogniser()
    crop = cut(photo, detector("dlib").find(photo)[0], 256)
    assert known.distance(known.embed(crop), known.embed(crop)) == 0
    assert known.distance(np.zeros(128), np.ones(128)) == distance(np.zeros(128), np.ones(128))
    assert known.same_person < 1
    with pytest.raises(UnknownDetector, match=r"no recogniser 'auto'\. The recognisers are: dlib, arcface\."):
        recogniser("auto", tmp_path)
    for folder in (None, tmp_path):
        with pytest.raises(FaceModelsMissing, match=rf"ArcFace needs {ARCFACE}, which is not there"):
            recogniser("arcface", folder)
    assert issubclass(FaceModelsMissing, EngineError)
