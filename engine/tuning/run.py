"""A tuning from its first step to the tuned model: followed, stopped at any step, gone on with, and never half done.

The whole state lies in one checkpoint, written whole or not at all. On a CPU a resumed run comes to the very bits of an
unbroken one: what a step sees depends on seed and step alone.
"""

from __future__ import annotations

import gc
import logging
import math
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from engine import __version__, images
from engine.errors import EngineError
from engine.people import Gallery
from engine.prior.bundle import Prior
from engine.prior.device import precision
from engine.progress import Cancelled, Report
from engine.tuning import checkpoint
from engine.tuning.begin import Inputs, cleaner_stage, guide_stage, personalized, text_stage
from engine.tuning.held_out import HeldOut, restored, score
from engine.tuning.machine import exact, how_exact, memory_in_use, out_of_memory
from engine.tuning.optimisers import optimiser_of, set_rate
from engine.tuning.recipe import PARTS, BadRecipe, Recipe, check
from engine.tuning.recipe_files import recipe_from
from engine.tuning.references import HELD_OUT_FROM, Chosen, choose
from engine.tuning.steps import Stage, is_large
from engine.tuning.tuned import TunedModel, fingerprint_of, write_part, write_tuned
from engine.tuning.views import NoFaces
from engine.weights import WeightFile
from engine.workspace import DiskFull, fingerprint, write_json

log = logging.getLogger(__name__)

SAVE_EVERY_SECONDS = 20.0
MOST_RETRIES = 5
"""Times that a run goes back because its loss is no number before it gives up."""


class LossNoNumber(EngineError):
    """The loss became infinite or NaN again and again."""


class NotEnoughMemory(EngineError):
    """A step does not fit into memory in any setting that is left."""


def never() -> bool:
    """Say that nobody asked for a look."""
    return False


def tune(
    prior: Prior,
    gallery: Gallery,
    recipe: Recipe,
    folder: Path,
    report: Report,
    *,
    weights: Path | None = None,
    look_asked: Callable[[], bool] = never,
) -> TunedModel:
    """Tune the prior to a gallery, or go on where a stopped tuning of the same inputs left off.

    Args:
        prior: shared; not changed.
        gallery: the person's chosen references, at least one.
        recipe: how.
        folder: where checkpoint, samples and the tuned model go.
        report: followed; its tick stops the work after a step.
        weights: folder of the user's networks, for an identity loss.
        look_asked: asked after each step; True restores the held-out photo then, beside the looks of the recipe.

    Raises:
        NoFaces: the gallery is empty.
        BadRecipe: a value is outside its range, or names what this prior does not have.
        LossNoNumber, NotEnoughMemory: see there; the last good state is saved.
        DiskFull: there is no room for the tuned model; the last checkpoint stays.
        Cancelled: from the report; the state so far is saved.
    """
    inputs = Inputs(prior, gallery, check(recipe), folder, weights, fingerprint_of(prior, gallery, recipe))
    return _Run(inputs, report, look_asked).run()


def extend(
    tuned: TunedModel,
    prior: Prior,
    gallery: Gallery,
    report: Report,
    *,
    cleaner_steps: int = 0,
    text_steps: int = 0,
    guide_steps: int = 0,
    weights: Path | None = None,
    look_asked: Callable[[], bool] = never,
) -> TunedModel:
    """Tune a finished model further, in its folder; until that is done, it stays as it is.

    The optimiser begins anew with its warm-up and the rate goes over the new steps as over those of a run of its own.
    Pivots after the one that is extended are kept as they are.

    Args:
        tuned: finished.
        prior: the one it was tuned from.
        gallery: the person's references; others may have joined.
        report: followed; its tick stops the work after a step, and the same call goes on.
        cleaner_steps: more steps of the cleaner pivot.
        text_steps: more steps of the text pivot.
        guide_steps: more steps of the guide pivot.
        weights, look_asked: as for `tune`.

    Raises:
        BadTunedModel: it is another prior's.
        BadRecipe: no steps were asked for, or of a pivot that the model does not have.
        EngineError, Cancelled: as `tune`.
    """
    tuned.check(prior)
    made = recipe_from(tuned.manifest["recipe"], "the tuned model's manifest")
    wanted = {"cleaner": cleaner_steps, "text": text_steps, "guide": guide_steps}
    missing = [part for part, steps in wanted.items() if steps and (getattr(made, part) is None)]
    if missing or not any(wanted.values()):
        had = " and ".join(made.pivots)
        raise BadRecipe(f"Say how many more steps of the {had} pivot; {wanted} were asked for.")
    more = replace(made, **{p: replace(getattr(made, p), steps=n) if n else None for p, n in wanted.items()})
    mark = fingerprint({"of": tuned.fingerprint, "gallery": gallery.fingerprint, **wanted})
    return _Run(Inputs(prior, gallery, check(more), tuned.folder, weights, mark, tuned), report, look_asked).run()


