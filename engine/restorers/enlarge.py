"""The damaged face as it is, enlarged to the crop: what every other restorer must beat."""

from __future__ import annotations

from engine.progress import Tick
from engine.restorers._contract import Context, Options, Pixels, RestorerInfo, Subject


class Enlarge:
    """Nothing to hold."""

    def restore(self, face: Pixels, subject: Subject, options: Options, *, seed: int, tick: Tick) -> Pixels:
        """See `Restorer.restore`. Cutting the crop has already enlarged the face, so it comes back unchanged."""
        del subject, options, seed
        tick(1, 1)
        return face.copy()


def load(context: Context) -> Enlarge:
    """Give the restorer."""
    del context
    return Enlarge()


RESTORER = RestorerInfo(
    id="enlarge",
    title="Enlarged only",
    summary="The damaged face, enlarged and otherwise untouched.",
    paper="none",
    source="this project",
    license="Apache-2.0",
    load=load,
    fitted=False,
)
