"""Turn README and notebooks into web pages: `python -m vaelib.site folder`.

The pages show the outputs that are stored in the notebooks; nothing is run. The README becomes
`index.html`. Links between them lead from page to page, links to other files of the repository to
its address. A badge becomes a plain link, so that no picture comes from elsewhere; formulas are
set by MathJax, which the reader's browser fetches.
"""

import re
import shutil
import sys
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from vaelib._machine.files import project_root
from vaelib.authoring import links
from vaelib.authoring.links import Address

BADGE = re.compile(r"!\[([^\]]*)\]\(https?://[^)]+\)")
TARGET = re.compile(r'(?P<before>\]\(|\b(?:src|srcset|href)=")(?P<path>[^)\s"#:]+)(?=[)\s"#])')
STYLE = "<style>main { max-width: 64em; margin: auto; }</style>"
PICTURES = {".png", ".svg", ".gif", ".webp", ".jpg"}


class Site:
    """A folder of web pages, made from a repository."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root.resolve()
        self.folder = folder
        pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
        self.address: Address = links.read_address(pyproject)

    def build(self) -> list[Path]:
        """Write every page and return them, the index first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        readme = self.root / "README.md"
        text = readme.read_text(encoding="utf-8")
        cells = [nbformat.v4.new_markdown_cell(text, id="readme")]
        index = nbformat.v4.new_notebook(cells=cells)
        pages = [self._page(index, readme, "index", text.split("\n")[0].removeprefix("# "))]
        for path in sorted((self.root / "notebooks").glob("[0-9]*.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            title = links.title(notebook)
            heading, line, rest = notebook.cells[0].source.split("\n\n", 2)
            line += " · *[all notebooks](../README.md)*"
            notebook.cells[0].source = "\n\n".join([heading, line, rest])
            pages.append(self._page(notebook, path, path.stem, title))
        return pages

    def _page(self, notebook: NotebookNode, source: Path, name: str, title: str) -> Path:
        notebook.metadata["title"] = title
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = self._with_links(cell.source, source.parent)
        html, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook)
        page = self.folder / f"{name}.html"
        page.write_text(html.replace("</head>", f"{STYLE}</head>", 1), encoding="utf-8")
        return page

    def _with_links(self, text: str, base: Path) -> str:
        """Return markdown whose links lead to the site's pages; pictures are copied beside them."""

        def lead(match: re.Match[str]) -> str:
            path = (base / match["path"]).resolve()
            return match["before"] + self._target(path) if path.exists() else match[0]

        return TARGET.sub(lead, BADGE.sub(r"\1", text))

    def _target(self, path: Path) -> str:
        """Return where a link to a file of the repository leads on the site."""
        inside = path.relative_to(self.root)
        if path == self.root / "README.md":
            return "index.html"
        if path.suffix == ".ipynb":
            return f"{path.stem}.html"
        if path.suffix in PICTURES:
            (self.folder / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, self.folder / inside)
            return inside.as_posix()
        return self.address.page(inside.as_posix())


def main(folder: Path) -> None:
    """Build the site and say where its first page is."""
    pages = Site(project_root(), folder).build()
    print(f"{len(pages)} pages; open {pages[0]}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "site"))
