"""The website, built by Sphinx: `make site`. README and notebooks become pages as they are stored.

Nothing is run, and nothing is fetched, neither while it is built nor while it is read: a badge
becomes a plain link, and MathJax, which sets the formulas, lies beside the pages.
"""

import re
import shutil
from pathlib import Path
from typing import Any

project = "A VAE as a feature extractor"
root_doc = "README"
include_patterns = ["README.md", "data/README.md", "notebooks/*.md", "notebooks/*.ipynb"]
extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx-mathjax-offline"]
suppress_warnings = ["myst.header"]  # the glossary's words stand right below its title
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3  # a link to a heading, as GitHub makes them
nb_execution_mode = "off"
html_theme = "sphinx_book_theme"
html_title = project

BADGE = re.compile(r"!\[([^\]]*)\]\(https?://[^)]+\)")
CONTENTS = """
```{toctree}
:hidden:
:glob:
notebooks/0*
notebooks/glossary
notebooks/teachers
data/README
```
"""


def prepare(_: Any, page: str, source: list[str]) -> None:  # noqa: ANN401
    """Turn badges into words, and give the first page the contents of the series."""
    source[0] = BADGE.sub(r"\1", source[0])
    if page == root_doc:
        source[0] += CONTENTS


def name_first_page(app: Any, error: Exception | None) -> None:  # noqa: ANN401
    """Let the folder's address open the README, as a web server expects it."""
    if error is None:
        shutil.copyfile(Path(app.outdir, "README.html"), Path(app.outdir, "index.html"))


def setup(app: Any) -> None:  # noqa: ANN401
    """Hand both to Sphinx."""
    app.connect("source-read", prepare)
    app.connect("build-finished", name_first_page)
