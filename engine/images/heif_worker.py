"""A process of its own that decodes one HEIC from its standard input, since damaged ones make libheif crash.

It is run as a script, imports nothing of the engine, and answers with a line of JSON and the bytes that it speaks of.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np
import pi_heif


def main() -> None:
    """Decode, and write the answer to the standard output."""
    # What a C library says would get between the bytes of the answer.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        told, parts = _decoded()
    except (ValueError, OSError, EOFError, SyntaxError, RuntimeError, LookupError, MemoryError) as error:
        told, parts = {"error": str(error) or type(error).__name__}, []
    with answer:
        answer.write(json.dumps(told).encode() + b"\n")
        for part in parts:
            answer.write(part)


def _decoded() -> tuple[dict[str, Any], list[bytes]]:
    opened = pi_heif.open_heif(sys.stdin.buffer, convert_hdr_to_8bit=False)
    image = opened[opened.primary_index]
    image.load()
    values = np.ascontiguousarray(np.asarray(image)[:, : image.size[0]])
    blocks = [image.info.get(name) or b"" for name in ("icc_profile", "exif", "xmp")]
    told = {
        "shape": values.shape,
        "type": values.dtype.str,
        "bits": int(image.info.get("bit_depth", 8)),
        "pictures": len(opened),
        "sizes": [values.nbytes, *map(len, blocks)],
    }
    return told, [values.tobytes(), *blocks]


if __name__ == "__main__":
    main()
