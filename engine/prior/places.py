"""Where the prior lies that comes with the project, known without loading torch."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "priors" / "pocket"
MANIFEST = "prior.json"
