"""The training loop of the pocket prior: resumable to the step, on any device."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import EngineError
from engine.pretrain.data import Batch, FaceFolder, batches, held_out_pairs, stacked
from engine.pretrain.plan import Plan, Stage
from engine.prior import device as devices
from engine.prior import pocket
from engine.prior.bundle import Condition, Prior, predict
from engine.prior.sample import noising
from engine.progress import Cancelled, Report, SilentReport
from engine.workspace import write_bytes

DROP_GUIDE = 0.1
DROP_CAPTION = 0.1
SAVE_EVERY_SECONDS = 180.0
LOOKED_AT = 16
"""Faces of people kept out of training that each look restores."""
LOOKS_DRAWN = 4
"""Noise levels that a look draws for each of them."""


class BadCheckpoint(EngineError):
    """A checkpoint does not belong to this plan."""


class Trainer:
    """A training in progress: the prior, its average and the optimiser, held between steps."""

    def __init__(self, plan: Plan, faces: FaceFolder, folder: Path, *, device: str = "auto") -> None:
        """Begin, or go on where the checkpoint in `folder` stopped.

        Raises:
            BadCheckpoint: the checkpoint there is of another plan.
        """
        self.plan, self.faces, self.folder = plan, faces, folder
        self.device = devices.choose(device)
        torch.manual_seed(plan.seed)
        self.prior, self.average = (pocket.build(pocket.WIDTHS[plan.widths]) for _ in range(2))
        for part, module in parts(self.prior).items():
            module.to(device=self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            averaged = parts(self.average)[part]
            averaged.to(device=self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            averaged.requires_grad_(False).eval()
            averaged.load_state_dict(module.state_dict())
        self.stage, self.step, self.seconds = 0, 0, 0.0
        self.before: dict[str, Any] = {}
        self.best: dict[str, Any] = {}
        """Loss on held-out people and averaged weights at this stage's best look, and how many looks ago that was."""
        self.ended: list[int] = []
        """Steps of each stage that is over; fewer than planned where held-out people got no better."""
        self._looked_at: tuple[int, Batch] | None = None
        self.optimiser = self._optimiser()
        if self.checkpoint.exists():
            self._load()

    @property
    def checkpoint(self) -> Path:
        """Where the state lies between runs."""
        return self.folder / "checkpoint.pt"

    def start_from(self, prior: Prior, card: Mapping[str, Any]) -> None:
        """Take over the weights of a trained prior of the same shape, and its card, before the first step."""
        if self.stage or self.step:
            raise BadCheckpoint(f"{self.folder} already holds a training under way; name an empty folder.")
        try:
            for mine in (self.prior, self.average):
                for part, module in parts(mine).items():
                    known = parts(prior)[part].state_dict()
                    # What lets words reach further begins by changing nothing, so a prior without it can be begun from.
                    fresh = {n: t for n, t in module.state_dict().items() if n.startswith("add_embedding.")}
                    module.load_state_dict({**fresh, **known})
        except RuntimeError as error:
            raise BadCheckpoint(
                f"Plan {self.plan.name!r} trains networks of the widths {self.plan.widths!r}; those of the prior to "
                "begin from are others. Begin from nothing, or from a prior that was trained by this version."
            ) from error
        self.before = {key: card[key] for key in ("pictures_shown", "seconds") if key in card}

    def run(self, report: Report | None = None, *, until_seconds: float | None = None) -> bool:
        """Train until the plan ends (True) or `until_seconds` of training in all have passed (False).

        Raises:
            Cancelled: from the report, after the state is saved.
        """
        report = report or SilentReport()
        try:
            while self.stage < len(self.plan.stages):
                if not self._run_stage(self.plan.stages[self.stage], report, until_seconds):
                    self.save()
                    return False
                self._take_best(self.plan.stages[self.stage])
                self.ended.append(self.step)
                self.stage, self.step = self.stage + 1, 0
                if self.stage < len(self.plan.stages):
                    self.optimiser = self._optimiser()
                self.save()
        except Cancelled:
            self.save()
            raise
        return True

    def _run_stage(self, stage: Stage, report: Report, until_seconds: float | None) -> bool:
        last = -(-stage.samples // stage.batch)
        saved, begun, losses = time.monotonic(), time.monotonic(), 0.0
        made = batches(
            self.faces,
            size=stage.size,
            count=stage.batch,
            seed=self.plan.seed,
            first=self.step,
            last=last,
            workers=max(1, min(8, (os.cpu_count() or 2) // 2)),
            captioned=stage.part == "prior",
        )
        for pairs in made:
            for group in self.optimiser.param_groups:
                group["lr"] = rate(stage, self.step, last)
            loss = self._step(stage, pairs)
            losses = loss if losses == 0.0 else 0.98 * losses + 0.02 * loss
            self.step += 1
            now = time.monotonic()
            self.seconds += now - begun
            begun = now
            if self.step % 50 == 0 or self.step == last:
                line = {"stage": self.stage, "part": stage.part, "size": stage.size, "step": self.step, "of": last}
                self._write_log({**line, "loss": round(losses, 5), "seconds": round(self.seconds)})
                report.measure(self.step, {"loss": losses})
            if self.step % self.plan.look_every == 0 and self._tired(stage, report):
                return True
            if now - saved > SAVE_EVERY_SECONDS:
                self.save()
                saved = now
            report.tick(f"{stage.part} {stage.size} px", self.step, last)
            if until_seconds is not None and self.seconds >= until_seconds and self.step < last:
                return False
        return True

    def look(self, stage: Stage) -> float:
        """Give the averaged weights' loss on people kept out of training; the same pictures and noise each time."""
        if self._looked_at is None or self._looked_at[0] != stage.size:
            pairs = held_out_pairs(self.faces, size=stage.size, count=LOOKED_AT)
            self._looked_at = stage.size, stacked(pairs)
        loss = cleaner_loss if stage.part == "cleaner" else prior_loss
        draws = 1 if stage.part == "cleaner" else LOOKS_DRAWN
        with torch.no_grad(), devices.autocast(self.device):
            seen = [
                float(loss(self.average, self._looked_at[1], torch.Generator().manual_seed(seed)))
                for seed in range(draws)
            ]
        return sum(seen) / draws

    def _tired(self, stage: Stage, report: Report) -> bool:
        """Look, remember the best, and say whether the stage should end because nothing gets better."""
        loss = self.look(stage)
        report.measure(self.step, {"held_out": loss})
        self._write_log({"stage": self.stage, "step": self.step, "held_out": round(loss, 6)})
        if not self.best or loss < self.best["loss"]:
            weights = {
                name: {key: value.clone() for key, value in parts(self.average)[name].state_dict().items()}
                for name in TRAINED[stage.part]
            }
            self.best = {"loss": loss, "looks": 0, "weights": weights}
            return False
        self.best["looks"] += 1
        return self.best["looks"] >= self.plan.patience

    def _take_best(self, stage: Stage) -> None:
        """Go back to the best averaged weights of the stage that ended, if the last are worse."""
        if self.best and self.look(stage) > self.best["loss"]:
            for name, weights in self.best["weights"].items():
                parts(self.average)[name].load_state_dict(weights)
        self.best = {}

    def _step(self, stage: Stage, pairs: Batch) -> float:
        step = cleaner_loss if stage.part == "cleaner" else prior_loss
        draw = torch.Generator().manual_seed((self.plan.seed * 1000 + self.stage) * 1_000_003 + self.step)
        with devices.autocast(self.device):
            loss = step(self.prior, pairs, draw)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        trained = [p for group in self.optimiser.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(trained, 1.0)
        self.optimiser.step()
        done = sum(-(-s.samples // s.batch) for s in self.plan.stages[: self.stage] if s.part == stage.part) + self.step
        decay = min(self.plan.average, (1 + done) / (10 + done))
        with torch.no_grad():
            for name in TRAINED[stage.part]:
                for mean, now in zip(
                    parts(self.average)[name].parameters(), parts(self.prior)[name].parameters(), strict=True
                ):
                    mean.lerp_(now, 1 - decay)
        return float(loss.detach())

    def _optimiser(self) -> torch.optim.AdamW:
        part = self.plan.stages[min(self.stage, len(self.plan.stages) - 1)].part
        if part == "prior":
            # The prior must learn to mend what the shipped cleaner leaves, and that is the averaged one.
            self.prior.cleaner.load_state_dict(self.average.cleaner.state_dict())
            self.prior.cleaner.requires_grad_(False).eval()
        wanted = [p for name in TRAINED[part] for p in parts(self.prior)[name].parameters()]
        return torch.optim.AdamW(wanted, lr=1e-4, betas=(0.9, 0.99), weight_decay=1e-3)

    def save(self) -> None:
        """Write the whole state; a power cut leaves the former one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "plan": asdict(self.plan),
            "stage": self.stage,
            "step": self.step,
            "seconds": self.seconds,
            "before": self.before,
            "best": self.best,
            "ended": self.ended,
            "parts": {k: m.state_dict() for k, m in parts(self.prior).items()},
            "average": {k: m.state_dict() for k, m in parts(self.average).items()},
            "optimiser": self.optimiser.state_dict(),
        }
        whole = io.BytesIO()  # torch.save itself would give a full disk no name
        torch.save(state, whole)
        write_bytes(self.checkpoint, whole.getvalue())

    def _load(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        theirs = state["plan"]
        if theirs["widths"] != self.plan.widths or theirs["name"] != self.plan.name:
            raise BadCheckpoint(
                f"{self.checkpoint} belongs to plan {theirs['name']!r}, not {self.plan.name!r}. "
                "Go on with that plan or name an empty folder."
            )
        self.stage, self.step, self.seconds = state["stage"], state["step"], state["seconds"]
        self.before, self.best = state.get("before", {}), state.get("best", {})
        planned = [-(-stage.samples // stage.batch) for stage in self.plan.stages[: self.stage]]
        self.ended = state.get("ended", planned)
        for name, module in parts(self.prior).items():
            module.load_state_dict(state["parts"][name])
        for name, module in parts(self.average).items():
            module.load_state_dict(state["average"][name])
        if self.stage < len(self.plan.stages):
            self.optimiser = self._optimiser()
            self.optimiser.load_state_dict(state["optimiser"])

    def _write_log(self, line: Mapping[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


TRAINED = {"cleaner": ("cleaner",), "prior": ("denoiser", "guide", "text")}
"""Which parts a stage trains."""


def parts(prior: Prior) -> dict[str, nn.Module]:
    """Name the networks of a pocket prior."""
    text = prior.text
    if not isinstance(text, nn.Module):
        raise TypeError("only a pocket prior is trained here")
    return {"cleaner": prior.cleaner, "denoiser": prior.denoiser, "guide": prior.guide, "text": text}


def rate(stage: Stage, step: int, last: int) -> float:
    """Give the learning rate of a step: 100 steps of warm-up, then level, then the stage's cool-down."""
    warm = min(1.0, (step + 1) / 100)
    begin = (1 - stage.cooldown) * last
    fall = 1.0 if step < begin else max(0.05, 1 - 0.95 * (step - begin) / max(1.0, last - begin))
    return stage.rate * warm * fall


def cleaner_loss(prior: Prior, pairs: Batch, draw: torch.Generator) -> Tensor:
    """Mean over the pictures of the logarithm of the squared error: PSNR itself but for sign and factor.

    A plain mean of errors is decided by the worst pictures; here a lightly damaged one counts as much (HINet, arXiv
    2105.06086).
    """
    del draw
    good, bad = (b.to(prior.device, memory_format=torch.channels_last) for b in (pairs.good, pairs.bad))
    cleaned: Tensor = prior.cleaner(bad)
    return ((cleaned.float() - good) ** 2).mean(dim=(1, 2, 3)).add(1e-5).log().mean()


def prior_loss(prior: Prior, pairs: Batch, draw: torch.Generator) -> Tensor:
    """Weighted error of the predicted clean picture at a random noise level.

    Guide and caption are dropped for a tenth of the samples each, so that guidance means something. Three quarters of
    the levels lie in the lower 65 % of the schedule, which is where sampling from a noised clean start works.
    The weight is the square root of the signal-to-noise ratio, held between 0.1 and 5 (after Min-SNR, arXiv
    2303.09556).

    Where only the caption tells which colours are wanted, the noise is laid over the cleaned picture, as in sampling,
    and the caption is never dropped: a noised target would show its colours, and words nobody needs are not learned.
    """
    good, bad = (b.to(prior.device, memory_format=torch.channels_last) for b in (pairs.good, pairs.bad))
    n = len(pairs.captions)
    with torch.no_grad():
        cleaned = prior.cleaner(bad).float().clamp(-1, 1)
    target, condition = prior.autoencoder.encode(good), prior.autoencoder.encode(cleaned)
    low = torch.rand(n, generator=draw) < 0.75
    t = (torch.rand(n, generator=draw) * torch.where(low, 650.0, 1000.0)).long().to(prior.device)
    noise = torch.randn(target.shape, generator=draw).to(prior.device, memory_format=torch.channels_last)
    levels = noising(prior)
    edited = pairs.edited.to(prior.device)
    noisy = levels.add_noise(torch.where(edited.view(-1, 1, 1, 1), condition, target), noise, t)
    dropped = (torch.rand(n, generator=draw) < DROP_CAPTION) & ~pairs.edited
    captions = ["" if d else c for c, d in zip(pairs.captions, dropped.tolist(), strict=True)]
    context = prior.text.encode([*captions, ""])
    keep_guide = (torch.rand(n, generator=draw) >= DROP_GUIDE).float().to(prior.device)
    steering = Condition(condition, context[:-1], context[-1:].expand(n, -1, -1))
    made = predict(scaled_guide(prior, keep_guide), noisy, t, steering)
    ratio = levels.alphas_cumprod[t.cpu()] / (1 - levels.alphas_cumprod[t.cpu()])
    weight = ratio.clamp(0.1, 5).sqrt().to(prior.device).view(-1, 1, 1, 1)
    return (weight * ((made.float() - target) / prior.autoencoder.scaling) ** 2).mean()


def scaled_guide(prior: Prior, keep: Tensor) -> Prior:
    """Give the prior with its guide's residuals multiplied by `keep`, `(N,)`, one number a picture."""
    return replace(prior, guide=_ScaledGuide(prior.guide, keep.view(-1, 1, 1, 1)))


class _ScaledGuide(nn.Module):
    def __init__(self, guide: nn.Module, keep: Tensor) -> None:
        super().__init__()
        self.guide, self.keep = guide, keep

    def forward(self, *inputs: Any, **options: Any) -> tuple[list[Tensor], Tensor]:
        down, mid = self.guide(*inputs, **options)
        return [d * self.keep for d in down], mid * self.keep