class _Run:
    now: Stage
    """The pivot under way."""
    optimiser: torch.optim.Optimizer

    def __init__(self, inputs: Inputs, report: Report, look_asked: Callable[[], bool]) -> None:
        self.inputs, self.report, self.look_asked = inputs, report, look_asked
        self.prior, self.recipe, self.folder = inputs.prior, inputs.recipe, inputs.folder
        self.names = list(inputs.recipe.pivots)
        self.at, self.step, self.seconds = 0, 0, 0.0
        self.losses: dict[str, list[float]] = {part: [] for part in PARTS}
        self.checks: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.best: dict[str, Any] | None = None
        self.retries, self.scale = 0, 1.0
        self.room, self.saving_memory = 0, False
        self.files: dict[str, WeightFile] = {}
        self.trained_with = ""
        self.before = 0
        if inputs.begun is not None:
            known = inputs.begun.manifest
            self.losses = {part: list(known["losses"].get(part, [])) for part in PARTS}
            self.checks, self.seconds = list(known["checks"]), float(known["seconds"])
            self.trained_with = str(known["trained_with"])
            self.before = sum(map(len, self.losses.values()))
            self.files = {part: WeightFile(**file) for part, file in known["files"].items()}

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    @property
    def _steps_before(self) -> int:
        """Steps of the pivots that are over, and of the model that is tuned further."""
        return self.before + sum(getattr(self.recipe, name).steps for name in self.names[: self.at])

    @property
    def _all_steps(self) -> int:
        return self.before + sum(getattr(self.recipe, name).steps for name in self.names)

    def run(self) -> TunedModel:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "samples").mkdir(exist_ok=True)
        chosen = choose(self.inputs.gallery, self.prior.size, self.recipe.text)
        if not chosen.tuned_on:
            raise NoFaces("There is no face to tune on. Add good photos of the person first.")
        self.held_out = chosen.held_out
        held = self._load()
        for sentence in chosen.notes:
            self._note(sentence)
        with exact(self.prior.device):
            while self.at < len(self.names):
                with self._timed():
                    now = self._stage(chosen)
                self._run_stage(now, held)
                held = None
        return self._finish(chosen)

    # One pivot

    def _stage(self, chosen: Chosen) -> Stage:
        """Make the pivot that is due, at its beginning."""
        made: Stage
        name = self.names[self.at]
        before = personalized(self.inputs, self.files, PARTS[: PARTS.index(name)])
        if name == "cleaner":
            made = cleaner_stage(self.inputs, chosen, self._note)
        elif name == "text":
            made = text_stage(self.inputs, chosen, self.report, self._note, before)
            if made.shown.identity is not None:
                self.trained_with = made.shown.identity.name
        else:
            made = guide_stage(self.inputs, chosen, self.report, before)
        if self.inputs.begun is not None and made.name in self.inputs.begun.parts:
            made.load({k: v.float() for k, v in self.inputs.begun.read(made.name).items()})
        if self.saving_memory:
            made.save_memory()
        return made

    def _run_stage(self, now: Stage, held: dict[str, Any] | None) -> None:
        """Do the steps of a pivot that are left, and write what it made."""
        pivot = now.pivot
        self.now, self.optimiser = now, optimiser_of(now.groups(), pivot)
        whole = 1 if is_large(self.prior) else pivot.batch + getattr(pivot, "class_batch", 0)
        self.room = self.room or whole
        if held is not None:
            self._put_back(held)
        check_at = {round(pivot.steps * k / pivot.checks) for k in range(pivot.checks + 1)} if pivot.checks else set()
        if pivot.early_stop and self.held_out is None:
            self._note(f"Early stopping needs a held-out reference; all {pivot.steps} steps are done.")
        seen_before = any(c["step"] == self._steps_before for c in self.checks)
        if self.step == 0 and 0 in check_at and not seen_before:
            self._check()
        if held is None:
            self._save_or_say()  # what a loss that is no number goes back to
        saved = time.monotonic()
        try:
            while self.step < pivot.steps and not self._seen_enough:
                begun = self.seconds
                with self._timed():
                    loss = self._one_step()
                if loss is None:
                    continue
                self.step += 1
                self.losses[now.name].append(round(loss, 6))
                self._measure(loss, self.seconds - begun)
                asked = self.look_asked()
                if self.step in check_at:
                    self._check()
                elif asked:
                    self._look_as_asked()
                if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                    self._save_or_say()
                    saved = time.monotonic()
                self.report.tick(now.title, self.step, pivot.steps)
        except (Cancelled, EngineError):  # raised between two steps; in the midst of one the state is neither's
            self._save_or_say()
            raise
        self._take_best()
        try:
            self.files[now.name] = write_part(self.folder, now.name, now.delta())
        except EngineError:
            self._save_or_say()
            raise
        self.at, self.step, self.best = self.at + 1, 0, None
        self.retries, self.scale, self.room = 0, 1.0, 0
        if self.at < len(self.names):
            self._save(between=True)

    def _one_step(self) -> float | None:
        """Do one step and give its loss, or None where it was undone."""
        now, pivot = self.now, self.now.pivot
        set_rate(self.optimiser, pivot, self.step, self.scale)
        drawn = now.draw(self.step, self.retries)
        self.optimiser.zero_grad(set_to_none=True)
        try:
            total = 0.0
            for begin in range(0, len(drawn), self.room):
                loss = now.losses(drawn.part(slice(begin, begin + self.room))).sum() / len(drawn)
                loss.backward()
                total += float(loss.detach())
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            self.optimiser.zero_grad(set_to_none=True)
            self._smaller()
            return None
        trained = [p for group in self.optimiser.param_groups for p in group["params"]]
        length = float(torch.nn.utils.clip_grad_norm_(trained, 1.0))
        if not math.isfinite(total) or not math.isfinite(length):
            self._go_back()
            return None
        self.optimiser.step()
        return total

    def _measure(self, loss: float, passed: float) -> None:
        pictures = self.now.pivot.batch * self.now.pivot.accumulate
        values = {
            "loss": loss,
            "samples_per_second": pictures / max(passed, 1e-9),
            "memory_mb": memory_in_use(self.prior.device) / 1e6,
        }
        self.report.measure(self._steps_before + self.step, values)

    # What can go wrong

    def _smaller(self) -> None:
        """Choose the next smaller setting after a step that did not fit into memory.

        Raises:
            NotEnoughMemory: there is none.
        """
        gc.collect()
        if self.prior.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.room > 1:
            self.room = -(-self.room // 2)
            said = f"{self.room} picture(s) at a time are computed from now on, which gives the same steps more slowly"
        elif not self.saving_memory and self.now.save_memory():
            self.saving_memory = True
            said = "activations are computed twice from now on, which gives the same steps a third more slowly"
        else:
            smaller = "a smaller rank or fewer targets" if self.now.pivot.method == "lora" else "the method lora"
            raise NotEnoughMemory(
                f"A single picture does not fit into the memory of {self.prior.device}. Close other programs, choose "
                f"another device, or {smaller} in the recipe; what was done is kept."
            )
        self._note(f"There was not enough memory at step {self.step + 1}: {said}.")

    def _go_back(self) -> None:
        """Go back to the last good state after a loss that is no number, and go on with half the rate.

        Raises:
            LossNoNumber: that was tried often enough.
        """
        at, retries, scale = self.step + 1, self.retries + 1, self.scale / 2
        if retries > MOST_RETRIES:
            raise LossNoNumber(
                f"The loss was no number {retries} times, last at step {at}. Choose a lower rate than "
                f"{self.now.pivot.rate:g} in the recipe; the last good state is kept."
            )
        good = self._read_checkpoint()
        if good is None or good["stage"] != self.at or good["between"]:
            raise LossNoNumber(
                f"The loss was no number at step {at}, and there is no checkpoint to go back to. Make room on the "
                "disk, or choose a lower rate, and start again."
            )
        self._put_back(good)
        self.retries, self.scale = retries, scale
        self._note(f"The loss was no number at step {at}: back to step {self.step}, on with {scale:g} times the rate.")

    # The held-out photo

    def _look_as_asked(self) -> None:
        """Look once more because somebody wants to see it; early stopping counts only the looks of the recipe."""
        if self.held_out is None:
            self._note(f"To look, a photo is kept out of the tuning; that takes {HELD_OUT_FROM} photos or more.")
        self._check(counts=False)

    def _check(self, *, counts: bool = True) -> None:
        """Restore the held-out photo and look; `counts` where early stopping is to know of it."""
        if self.held_out is None:
            return
        with self._timed():
            step = self._steps_before + self.step
            seen = restored(self.now.variant(), self.held_out, self.inputs.gallery.person.prompt)
            path = self.folder / "samples" / f"step-{step:05d}.png"
            path.unlink(missing_ok=True)
            images.save_photo(seen.sheet, path)
            self.checks.append({"step": float(step), "stage": self.now.name, **seen.figures})
            self.report.measure(step, seen.figures)
            self.report.preview(f"step {step}", path)
            if counts:
                self._remember_best(seen)

    @property
    def _seen_enough(self) -> bool:
        """True when the pivot should end, since the held-out photo gets no better."""
        return self.best is not None and self.best["worse"] >= self.now.pivot.patience

    def _remember_best(self, seen: HeldOut) -> None:
        """Keep the best state by identity and GMSD together, and count the worse ones after it."""
        if not self.now.pivot.early_stop:
            return
        first = next(c for c in self.checks if c["stage"] == self.now.name or c["step"] == self._steps_before)
        now = score(seen.figures, first)
        if self.best is None or now < self.best["score"]:
            kept = {name: p.detach().clone() for name, p in self.now.parameters().items()}
            self.best = {"score": now, "step": self.step, "worse": 0, "kept": kept}
        else:
            self.best["worse"] += 1

    def _take_best(self) -> None:
        if self.best is None or self.best["step"] == self.step:
            return
        with torch.no_grad():
            for name, weight in self.now.parameters().items():
                weight.copy_(self.best["kept"][name])
        self._note(
            f"The held-out photo was best at step {self._steps_before + self.best['step']} and is taken from there; "
            f"the {self.now.name} pivot ended at step {self._steps_before + self.step}."
        )

    @contextmanager
    def _timed(self) -> Generator[None]:
        """Count the time of a block; a pause, which happens in a tick, is not among it."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - begun

    # The state on the disk

    def _save(self, *, between: bool = False) -> None:
        """Write the whole state; when that fails, the former one stays. `between` is after one pivot."""
        own = {} if between else {name: p.detach() for name, p in self.now.parameters().items()}
        state: dict[str, Any] = {
            "stage": self.at,
            "between": between,
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "checks": self.checks,
            "notes": self.notes,
            "retries": self.retries,
            "scale": self.scale,
            "room": self.room,
            "saving_memory": self.saving_memory,
            "trained_with": self.trained_with,
            "best": self.best,
            "files": {part: [file.name, file.sha256, file.size] for part, file in self.files.items()},
            "trained": own,
            "optimiser": {} if between else self.optimiser.state_dict(),
        }
        checkpoint.write(self._checkpoint, self.inputs.fingerprint, state)
        step = self._steps_before + self.step
        told = {"step": step, "of": self._all_steps, "part": self.names[self.at], "recipe": self.recipe.name}
        write_json(self.folder / "state.json", told)

    def _save_or_say(self) -> None:
        """Save; a full disk ends nothing, since the former checkpoint stays whole."""
        try:
            self._save()
        except DiskFull as error:
            self._note(f"{error} The checkpoint before it is whole, and the tuning goes on.")

    def _read_checkpoint(self) -> dict[str, Any] | None:
        return checkpoint.read(self._checkpoint, self.inputs.fingerprint, self.prior.device)

    def _load(self) -> dict[str, Any] | None:
        """Take over what does not need the pivot, and give the rest."""
        state = self._read_checkpoint()
        if state is None:
            return None
        self.at, self.saving_memory = int(state["stage"]), bool(state["saving_memory"])
        self.files = {part: WeightFile(*held) for part, held in state["files"].items()}
        self.trained_with = str(state.get("trained_with", self.trained_with))  # older checkpoints do not have it
        self._take_numbers(state)
        return None if state["between"] else state

    def _take_numbers(self, state: dict[str, Any]) -> None:
        self.step, self.seconds, self.room = int(state["step"]), float(state["seconds"]), int(state["room"])
        self.losses = {part: list(values) for part, values in state["losses"].items()}
        self.checks, self.notes = list(state["checks"]), list(dict.fromkeys([*state["notes"], *self.notes]))
        self.retries, self.scale, self.best = int(state["retries"]), float(state["scale"]), state["best"]

    def _put_back(self, state: dict[str, Any]) -> None:
        """Put a state into the pivot under way."""
        self._take_numbers(state)
        with torch.no_grad():
            for name, weight in self.now.parameters().items():
                weight.copy_(state["trained"][name])
        self.optimiser.load_state_dict(state["optimiser"])

    def _note(self, sentence: str) -> None:
        """Say something to whoever follows, and keep it with the tuned model; once."""
        if sentence not in self.notes:
            self.notes.append(sentence)
            log.info("%s", sentence)
            self.report.note(sentence)

    # The end

    def _finish(self, chosen: Chosen) -> TunedModel:
        gallery, begun = self.inputs.gallery, self.inputs.begun
        recorded, extended = self.recipe.as_json(), []
        if begun is not None:
            more = {p: getattr(self.recipe, p).steps for p in self.names}
            recorded = {**begun.manifest["recipe"]}
            for part, steps in more.items():
                recorded[part] = {**recorded[part], "steps": recorded[part]["steps"] + steps}
            extended = [*begun.manifest["extended"], {"from": begun.fingerprint, **more}]
        tuned = write_tuned(
            self.folder,
            self.files,
            {
                "fingerprint": self.inputs.fingerprint,
                "prior": dict(self.prior.sha256),
                "prior_name": self.prior.name,
                "person": gallery.person.id,
                "prompt": gallery.person.prompt,
                "gallery": gallery.fingerprint,
                "references": len(gallery.references),
                "held_out": chosen.held_out is not None,
                "recipe": recorded,
                "extended": extended,
                "losses": self.losses,
                "checks": self.checks,
                "notes": self.notes,
                "seconds": round(self.seconds, 1),
                "device": str(self.prior.device),
                "precision": precision(self.prior.device),
                "resumes": how_exact(self.prior.device),
                "trained_with": self.trained_with,
                "versions": {"torch": torch.__version__, "likeness": __version__},
            },
        )
        self._checkpoint.unlink(missing_ok=True)
        return tuned
