"""Does tuning to a person bring the restored face nearer to that person, and to nobody else, and at what price?

Everybody in a folder of people is measured: photos that no tuning saw are damaged by fixed draws and restored by every
arm. What was tuned and restored is kept in the data folder under fingerprints of all that it was made from, so a run
that was broken off, however, goes on, and the next one repeats nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import images
from engine.errors import EngineError
from engine.evaluation import damages, trials
from engine.evaluation.cohort import Tested, few, read_cohort, stand_in
from engine.evaluation.doctor import machine
from engine.evaluation.summary import Row, best
from engine.evaluation.trials import Trial
from engine.evaluation.variants import Variant, contexts, counted, main_of, standing
from engine.faces import Face, distance, template
from engine.people import Gallery
from engine.prior import load
from engine.prior.device import precision_of
from engine.progress import FileState, Report
from engine.tuning import PARTS, BadTunedModel, Recipe, TunedModel, fingerprint_of, read_tuned, recipe
from engine.tuning.pivots import pivots_of
from engine.tuning.run import tune
from engine.tuning.views import GENERIC
from engine.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.prior.bundle import Prior

CONTEXT_PEOPLE = 8
"""People, the first ones, for whom the ablation tunes in the other context too."""
COUNT_PEOPLE = 4
"""People, the first ones with enough references, for whom it tunes to fewer of them too."""
COUNTS = (1, 3, 5, 10)
"""Numbers of references; those below the plan's own are tried beside it."""


class BadPlan(EngineError):
    """An evaluation that cannot be done as asked."""


@dataclass(frozen=True)
class Plan:
    """What is measured."""

    recipe: str = "quick"
    """Name of the recipe, or its file."""
    damage: tuple[str, ...] = ("hard", "method")
    """Kinds of `damages.DRAWN`; the first one is what the claim is judged by and what is pictured. Photos that came
    with a damaged version are measured by that one too."""
    seeds: int = 3
    """How many draws of damage and noise a photo."""
    references: int = 10
    """How many each prior is tuned to, at most."""
    ablation: bool = False
    """Whether to tune in the other context and to other numbers of references too."""
    prior: str | Path = "pocket"
    """Name of the prior, as `load.named` takes it, or the folder of one that was trained here."""
    device: str = "auto"


@dataclass(frozen=True)
class Evaluation:
    """What was measured."""

    plan: Plan
    facts: dict[str, Any]
    """Machine, prior, recipe and times."""
    cohort: tuple[Tested, ...]
    variants: tuple[Variant, ...]
    """Those that everybody was restored by."""
    main: Variant
    """The one that the recipe is judged by."""
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    """What was left out and why, in sentences."""
    ceilings: Mapping[str, float]
    """By person: mean distance of the truths to the references, the nearest that a result can be asked to come."""
    pictures: Mapping[tuple[str, str, str, str], Path]
    """By damage, person, photo and arm: restored faces of the first seed."""
    contexts: tuple[Variant, ...] = ()
    """Own arms with the text tuned in the other context."""
    counts: tuple[Variant, ...] = ()
    """The winner with different numbers of references, in rising order."""

    @property
    def damage(self) -> tuple[str, ...]:
        """Kinds that were measured, the one that the claim is judged by first."""
        return tuple(dict.fromkeys(row.damage for row in self.rows))


def run(workspace: Workspace, folder: Path, report: Report, plan: Plan | None = None) -> Evaluation:
    """Measure.

    Args:
        workspace: keeps in its cache what was seen, tuned and restored.
        folder: of people; see `cohort`.
        report: followed.
        plan: what.

    Raises:
        NoPeople, NoSuchDamage, NoSuchRecipe, BadPlan: see there.
        Cancelled: from the report; what was done is kept.
    """
    plan = plan or Plan()
    damages.check(plan.damage)
    if plan.seeds < 1 or plan.references < 1 or not plan.damage:
        raise BadPlan(
            f"At least one seed, reference and damage are needed; {plan.seeds}, {plan.references} and "
            f"{len(plan.damage)} were given. Choose more."
        )
    made, kept = recipe(plan.recipe), workspace.cache / "evaluation"
    cohort = read_cohort(folder, kept / "photos", report)
    report.tick("loading", 0, 1)
    if isinstance(plan.prior, Path):
        prior = load.load(plan.prior, device=plan.device)
    else:
        prior = load.named(plan.prior, workspace.weights, device=plan.device)
    return _Run(plan, made, cohort, prior, kept, report, workspace.weights).run()


