"""Stage 1 alone: the cleaner's best guess, faithful and soft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.progress import Tick
from engine.restorers._contract import Context, Options, Pixels, RestorerInfo, Subject

if TYPE_CHECKING:
    from engine.prior.bundle import Prior


@dataclass(frozen=True)
class Cleaner:
    """Holds the prior whose cleaner is used."""

    prior: Prior

    def restore(self, face: Pixels, subject: Subject, options: Options, *, seed: int, tick: Tick) -> Pixels:
        """See `Restorer.restore`."""
        from engine.restore import clean_face

        del subject, options, seed
        cleaned = clean_face(self.prior, face)
        tick(1, 1)
        return cleaned


def load(context: Context) -> Cleaner:
    """Load the prior."""
    return Cleaner(context.prior())


RESTORER = RestorerInfo(
    id="cleaner",
    title="Cleaned",
    summary="Noise and blur taken away, nothing invented: faithful, and softer than a photo.",
    paper="https://arxiv.org/abs/2308.15070",
    source="this project",
    license="Apache-2.0",
    load=load,
)
