"""MkDocs calls this while it builds the site (`hooks` in mkdocs.yml): it adds the reference, which nobody writes."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

HERE = Path(__file__).parent


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages of reference/, made now."""
    sys.path[:0] = [str(HERE.parent), str(HERE)]  # hostsim as it is here, and docs_reference
    import docs_reference

    for name, text in docs_reference.pages().items():
        files.append(File.generated(config, f"reference/{name}", content=text))
    return files
