"""Mends line ends, trailing blanks and the end of the files that are named; exit code 1 when a file needed it."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def clean(text: str) -> str:
    """Give a text with \\n as line end, no blanks before it, and one at the end (an empty text stays empty)."""
    text = re.sub(r"[ \t]+$", "", text.replace("\r\n", "\n").replace("\r", "\n"), flags=re.MULTILINE)
    return text.rstrip("\n") + "\n" if text.strip() else ""


def main(names: list[str]) -> int:
    """Mend every file, and tell which were changed."""
    changed = 0
    for path in map(Path, names):
        before = path.read_bytes()
        after = clean(before.decode("utf-8")).encode("utf-8")
        if after != before:
            path.write_bytes(after)
            print(f"mended {path}")
            changed += 1
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
