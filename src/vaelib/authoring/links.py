"""Write the repository's own address where it is needed: `make links REPO=owner/name`.

The address stands in `pyproject.toml`, beside the version, whose tag every link opens: a link to
a moving branch would one day open a notebook that its reader does not know. From there it is
written into the README, `CITATION.cff` and the notebooks: their badges, their way to the previous
and the next, and the set-up cell. Without an argument the address stays as it is.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import nbformat
from nbformat import NotebookNode

from vaelib._machine.files import project_root

IN_PYPROJECT = re.compile(r'(?<=Repository = "https://github\.com/)[\w.-]+/[\w.-]+(?=")')
VERSION = re.compile(r'^version = "(.+)"$', re.MULTILINE)
IN_README = re.compile(r"(?<=<!-- links -->\n).*?(?=<!-- end of links -->)", re.DOTALL)
LINE_OF_LINKS = re.compile(r"\[!\[|\*(previous|next):")  # how that paragraph begins

SET_UP = """\
# @title Set-up: brings vaelib and its data where they are missing, and does nothing elsewhere
from importlib.util import find_spec

if find_spec("vaelib") is None:
    %pip install -qq --no-deps git+{url}@{tag}
import vaelib  # it is not there? pip says above why; on Kaggle, switch the internet on\
"""
COLLAPSED = {"cellView": "form", "jupyter": {"source_hidden": True}}  # Colab; JupyterLab


class LinksError(ValueError):
    """The address cannot be read or written; the message says what to do."""


@dataclass(frozen=True)
class Address:
    """Where the repository is: `repo` is owner/name on GitHub, `tag` the release to open."""

    repo: str
    tag: str

    @property
    def url(self) -> str:
        """The repository's page."""
        return f"https://github.com/{self.repo}"

    def page(self, path: str) -> str:
        """Return the address of a file's page, as it was at the tag."""
        return f"{self.url}/blob/{self.tag}/{quote(path)}"

    def badges(self, notebook: str) -> str:
        """Return the two badges that open a notebook, on Colab and on Binder."""
        path = quote(f"lab/tree/notebooks/{notebook}", safe="")
        colab = f"https://colab.research.google.com/github/{self.repo}/blob/{self.tag}"
        binder = f"https://mybinder.org/v2/gh/{self.repo}/{self.tag}?urlpath={path}"
        return (
            "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
            f"({colab}/notebooks/{notebook}) · "
            f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder})"
        )

    def set_up(self) -> str:
        """Return the code that brings package and data to where only the notebook is."""
        return SET_UP.format(url=self.url, tag=self.tag)


def read_address(pyproject: str) -> Address:
    """Return the address that the text of `pyproject.toml` holds.

    Raises LinksError where it holds none.
    """
    repo, version = IN_PYPROJECT.search(pyproject), VERSION.search(pyproject)
    if repo is None or version is None:
        raise LinksError(
            "pyproject.toml has no version, or no address of the repository. Under "
            '[project.urls] it needs a line Repository = "https://github.com/owner/name".'
        )
    return Address(repo=repo[0], tag=f"v{version[1]}")


def title(notebook: NotebookNode) -> str:
    """Return a notebook's short title: "1 · The data" of "# 1 · The data: many images"."""
    return notebook.cells[0].source.split("\n")[0].removeprefix("# ").split(":")[0]


def write_links(
    notebook: NotebookNode, name: str, others: dict[str, str], address: Address
) -> None:
    """Write a notebook's links, in place.

    They stand in the paragraph under its title, in the set-up cell after that, and in a last
    cell. Those two are known by their ids and made where they are missing; no other cell, and
    no output, changes.

    Parameters
    ----------
    notebook : the notebook; its first cell is markdown and begins with the title.
    name : its file's name, such as "01_data.ipynb".
    others : the file names of the whole series in order, with their short titles.
    address : what the links point to.
    """
    way = f"*{_way(name, others)}*"
    first = notebook.cells[0]
    heading, *paragraphs = first.source.split("\n\n")
    if paragraphs and LINE_OF_LINKS.match(paragraphs[0]):
        del paragraphs[0]
    first.source = "\n\n".join([heading, f"{address.badges(name)} · {way}", *paragraphs])
    number = name.split("_")[0]
    set_up = _take_cell(notebook, f"{number}-set-up") or nbformat.v4.new_code_cell()
    set_up |= {"id": f"{number}-set-up", "source": address.set_up(), "metadata": COLLAPSED}
    last = _take_cell(notebook, f"{number}-navigation") or nbformat.v4.new_markdown_cell()
    last |= {"id": f"{number}-navigation", "source": way}
    notebook.cells = [first, set_up, *notebook.cells[1:], last]


def _way(name: str, others: dict[str, str]) -> str:
    names = list(others)
    place = names.index(name)
    steps = []
    if place > 0:
        steps.append(f"previous: [{others[names[place - 1]]}]({names[place - 1]})")
    if place + 1 < len(names):
        steps.append(f"next: [{others[names[place + 1]]}]({names[place + 1]})")
    return " · ".join(steps)


def _take_cell(notebook: NotebookNode, cell_id: str) -> NotebookNode | None:
    """Take the cell with this id out of the notebook and return it; None where there is none."""
    for place, cell in enumerate(notebook.cells):
        if cell.id == cell_id:
            return notebook.cells.pop(place)
    return None


def readme_links(titles: dict[str, str], address: Address) -> str:
    """Return the README's part with the addresses: the copy to bring, and a row a notebook."""
    rows = [f"| {title} | {address.badges(name)} |" for name, title in titles.items()]
    bring = f"git clone --branch {address.tag} {address.url}"
    return "\n".join([f"```\n{bring}\n```\n", "| notebook | open it |", "|---|---|", *rows, ""])


def write(root: Path, repo: str | None = None) -> list[Path]:
    """Write the address into every file under `root` that shows it; return those that changed.

    Raises LinksError for a `repo` that is not of the form owner/name.
    """
    pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
    if repo:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
            raise LinksError(f"{repo!r} is no address: write owner/name, as in ada/vae-course.")
        pyproject = IN_PYPROJECT.sub(repo, pyproject)
    address = read_address(pyproject)
    paths = sorted((root / "notebooks").glob("[0-9]*.ipynb"))
    notebooks = {path.name: nbformat.read(path, as_version=4) for path in paths}
    titles = {name: title(notebook) for name, notebook in notebooks.items()}
    texts = {"pyproject.toml": pyproject}
    for name, notebook in notebooks.items():
        write_links(notebook, name, titles, address)
        texts[f"notebooks/{name}"] = nbformat.writes(notebook) + "\n"
    readme = (root / "README.md").read_text(encoding="utf-8")
    texts["README.md"] = IN_README.sub(lambda _: readme_links(titles, address), readme)
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    citation = re.sub(r"(?<=^repository-code: ).*", address.url, citation, flags=re.MULTILINE)
    texts["CITATION.cff"] = re.sub(
        r"(?<=^version: ).*", address.tag[1:], citation, flags=re.MULTILINE
    )
    return [root / name for name, text in texts.items() if _changed(root / name, text)]


def _changed(path: Path, text: str) -> bool:
    """Write the text if the file holds another, and tell whether it did."""
    if path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8", newline="\n")
    return True


def main(repo: str | None) -> int:
    """Write the links, name the files that changed, and return the exit status."""
    try:
        changed = write(project_root(), repo)
    except LinksError as error:
        print(error, file=sys.stderr)
        return 1
    for path in changed:
        print(f"wrote {path.relative_to(project_root())}")
    print(f"{len(changed)} files changed.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