@dataclass
class _Run:
    plan: Plan
    recipe: Recipe
    cohort: list[Tested]
    prior: Prior
    kept: Path
    report: Report
    weights: Path | None = None
    """Folder of the user's networks, for an identity loss."""
    rows: list[Row] = field(default_factory=list[Row])
    notes: list[str] = field(default_factory=list[str])
    tuned: dict[tuple[str, str], TunedModel] = field(default_factory=dict[tuple[str, str], "TunedModel"])
    """By gallery and recipe, as fingerprints."""
    pictures: dict[tuple[str, str, str, str], Path] = field(default_factory=dict[tuple[str, str, str, str], Path])
    nobody: Gallery | None = None
    applied: tuple[tuple[Path, tuple[str, ...]], Prior] | None = None
    """The last personalized prior: an arm's trials of a person follow each other."""

    def run(self) -> Evaluation:
        begun = time.monotonic()
        variants = standing(self.recipe, self.plan.references)
        main = main_of(variants)
        self._note_what_is_left_out()
        self._measure(variants, self.cohort)
        others, numbers = self._ablation(variants) if self.plan.ablation else ([], [])
        return Evaluation(
            self.plan,
            self._facts(time.monotonic() - begun),
            tuple(self.cohort),
            tuple(variants),
            main,
            tuple(self.rows),
            tuple(self.notes),
            {tested.name: self._ceiling(tested) for tested in self.cohort},
            self.pictures,
            tuple(others),
            tuple(numbers),
        )

    def _ablation(self, variants: list[Variant]) -> tuple[list[Variant], list[Variant]]:
        """Measure the other context, and the arm that came nearest with other numbers of references."""
        others = contexts(self.recipe, self.plan.references)
        if not others:
            self.notes.append(f"Recipe {self.recipe.name} tunes no text, so there is no arm for the other context.")
        first = self.cohort[:CONTEXT_PEOPLE]
        self._measure(others, first)
        own = {v.name: v for v in (*variants, *others) if v.whose == "own"}
        winner = own[best(self.rows, self.plan.damage[0], list(own), [tested.name for tested in first])]
        enough = [tested for tested in self.cohort if len(tested.gallery.references) >= self.plan.references]
        if not enough:
            self.notes.append(f"Nobody has {self.plan.references} references, so their number is not varied.")
        numbers = counted(winner, tuple(n for n in COUNTS if n < self.plan.references)) if enough else []
        self._measure(numbers, enough[:COUNT_PEOPLE])
        return others, sorted((*numbers, winner), key=lambda variant: variant.references)

    def _measure(self, variants: Sequence[Variant], people: Sequence[Tested]) -> None:
        """Tune what is not tuned, then restore everybody by every arm."""
        wanted = {
            self._keys(gallery, made): (gallery, made)
            for tested in people
            for variant in variants
            if (made := variant.recipe) and (gallery := self._gallery(variant, tested))
        }
        for n, (key, (gallery, made)) in enumerate(wanted.items(), start=1):
            if key not in self.tuned:
                self.tuned[key] = self._tune(gallery, made, f"{gallery.person.name} ({n} of {len(wanted)})")
        todo = [trial for tested in people for variant in variants for trial in self._trials(tested, variant)]
        total, done = sum(len(trial.truths) for trial in todo), 0
        self.report.tick("restoring", 0, total)
        for trial in todo:
            found = trials.known(self.kept / "trials", self.prior, trial)
            if found is None:
                before = done
                found = trials.make(
                    self.kept / "trials",
                    self.prior,
                    trial,
                    self._prior_of(trial),
                    tick=lambda n, of, before=before: self.report.tick("restoring", before + n, total),
                )
            done += len(found)
            self.report.tick("restoring", done, total)
            self.rows.extend(self._rows(trial, found))

    def _trials(self, tested: Tested, variant: Variant) -> Iterator[Trial]:
        gallery = self._gallery(variant, tested)
        tuned = self.tuned[self._keys(gallery, variant.recipe)] if gallery and variant.recipe else None
        prompt = tested.gallery.person.prompt if tuned else ""
        given = (damages.GIVEN,) if any(truth.damaged for truth in tested.truths) else ()
        for kind in (*self.plan.damage, *given):
            for seed in range(self.plan.seeds):
                yield Trial(tested, kind, seed, variant, tuned, prompt)

    def _gallery(self, variant: Variant, tested: Tested) -> Gallery | None:
        """Give the photos that an arm's prior is tuned to for a person."""
        match variant.whose:
            case "own":
                # Fewer ones are some of those that the other arms have.
                return few(few(tested.gallery, self.plan.references), variant.references)
            case "next":
                following = self.cohort[(self.cohort.index(tested) + 1) % len(self.cohort)]
                return few(following.gallery, variant.references)
            case "nobody":
                return self._nobody(variant.references)
            case _:
                return None

    def _nobody(self, count: int) -> Gallery:
        """Give as many generic faces as though they were one person, taken evenly, none of them at the very ends."""
        if self.nobody is None:
            files = images.list_photos(GENERIC)
            picked = [files[(2 * n + 1) * len(files) // (2 * count)] for n in range(min(count, len(files)))]
            self.nobody = stand_in("nobody", GENERIC, [(file.name, _whole(file)) for file in picked])
        return self.nobody

    def _keys(self, gallery: Gallery, made: Recipe) -> tuple[str, str]:
        return gallery.fingerprint, fingerprint_of(self.prior, gallery, made)

    def _tune(self, gallery: Gallery, made: Recipe, name: str) -> TunedModel:
        folder = self.kept / "tuned" / fingerprint_of(self.prior, gallery, made)[:24]
        try:
            return read_tuned(folder)
        except BadTunedModel:
            folder.mkdir(parents=True, exist_ok=True)
            told = _Named(self.report, name)
            return tune(self.prior, gallery, made, folder, told, weights=self.weights)

    def _prior_of(self, trial: Trial) -> Prior:
        """Give the prior of an arm."""
        if trial.tuned is None or trial.variant.recipe is None:
            return self.prior
        wanted = (trial.tuned.folder, trial.variant.parts)
        if self.applied is None or self.applied[0] != wanted:
            self.applied = (wanted, trial.tuned.applied_to(self.prior, parts=trial.variant.parts))
        return self.applied[1]

    def _rows(self, trial: Trial, found: list[trials.Measured]) -> Iterator[Row]:
        references = few(trial.tested.gallery, self.plan.references).embeddings
        for truth, one in zip(trial.truths, found, strict=True):
            who, name = trial.tested.name, trial.variant.name
            if one.picture is not None:
                self.pictures[trial.kind, who, truth.name, name] = one.picture
            yield Row(
                person=who,
                damage=trial.kind,
                photo=truth.name,
                seed=trial.seed,
                arm=name,
                **one.numbers,
                identity_truth=round(distance(one.embedding, trials.vector_of(truth, self.prior.size)), 5),
                identity_references=round(float(np.linalg.norm(references - one.embedding, axis=1).mean()), 5),
            )

    def _ceiling(self, tested: Tested) -> float:
        known = few(tested.gallery, self.plan.references).embeddings
        vectors = [trials.vector_of(truth, self.prior.size) for truth in tested.truths]
        return round(float(np.mean([np.linalg.norm(known - vector, axis=1).mean() for vector in vectors])), 4)

    def _note_what_is_left_out(self) -> None:
        for tested in self.cohort:
            self.notes.extend(tested.notes)
            if len(tested.gallery.references) < self.plan.references:
                there = len(tested.gallery.references)
                self.notes.append(f"{tested.name} has {there} references of the {self.plan.references} asked for.")
        missing = [f"the {part} pivot" for part in PARTS if part not in pivots_of(self.recipe)]
        if missing:
            self.notes.append(f"Recipe {self.recipe.name} does not tune {missing[0]}, so there is no arm for it.")

    def _facts(self, seconds: float) -> dict[str, Any]:
        tunings = [float(model.manifest.get("seconds", 0.0)) for model in self.tuned.values()]
        return {
            **machine(),
            "device": self.prior.device.type,
            "precision": precision_of(self.prior),
            "prior": self.prior.name,
            "prior_sha256": dict(self.prior.sha256),
            "recipe": self.recipe.as_json(),
            "seeds": self.plan.seeds,
            "references": self.plan.references,
            "tunings": len(tunings),
            "seconds_a_tuning": round(float(np.mean(tunings)), 1),
            "seconds_of_this_run": round(seconds, 1),
        }


@dataclass(frozen=True)
class _Named:
    """A report that says of every stage whom it is for, and keeps the charts of many tunings to itself."""

    report: Report
    name: str

    def tick(self, stage: str, done: int, total: int) -> None:
        """See `Report.tick`."""
        self.report.tick(f"{self.name}, {stage}", done, total)

    def measure(self, step: int, values: Mapping[str, float]) -> None:
        """See `Report.measure`."""

    def preview(self, name: str, path: Path) -> None:
        """See `Report.preview`."""

    def file(self, name: str, state: FileState, sentence: str, result: str) -> None:
        """See `Report.file`."""
        self.report.file(name, state, sentence, result)

    def note(self, sentence: str) -> None:
        """See `Report.note`."""
        self.report.note(f"{self.name}: {sentence}")


def _whole(file: Path) -> Face:
    """Give the face that an aligned picture holds, where the template has it."""
    size = images.read_photo(file).width
    return Face((0.0, 0.0, float(size), float(size)), template("ffhq5", size), "ffhq5", 1.0, "template")
