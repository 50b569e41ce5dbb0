"""The text pivot, in context: the prior is tuned round the person's phrase with the guide in the loop.

Source: arXiv 2312.17234, step 1 of the method figure (the released code tunes out of context instead); prior
preservation: arXiv 2208.12242.
"""

from __future__ import annotations

import io
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine import degrade, images
from engine.faces import identity
from engine.people import Gallery
from engine.prior.bundle import Condition, Prior, predict
from engine.prior.device import autocast, precision
from engine.prior.sample import noising
from engine.progress import Report, stage
from engine.restore import Settings, restore_face
from engine.tuning.recipe import Recipe
from engine.tuning.tuned import TunedModel, load_lora, lora_of, with_lora, write_tuned
from engine.tuning.views import Views, make_views, read_generic
from engine.workspace import fingerprint, write_bytes, write_json

log = logging.getLogger(__name__)

Pixels = NDArray[np.float32]

HELD_OUT_FROM = 4
"""References from which on one is kept out of the tuning to watch the person arrive."""
SAVE_EVERY_SECONDS = 20.0


def fingerprint_of(prior: Prior, gallery: Gallery, recipe: Recipe) -> str:
    """Hash everything that a tuned model is made from; the same inputs land in the same folder."""
    return fingerprint({"prior": dict(prior.sha256), "gallery": gallery.fingerprint, "recipe": recipe.as_json()})


def tune(prior: Prior, gallery: Gallery, recipe: Recipe, folder: Path, report: Report) -> TunedModel:
    """Tune the prior to a gallery, or go on where a stopped tuning of the same inputs left off.

    Args:
        prior: shared; not changed.
        gallery: the person's chosen references, at least one.
        recipe: how.
        folder: where checkpoint, samples, log and the tuned model go.
        report: followed; its tick stops the work after a step.

    Raises:
        NoFaces: the gallery is empty.
        Cancelled: from the report; the state so far is saved.
    """
    return _Tuning(prior, gallery, recipe, folder, report).run()


