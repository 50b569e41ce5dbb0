"""`python -m engine.restorers` lists the restorers."""

import sys

from engine.restorers import find_all

for info in find_all():
    sys.stdout.write(f"{info.id:14} {info.title}: {info.summary} Licence: {info.license}. Paper: {info.paper}\n")
