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


def test_no_other_font_of_this_machine_has_more_letters_of_a_name() -> None:
    letters = set("ŻółćЖЩЯ")
    font, texts = lettering.lettering(["Żółć, ЖЩЯ"], 13)
    lacking = lettering.lacking_in(font, letters)
    found = [one for name in ("", *lettering.FONTS) if (one := lettering.find_font(name, 13)) is not None]
    assert len(lacking) == min(len(lettering.lacking_in(one, letters)) for one in found)
    assert all((letter in texts[0]) == (letter not in lacking) for letter in "ŻółćЖЩЯ")


def test_without_such_a_font_marks_fall_away_and_what_is_unknown_is_a_question_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lettering, "FONTS", ())
    assert lettering.lettering(["Zoë, Ünal, 写真"], 13)[1] == ["Zoe, Unal, ??"]


def test_a_contact_sheet_shows_names_that_differ_by_other_letters_differently(tmp_path: Path) -> None:
    face = np.full((96, 96, 3), 0.5, np.float32)
    sheets = [write_sheet(tmp_path / f"{n}.png", ["With"], [(name, [face])]) for n, name in enumerate(("Zoé", "Zoü"))]
    assert sheets[0].read_bytes() != sheets[1].read_bytes()
