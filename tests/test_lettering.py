"""Letters on pictures: names of any script are written, in letters that can be read where no font has theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.studio import lettering
from engine.studio.contact_sheet import write_sheet


def test_plain_titles_are_written_in_the_font_that_comes_along() -> None:
    font, texts = lettering.lettering(["With the person", "GFPGAN 1.4, seed 3"], 13)
    assert font.getname() == lettering.lettering(["a"], 13)[0].getname()
    assert texts == ["With the person", "GFPGAN 1.4, seed 3"]


def test_a_font_is_taken_that_has_the_letters_of_a_name() -> None:
    if lettering.find_font("DejaVuSans.ttf", 13) is None:
        pytest.skip("this machine has no DejaVu")
    font, texts = lettering.lettering(["Zdjęcie z Łodzi, Фото"], 13)
    assert texts == ["Zdjęcie z Łodzi, Фото"]
    assert not lettering.lacking_in(font, set("ęŁФо"))


def test_without_such_a_font_marks_fall_away_and_what_is_unknown_is_a_question_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lettering, "FONTS", ())
    assert lettering.lettering(["Zoë, Ünal, 写真"], 13)[1] == ["Zoe, Unal, ??"]


def test_a_contact_sheet_shows_names_that_differ_by_other_letters_differently(tmp_path: Path) -> None:
    face = np.full((96, 96, 3), 0.5, np.float32)
    sheets = [write_sheet(tmp_path / f"{n}.png", ["With"], [(name, [face])]) for n, name in enumerate(("Zoé", "Zoü"))]
    assert sheets[0].read_bytes() != sheets[1].read_bytes()
