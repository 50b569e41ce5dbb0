"""Restoring with the person: the prior tuned round their phrase, steered by the guide (Dual-Pivot Tuning)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.progress import Tick
from engine.restorers._contract import Context, Pixels, RestorerInfo, Subject, option
from engine.restorers._diffusion import DiffusionOptions

if TYPE_CHECKING:
    from engine.prior.bundle import Prior


class NotPersonalized(EngineError):
    """The person has no tuned model."""


@dataclass(frozen=True)
class DualPivotOptions(DiffusionOptions):
    """The diffusion knobs and the person's strength."""

    identity: float = option(
        1.0,
        "Identity strength",
        "How much of the person's tuning is used: 0 is the blind prior, 1 as tuned. Up to there the face comes nearer "
        "to the references; above, what was learnt is exaggerated.",
        low=0.0,
        high=1.5,
        step=0.05,
    )


@dataclass
class DualPivot:
    """Holds the shared prior and the last personalized variant of it."""

    prior: Prior
    _last: tuple[Path, float, Prior] | None = field(default=None)

    def restore(self, face: Pixels, subject: Subject, options: DualPivotOptions, *, seed: int, tick: Tick) -> Pixels:
        """See `Restorer.restore`.

        Raises:
            NotPersonalized: the subject has no tuned model.
        """
        from engine.restore import restore_face

        prior = self._personalized(subject, options.identity)
        settings = options.settings(subject.prompt)
        return restore_face(
            prior, face, settings, damage=subject.damage, seed=seed, tick=tick, look=subject.look
        ).pixels

    def _personalized(self, subject: Subject, strength: float) -> Prior:
        from engine.tuning import read_tuned

        if subject.tuned is None:
            raise NotPersonalized("This person is not personalized yet. Personalize them first, or restore blind.")
        if self._last is None or self._last[:2] != (subject.tuned, strength):
            from engine.prior.packed import refresh

            made = read_tuned(subject.tuned).applied_to(self.prior, strength=strength)
            for network in (made.cleaner, made.denoiser, made.guide):
                refresh(network)
            self._last = (subject.tuned, strength, made)
        return self._last[2]


def load(context: Context) -> DualPivot:
    """Load the prior."""
    return DualPivot(context.prior())


RESTORER = RestorerInfo(
    id="dual-pivot",
    title="With the person",
    summary="A clear face by the prior that was tuned to this person's good photos.",
    paper="https://arxiv.org/abs/2312.17234",
    source="personalized-restoration/personalized-restoration@4d88c10 (facts only)",
    license="Apache-2.0 (code and the embedded prior)",
    load=load,
    options=DualPivotOptions,
    needs_person=True,
)
