"""Blind restoring in DiffBIR's manner: the loaded prior and its guide, without the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.progress import Tick
from engine.restorers._contract import Context, Pixels, RestorerInfo, Subject
from engine.restorers._diffusion import DiffusionOptions

if TYPE_CHECKING:
    from engine.prior.bundle import Prior


@dataclass(frozen=True)
class Blind:
    """Holds the prior."""

    prior: Prior

    def restore(self, face: Pixels, subject: Subject, options: DiffusionOptions, *, seed: int, tick: Tick) -> Pixels:
        """See `Restorer.restore`."""
        from engine.restore import restore_face

        settings = options.settings("a photo of a person")
        return restore_face(
            self.prior, face, settings, damage=subject.damage, seed=seed, tick=tick, look=subject.look
        ).pixels


def load(context: Context) -> Blind:
    """Load the prior."""
    return Blind(context.prior())


RESTORER = RestorerInfo(
    id="diffbir",
    title="Blind (DiffBIR's way)",
    summary="A clear face by the loaded prior, which does not know the person.",
    paper="https://arxiv.org/abs/2308.15070",
    source="XPixelGroup/DiffBIR@3f8b530",
    license="Apache-2.0 (code and the embedded prior)",
    load=load,
    options=DiffusionOptions,
)
