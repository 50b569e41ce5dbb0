"""What the blind and the personalized use of a prior share: their knobs."""

from __future__ import annotations

from dataclasses import dataclass

from engine.prior.settings import PULLS, SAMPLERS, START_POINTS, Pull, Sampling
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
        0.2,
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
        1.0,
        "Guide strength",
        "How strongly the damaged face steers; 1 as trained, and above it soon too much.",
        low=0.0,
        high=2.0,
        step=0.05,
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
    start_point: str = option(
        "cleaned",
        "Start of a whole redraw",
        "What a start of 1 begins with: the noised cleaned face, or noise alone as DiffBIR does.",
        choices=START_POINTS,
        advanced=True,
    )
    noise_aug: int = option(
        0,
        "Noise for the guide",
        "More leaves the guide less to hold on to, and more is drawn anew.",
        low=0,
        high=199,
        step=1,
        advanced=True,
    )
    rescale_guidance: bool = option(
        False, "Rising text guidance", "Text guidance rises from 1 as the noise falls.", advanced=True
    )
    against: str = option(
        "", "Words against", "What must not be seen; works with text guidance above 1.", advanced=True
    )
    pull: str = option(
        "none",
        "Pull to the cleaned face",
        "Restoration guidance, in the counting of DiffBIR v1 or v2, which is 3000 times as strong.",
        choices=PULLS,
        advanced=True,
    )
    pull_scale: float = option(
        0.0, "Strength of the pull", "In that counting: v1's example is 400, v2's 0.5.", low=0.0, high=1000.0, step=0.1,
        advanced=True,
    )  # fmt: skip
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
            sampling=Sampling(
                self.sampler,
                self.steps,
                None if self.auto else self.start,
                start_point=self.start_point,
                noise_aug=self.noise_aug,
                rescale_guidance=self.rescale_guidance,
                pull=Pull(self.pull, self.pull_scale),
            ),
            prompt=self.words or prompt,
            guidance=self.guidance,
            guide_strength=self.guide_strength,
            against=self.against,
            colour_fix=self.colour_fix,
        )
