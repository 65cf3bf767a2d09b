"""The website, built by Sphinx: `make site`. README and notebooks become pages as they are stored.

Nothing is run, and nothing is fetched, neither while it is built nor while it is read: a badge
becomes a plain link, and MathJax, which sets the formulas, lies beside the pages. A notebook's
set-up cell is left out, and what is long is folded where a picture or a table is the point.
"""

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
PROJECT = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
LONG = 12  # lines of code that a page shows above what they display

project = "A VAE as a feature extractor"
author = "The vaelib maintainers"
root_doc = "README"
include_patterns = ["README.md", "data/README.md", "notebooks/*.md", "notebooks/*.ipynb"]
extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx-mathjax-offline"]
suppress_warnings = ["myst.header"]  # the glossary's words stand right below its title
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3  # a link to a heading, as GitHub makes them
nb_execution_mode = "off"
html_theme = "sphinx_book_theme"
html_title = project
html_theme_options = {  # the buttons at the top of a notebook's page
    "repository_url": PROJECT["urls"]["Repository"],
    "repository_branch": f"v{PROJECT['version']}",
    "use_repository_button": True,
    "launch_buttons": {
        "notebook_interface": "jupyterlab",
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
    },
}

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
    """Turn badges into words, fold long cells, and give the first page the series' contents."""
    source[0] = BADGE.sub(r"\1", source[0])
    if source[0].startswith("{"):
        source[0] = folded(source[0])
    if page == root_doc:
        source[0] += CONTENTS


def folded(notebook: str) -> str:
    """Return a notebook's text with the tags that leave out its set-up cell and fold others."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        if cell["cell_type"] != "code":
            continue
        lines = [line for line in "".join(cell["source"]).splitlines() if line.strip()]
        if cell["id"].endswith("-set-up"):
            cell["metadata"]["tags"] = ["remove-cell"]
        elif len(lines) > LONG and any(o["output_type"] == "display_data" for o in cell["outputs"]):
            cell["metadata"]["tags"] = ["hide-input"]
    return json.dumps(content)


def name_first_page(app: Any, error: Exception | None) -> None:  # noqa: ANN401
    """Let the folder's address open the README, as a web server expects it."""
    if error is None:
        shutil.copyfile(Path(app.outdir, "README.html"), Path(app.outdir, "index.html"))


def setup(app: Any) -> None:  # noqa: ANN401
    """Hand both to Sphinx."""
    app.connect("source-read", prepare)
    app.connect("build-finished", name_first_page)
