"""The contract of restorers, run over every restorer that is found."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from engine import restorers
from engine.progress import Cancelled, silent
from engine.restorers import (
    BadOption,
    Context,
    NoSuchRestorer,
    Options,
    PackageMissing,
    Subject,
    choice,
    find,
    find_all,
    lacking,
    read_options,
    require,
)
from engine.restorers.dual_pivot import NotPersonalized
from engine.weights import WeightsMissing
from tests.parity.ports import small_restorer
from tests.toys import drawn_face, toy_prior

ALL = find_all()
ids = pytest.mark.parametrize("info", ALL, ids=lambda info: info.id)


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    prior = toy_prior(tmp_path_factory.mktemp("prior"))
    return Context(lambda: prior)


@pytest.fixture(scope="module")
def subject(context, tmp_path_factory):
    """Somebody with a tuned model that does nothing yet."""
    from engine.tuning import TextPivot
    from engine.tuning.adapters import delta_of, trainable
    from engine.tuning.steps import named
    from engine.tuning.tuned import write_part, write_tuned

    folder = tmp_path_factory.mktemp("tuned")
    prior = context.prior()
    pivot = TextPivot(rank=2, alpha=2.0, targets=("to_q", "conv1"))
    delta = named("denoiser", delta_of(trainable(prior.denoiser, pivot), prior.denoiser, pivot))
    known = {"fingerprint": "f" * 64, "prior": dict(prior.sha256), "prior_name": prior.name}
    write_tuned(folder, {"text": write_part(folder, "text", delta)}, known)
    return Subject("a photo of a sks man", (), folder)


def few_steps(info):
    fewer = {"steps": 2, "start": 2} if info.id == "difface" else {"steps": 2}
    known = {f.name for f in fields(info.options)}
    return read_options(info.options, {name: value for name, value in fewer.items() if name in known})


def loaded(info, context):
    """A restorer, and a face that it takes; one of others has its small network, filled by a rule."""
    if info.weights:
        small = small_restorer(info.id)
        return small, drawn_face(size=small.size)
    return info.load(context), drawn_face()


def test_the_four_first_restorers_are_found_in_their_order():
    assert [info.id for info in ALL][:4] == ["enlarge", "cleaner", "diffbir", "dual-pivot"]


@ids
def test_a_restorer_says_what_it_is(info):
    for said in (info.title, info.summary, info.paper, info.source, info.license):
        assert said
    assert info.summary.endswith(".") and (info.paper == "none" or info.paper.startswith("https://"))


@ids
def test_every_option_has_a_title_a_help_and_a_default_within_its_range(info):
    for field in fields(info.options):
        known = choice(field)
        assert known.title and known.help.endswith(".")
        switch = {known.turns_off: False} if known.turns_off else {}
        assert read_options(info.options, {field.name: field.default}) == info.options(**switch)
        if known.choices:
            assert field.default in known.choices


@ids
def test_a_restorer_gives_a_face_of_the_same_shape_and_leaves_its_input_alone(info, context, subject):
    restorer, face = loaded(info, context)
    before = face.copy()
    made = restorer.restore(face, subject, few_steps(info), seed=1, tick=silent)
    assert made.shape == face.shape and made.dtype == np.float32
    assert made.min() >= 0 and made.max() <= 1
    assert np.array_equal(face, before)


@ids
def test_the_same_seed_gives_the_same_face(info, context, subject):
    restorer, face = loaded(info, context)
    faces = [restorer.restore(face, subject, few_steps(info), seed=4, tick=silent) for _ in range(2)]
    assert np.array_equal(faces[0], faces[1])


@ids
def test_a_tick_is_called_and_can_stop_the_work(info, context, subject):
    seen = []

    def tick(done, total):
        seen.append((done, total))
        raise Cancelled

    restorer, face = loaded(info, context)
    with pytest.raises(Cancelled):
        restorer.restore(face, subject, few_steps(info), seed=0, tick=tick)
    assert len(seen) == 1 and seen[0][0] <= seen[0][1]


@ids
def test_an_unknown_option_is_refused_with_the_options_there_are(info):
    with pytest.raises(BadOption, match=r"There is no option 'sharpen' here. The options are: "):
        read_options(info.options, {"sharpen": 1})


def test_option_values_are_checked():
    kind = find("dual-pivot").options
    for values, words in (
        ({"steps": 0}, "steps must be 1 to 100, got 0"),
        ({"steps": 2.5}, "steps must be a whole number, got 2.5"),
        ({"identity": "much"}, "identity must be a number, got 'much'"),
        ({"start": float("nan")}, "start must be 0 to 1, got nan"),
        ({"sampler": "magic"}, "sampler must be one of ddim, dpmpp-2m, unipc, ddpm, spaced"),
    ):
        with pytest.raises(BadOption) as error:
            read_options(kind, values)
        assert words in str(error.value)
    assert read_options(kind, {"steps": "12"}).steps == 12  # as a command line gives it


# Restorers of others

PEERS = [info for info in ALL if info.weights]
peers = pytest.mark.parametrize("info", PEERS, ids=lambda info: info.id)


def test_the_peers_are_there():
    assert {"codeformer", "difface", "gfpgan", "realesrgan", "restoreformer"} <= {info.id for info in PEERS}


@peers
def test_a_peer_says_what_it_takes_and_what_it_leaves_out(info):
    assert info.size == 512 and info.memory > 0 and "@" in info.source and info.left_out
    assert all(sentence.endswith(".") for sentence in info.left_out)


@peers
def test_a_face_of_another_size_is_no_face_for_a_fixed_network(info):
    with pytest.raises(ValueError, match=r"takes faces of \d+ x \d+ px, got \(48, 48, 3\)"):
        small_restorer(info.id).restore(drawn_face(size=48), Subject(), few_steps(info), seed=0, tick=silent)


@peers
def test_fast_is_not_exact_and_those_that_choose_codes_are_always_exact(info):
    assert info.options().exact()
    if info.id in ("codeformer", "restoreformer"):
        assert "fast" not in {field.name for field in fields(info.options)}
        return
    assert not read_options(info.options, {"fast": True}).exact()
    restorer = small_restorer(info.id)
    face = drawn_face(size=restorer.size)
    exact, fast = few_steps(info), replace(few_steps(info), fast=True)
    if info.id == "gfpgan":  # else the noise is most of it
        exact, fast = (replace(options, fresh_noise=False) for options in (exact, fast))
    made = [restorer.restore(face, Subject(), options, seed=0, tick=silent) for options in (exact, fast)]
    assert made[1].dtype == np.float32 and np.abs(made[0] - made[1]).mean() < 0.05


@peers
def test_a_peer_without_its_file_says_which_and_how_to_get_it(info, tmp_path):
    sentence = lacking(info, tmp_path)
    assert f"python app.py weights get {info.weights_for(info.options())[0]}" in sentence
    with pytest.raises(WeightsMissing) as error:
        require(info, info.options(), tmp_path)
    assert str(error.value) == sentence
    assert "no folder of weights" in lacking(info, None)
    for other in ("enlarge", "cleaner", "diffbir", "dual-pivot"):
        assert not lacking(find(other), tmp_path)


def test_another_version_needs_another_file(tmp_path):
    info = find("gfpgan")
    for version in ("1.2", "1.3", "1.4"):
        assert f"gfpgan-{version}" in lacking(info, tmp_path, read_options(info.options, {"version": version}))
    context = Context(lambda: pytest.fail("the prior is not needed"), tmp_path)
    restorer = info.load(context)
    with pytest.raises(WeightsMissing, match=r"weights get gfpgan-1\.3"):
        options = read_options(info.options, {"version": "1.3"})
        restorer.restore(drawn_face(size=512), Subject(), options, seed=0, tick=silent)


def test_codeformer_needs_a_package_that_nobody_gets_unasked(monkeypatch, tmp_path):
    import importlib.util

    seen = importlib.util.find_spec
    monkeypatch.setattr(
        "engine.restorers._contract.find_spec", lambda name: None if name == "spandrel_extra_arches" else seen(name)
    )
    info = find("codeformer")
    sentence = (
        r'CodeFormer needs the package spandrel_extra_arches, .* Run: pip install "spandrel_extra_arches>=0\.2,<0\.3"'
    )
    with pytest.raises(PackageMissing, match=sentence):
        info.load(Context(lambda: pytest.fail("the prior is not needed"), tmp_path))
    assert "spandrel_extra_arches" in lacking(info, tmp_path)
    named = (Path(__file__).parents[1] / "requirements.txt").read_text(encoding="utf-8")
    assert f'#   pip install "{info.package}"' in named.splitlines()  # and in no other line
    assert not any(line.startswith("spandrel_extra_arches") for line in named.splitlines())


def test_codeformers_weight_reaches_the_network():
    restorer, info = small_restorer("codeformer"), find("codeformer")
    face = drawn_face(size=512)
    made = [
        restorer.restore(face, Subject(), read_options(info.options, {"weight": weight}), seed=0, tick=silent)
        for weight in (0, 0.5, 1)
    ]
    assert np.abs(made[0] - made[1]).mean() > 0.01 and np.abs(made[1] - made[2]).mean() > 0.01


# Finding


def test_an_unknown_restorer_is_refused_with_the_ids_there_are():
    with pytest.raises(NoSuchRestorer, match=r"There is no restorer 'gpen'. Choose one of: enlarge, cleaner, diffbir"):
        find("gpen")


def test_restoring_with_the_person_needs_a_tuned_model(context):
    info = find("dual-pivot")
    with pytest.raises(NotPersonalized, match="is not personalized yet"):
        info.load(context).restore(drawn_face(), Subject("a photo of a sks man"), info.options(), seed=0, tick=silent)


def test_a_file_without_a_descriptor_stops_the_search_with_its_name(monkeypatch, tmp_path):
    (tmp_path / "zzz.py").write_text('"""Nothing."""\n')
    monkeypatch.setattr(restorers, "__path__", [*restorers.__path__, str(tmp_path)])
    with pytest.raises(TypeError, match=r"engine/restorers/zzz\.py must define RESTORER"):
        find_all()


def test_a_new_file_is_found_by_itself(monkeypatch, tmp_path):
    (tmp_path / "mirrored.py").write_text(
        "from engine.restorers._contract import Options, RestorerInfo\n"
        "RESTORER = RestorerInfo(id='mirrored', title='Mirrored', summary='Left is right.', paper='none',\n"
        "    source='a test', license='CC0', load=lambda context: None, options=Options)\n"
    )
    monkeypatch.setattr(restorers, "__path__", [*restorers.__path__, str(tmp_path)])
    assert find("mirrored").title == "Mirrored"
    sys.modules.pop("engine.restorers.mirrored")


def test_listing_the_restorers_needs_no_network_library():
    code = (
        "import sys, engine.restorers as r; r.find_all(); print(any(m in sys.modules for m in ('torch', 'diffusers')))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
    listed = subprocess.run([sys.executable, "-m", "engine.restorers"], capture_output=True, text=True, check=True)
    assert all(info.id in listed.stdout for info in ALL)


def test_options_without_fields_take_none():
    assert read_options(Options, {}) == Options()