class _Tuning:
    def __init__(self, prior: Prior, gallery: Gallery, recipe: Recipe, folder: Path, report: Report) -> None:
        self.prior, self.gallery, self.recipe, self.folder, self.report = prior, gallery, recipe, folder, report
        self.fingerprint = fingerprint_of(prior, gallery, recipe)
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []
        self.checks: list[dict[str, float]] = []
        pivot = recipe.text
        torch.manual_seed(recipe.seed)
        self.denoiser = with_lora(prior.denoiser, rank=pivot.rank, alpha=pivot.alpha, targets=pivot.targets)
        self.trained = [p for p in self.denoiser.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(self.trained, lr=pivot.rate, weight_decay=1e-2)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "samples").mkdir(exist_ok=True)
        if self._checkpoint.exists():
            self._load()

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def run(self) -> TunedModel:
        pivot, person = self.recipe.text, self.gallery.person
        crops = self.gallery.crops(self.prior.size)
        self.held_out = crops[-1] if len(crops) >= HELD_OUT_FROM else None
        tuned_on = crops[:-1] if self.held_out is not None else crops
        mine = make_views(
            self.prior, tuned_on, each=pivot.views, seed=self.recipe.seed, tick=stage(self.report, "preparing photos")
        )
        generic = read_generic(self.prior.size, count=pivot.class_faces)
        others = make_views(
            self.prior, generic, each=1, seed=self.recipe.seed + 1, tick=stage(self.report, "preparing generic faces")
        )
        with torch.no_grad():
            text = self.prior.text.encode([person.prompt, person.class_prompt, ""])
        check_at = {round(pivot.steps * k / max(1, pivot.checks)) for k in range(pivot.checks + 1)}
        saved = begun = time.monotonic()
        if self.step == 0:
            self._check()
        done = False
        try:
            while self.step < pivot.steps:
                loss = self._one_step(mine, others, text)
                self.step += 1
                self.losses.append(round(loss, 6))
                now = time.monotonic()
                self.seconds, begun = self.seconds + now - begun, now
                self.report.measure(self.step, {"loss": loss})
                if self.step in check_at:
                    self._check()
                if now - saved > SAVE_EVERY_SECONDS:
                    self._save()
                    saved = now
                self.report.tick("personalizing", self.step, pivot.steps)
            done = True
        finally:
            if not done:
                self._save()
        return self._finish()

    def _one_step(self, mine: Views, others: Views, text: Tensor) -> float:
        pivot = self.recipe.text
        draw = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.step)
        fall = min(1.0, max(0.1, 1 - 0.9 * (self.step / pivot.steps - 2 / 3) * 3))
        for group in self.optimiser.param_groups:
            group["lr"] = pivot.rate * fall * min(1.0, (self.step + 1) / 10)
        pick = torch.randint(len(mine.good), (pivot.batch,), generator=draw)
        other = torch.randint(len(others.good), (pivot.class_batch,), generator=draw)
        target = torch.cat([mine.good[pick], others.good[other]])
        cleaned = torch.cat([mine.cleaned[pick], others.cleaned[other]])
        n = len(target)
        t = (torch.rand(n, generator=draw) * pivot.top_level * 1000).long()
        noise = torch.randn(target.shape, generator=draw).to(target)
        levels = noising(self.prior)
        noisy = levels.add_noise(target, noise, t.to(target.device))
        phrases = torch.cat([text[0:1].expand(pivot.batch, -1, -1), text[1:2].expand(pivot.class_batch, -1, -1)])
        condition = Condition(cleaned, phrases, text[2:3].expand(n, -1, -1))
        tuned = replace(self.prior, denoiser=self.denoiser.train())
        with autocast(self.prior.device):
            made = predict(tuned, noisy, t.to(target.device), condition)
        wanted, weight = what_is_learned(levels, target, noise, t)
        weight[pivot.batch :] *= pivot.class_weight
        loss = (weight.view(-1, 1, 1, 1) * (made.float() - wanted.float()) ** 2).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimiser.step()
        return float(loss.detach())

    def _check(self) -> None:
        """Restore the held-out photo, damaged in a fixed way, and say how near the person it comes."""
        if self.held_out is None:
            return
        rng = np.random.default_rng(7)
        damaged = degrade.apply(self.held_out, HARD, rng)
        variant = replace(self.prior, denoiser=self.denoiser.eval())
        restored = restore_face(variant, damaged, Settings(prompt=self.gallery.person.prompt), seed=7).pixels
        name = f"step-{self.step:05d}.png"
        path = self.folder / "samples" / name
        path.unlink(missing_ok=True)
        images.save_photo(np.concatenate([damaged, restored, self.held_out], axis=1), path)
        away = identity.distance(identity.embed(restored), identity.embed(self.held_out))
        self.checks.append({"step": float(self.step), "identity": round(away, 4)})
        self.report.measure(self.step, {"identity": away})
        self.report.preview(f"step {self.step}", path)

    def _finish(self) -> TunedModel:
        pivot, person = self.recipe.text, self.gallery.person
        tuned = write_tuned(
            self.folder,
            lora_of(self.denoiser),
            {
                "fingerprint": self.fingerprint,
                "prior": dict(self.prior.sha256),
                "prior_name": self.prior.name,
                "person": person.id,
                "prompt": person.prompt,
                "gallery": self.gallery.fingerprint,
                "references": len(self.gallery.references),
                "recipe": self.recipe.as_json(),
                "lora": {"rank": pivot.rank, "alpha": pivot.alpha, "targets": list(pivot.targets)},
                "losses": self.losses,
                "checks": self.checks,
                "seconds": round(self.seconds, 1),
                "device": str(self.prior.device),
                "precision": precision(self.prior.device),
            },
        )
        self._checkpoint.unlink(missing_ok=True)
        return tuned

    def _save(self) -> None:
        state: dict[str, Any] = {
            "fingerprint": self.fingerprint,
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "checks": self.checks,
            "lora": lora_of(self.denoiser),
            "optimiser": self.optimiser.state_dict(),
        }
        whole = io.BytesIO()  # torch.save itself would give a full disk no name
        torch.save(state, whole)
        write_bytes(self._checkpoint, whole.getvalue())
        write_json(self.folder / "state.json", {"step": self.step, "of": self.recipe.text.steps})

    def _load(self) -> None:
        state = torch.load(self._checkpoint, map_location=self.prior.device, weights_only=True)
        if state["fingerprint"] != self.fingerprint:
            log.warning("%s is of other inputs; starting anew", self._checkpoint)
            return
        self.step, self.seconds = state["step"], state["seconds"]
        self.losses, self.checks = state["losses"], state["checks"]
        load_lora(self.denoiser, state["lora"])
        self.optimiser.load_state_dict(state["optimiser"])


def what_is_learned(levels: Any, clean: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Give what the denoiser should say of noised latents, and how much each of them counts.

    Args:
        levels: the prior's schedule, as `noising` gives it.
        clean: `(N, C, h, w)`, the latents without noise.
        noise: like `clean`, what they were noised with.
        t: `(N,)`, int64, on the CPU: the levels they were noised to.

    Returns:
        The target, like `clean`, in the prior's prediction type; weights, `(N,)`, float32. A predicted clean picture
        counts by the root of its signal to noise, between bounds, measured with the pocket prior; noise and velocity
        count alike, as Stable Diffusion was trained.
    """
    kept = levels.alphas_cumprod[t]
    kind = levels.config.prediction_type
    if kind == "sample":
        return clean, (kept / (1 - kept)).clamp(0.1, 5).sqrt().to(clean.device)
    alike = torch.ones(len(t), device=clean.device)
    if kind == "epsilon":
        return noise, alike
    share = kept.view(-1, 1, 1, 1).to(clean)
    return share.sqrt() * noise - (1 - share).sqrt() * clean, alike


HARD = degrade.Damage(blur_x=5.0, blur_y=5.0, angle=0.0, shrink=6.0, noise=8.0, jpeg=70)
"""The fixed damage of the held-out photo: heavy enough that a blind prior has to guess."""
