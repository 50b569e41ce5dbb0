"""`python -m engine.restorers` lists the restorers, and says of each what it lacks to work here."""

import sys

from engine.restorers import find_all, lacking
from engine.workspace import default_root

weights = default_root() / "weights"
for info in find_all():
    sys.stdout.write(f"{info.id:14} {info.title}: {info.summary} Licence: {info.license}. Paper: {info.paper}\n")
    lacks = lacking(info, weights)
    if lacks:
        sys.stdout.write(f"{'':14} Not ready: {lacks}\n")
