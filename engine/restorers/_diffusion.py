"""What the blind and the personalized use of a prior share: their knobs."""

from __future__ import annotations

from dataclasses import dataclass

from engine.prior.settings import SAMPLERS, Sampling
from engine.restore import COLOUR_FIXES, Settings
from engine.restorers._contract import Options, option


@dataclass(frozen=True)
class DiffusionOptions(Options):
    """Knobs of sampling."""

    auto: bool = option(
        True,
        "Follow the damage",
        "The damage seen on the face sets Fidelity to Quality, so that a good photo is hardly touched.",
    )
    start: float = option(
        0.15,
        "Fidelity to Quality",
        "Low keeps to the photo, high draws more anew: the share of the noise schedule that sampling starts from. "
        "At 0 the face is left alone.",
        low=0.0,
        high=1.0,
        step=0.05,
        turns_off="auto",
    )
    steps: int = option(10, "Steps", "More steps take longer; past 20 little changes.", low=1, high=100, step=1)
    guide_strength: float = option(
        1.0, "Guide strength", "How strongly the damaged face steers; 1 as trained.", low=0.0, high=2.0, step=0.05
    )
    guidance: float = option(
        1.0,
        "Text guidance",
        "How strongly the words steer (classifier-free guidance); 1 is off.",
        low=1.0,
        high=8.0,
        step=0.1,
        advanced=True,
    )
    sampler: str = option("dpmpp-2m", "Sampler", "How noise is taken away.", choices=tuple(SAMPLERS), advanced=True)
    colour_fix: str = option(
        "wavelet", "Colour fix", "Takes the colours from the cleaned picture.", choices=COLOUR_FIXES, advanced=True
    )
    words: str = option(
        "",
        "Words",
        "What to show, in words the prior knows; empty for the usual phrase.",
        advanced=True,
    )

    def settings(self, prompt: str) -> Settings:
        """Give the settings for a face, with the usual phrase where no words were chosen."""
        return Settings(
            sampling=Sampling(self.sampler, self.steps, None if self.auto else self.start),
            prompt=self.words or prompt,
            guidance=self.guidance,
            guide_strength=self.guide_strength,
            colour_fix=self.colour_fix,
        )
