"""Faces that a user marked: read, ordered, refused, corrected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.faces import BadPoints, cut, face_from_points, marks, moved_points, parse_points, template
from engine.faces.geometry import moved

KNOWN = template("ffhq5", 256) + np.array([40, 30])
MOUTH = KNOWN[3:].mean(axis=0)
EYES = KNOWN[:2]


def turned(points, degrees, centre=(168.0, 158.0)):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (points - centre) @ turn + centre


@pytest.mark.parametrize("degrees", [0, 25, 90, 180, 250])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("form", ["three", "four", "five"])
def test_whichever_way_a_face_lies_its_marks_come_to_lie_on_the_template(degrees, swapped, form):
    given = {
        "three": np.vstack([EYES, MOUTH]),
        "four": np.vstack([EYES, KNOWN[3:]]),
        "five": KNOWN,
    }[form]
    order = {"three": [1, 0, 2], "four": [1, 0, 3, 2], "five": [1, 0, 2, 4, 3]}[form]
    marked = turned(given, degrees)
    face = face_from_points(marked[order] if swapped else marked)
    assert (face.scheme, face.detector, face.score) == ("ffhq5", "by hand", 1.0)
    assert np.allclose(face.points[:2], turned(EYES, degrees))
    crop = cut(np.zeros((300, 340, 3), np.float32), face, 128)
    assert np.abs(moved(face.points, crop.from_photo) - template("ffhq5", 128)).max() < 1
    x0, y0, x1, y1 = face.box
    assert x0 < MOUTH[0] < x1 and y0 < 158 < y1
    assert np.isclose((x1 - x0) / face.eye_distance, 293.2 / 125.9, rtol=0.02)


def test_marks_of_a_turned_head_stay_where_they_were_put():
    marked = KNOWN + np.array([[6, 2], [-4, 1], [12, 3], [3, -2], [-5, 2]])
    assert np.allclose(face_from_points(marked).points, marked)
    assert np.allclose(face_from_points(marked[[0, 1, 3, 4]]).points[[0, 1, 3, 4]], marked[[0, 1, 3, 4]])


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        ([(10, 10), (50, 10)], "A face is marked by 3 points .*, got 2"),
        ([(10, 10)] * 6, "got 6"),
        ([(10, 10), (12, 10), (11, 60)], r"The two eyes are marked 2\.0 px apart"),
        ([(10, 10), (50, 10), (90, 10)], "The mouth is marked 0.0 eye distances off the line through the eyes"),
        ([(10, 10), (20, 10), (95, 25)], "8.0 beside their middle; no face is like that"),
        ([(10, 10), (50, 10), (30, float("nan"))], "A point is not a number"),
        ([(10, 10), (50, 10), (30, 100)], r"The point 30,100 lies outside the photo, which has 100 x 80 px"),
    ],
)
def test_points_that_no_face_has_are_refused(points, sentence):
    with pytest.raises(BadPoints, match=sentence):
        face_from_points(points, (100, 80))


def test_points_are_read_as_a_command_line_has_them():
    read = parse_points(" 102,88 131.5,90.25  118, 120 ")
    assert read.tolist() == [[102, 88], [131.5, 90.25], [118, 120]]
    assert parse_points("1,2;3,4").tolist() == [[1, 2], [3, 4]]
    for text in ("", "1 2 3", "1,2,3", "a,b", "1,2 3", "1,2 nan,3"):
        with pytest.raises(BadPoints, match='Points are written "x,y x,y x,y"'):
            parse_points(text)


def test_a_found_face_is_corrected_in_its_own_points_or_by_three():
    found = face_from_points(KNOWN)
    dlib = as_dlib()
    shift = np.array([5, -3])
    for face in (found, dlib):
        again = moved_points(face, face.points + shift, (400, 400))
        assert (again.scheme, again.detector) == (face.scheme, "by hand")
        assert np.allclose(again.points, face.points + shift)
        assert np.allclose(moved_points(face, marks(face)).eyes, face.eyes)
        with pytest.raises(BadPoints, match="outside the photo"):
            moved_points(face, face.points + 100 * shift, (400, 400))
    mirrored = moved_points(dlib, dlib.points[[3, 2, 1, 0, 4]])
    assert np.allclose(mirrored.points, dlib.points)
    with pytest.raises(BadPoints, match="no face is like that"):
        moved_points(dlib, dlib.points[[0, 1, 2, 3, 3]])


def test_marks_of_both_schemes_lie_in_the_same_places():
    ours, dlibs = marks(face_from_points(KNOWN)), marks(as_dlib())
    assert np.allclose(ours, np.vstack([EYES, MOUTH]))
    assert np.abs(ours - dlibs).max() < 4


def as_dlib():
    """The same face as `KNOWN`, as dlib gives it."""
    return replace(face_from_points(KNOWN), points=template("dlib5", 256) + np.array([40, 30]), scheme="dlib5")
