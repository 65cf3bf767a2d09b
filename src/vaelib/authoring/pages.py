"""Bring README, notebooks and citation up to date: `make links`, and at the end of `make run`.

The repository's address and its version stand in `pyproject.toml`. From there they go into every
badge, way to the next notebook and set-up cell; all open the version's tag, as a moving branch
would one day hold a notebook that its reader does not know. The README's numbers come from
`figures/`: each stands behind a comment that names it and its format, as in
`<!-- elbo_test .1f -->−102.7`. With owner/name as an argument, the address is changed first.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import nbformat
from nbformat import NotebookNode

from vaelib._machine.files import project_root, write_atomically

REPOSITORY = re.compile(r'(?<=Repository = "https://github\.com/)[\w.-]+/[\w.-]+(?=")')
VERSION = re.compile(r'^version = "(.+)"$', re.MULTILINE)
README_LINKS = re.compile(r"(?<=<!-- links -->\n).*?(?=<!-- end of links -->)", re.DOTALL)
LINE_OF_LINKS = re.compile(r"\[!\[|\*(previous|next):")  # how that paragraph begins
NUMBER = re.compile(r"<!-- (?P<name>\w+) (?P<format>[.\w%,]+) -->[−\d.,]*(?: %)?")
SET_UP = """\
# @title Set-up: brings vaelib and its data where they are missing, and does nothing elsewhere
from importlib.util import find_spec

if find_spec("vaelib") is None:
    %pip install -qq --no-deps git+{url}@{tag}
import vaelib  # it is not there? pip says above why; on Kaggle, switch the internet on\
"""
COLLAPSED = {"cellView": "form", "jupyter": {"source_hidden": True}}  # Colab; JupyterLab


class PagesError(ValueError):
    """A page cannot be brought up to date; the message says what to do."""


@dataclass(frozen=True)
class Address:
    """Where the repository is: `repo` is owner/name on GitHub, `tag` the release to open."""

    repo: str
    tag: str

    @property
    def url(self) -> str:
        """The repository's page."""
        return f"https://github.com/{self.repo}"

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


def read_address(pyproject: str) -> Address:
    """Return the address that the text of `pyproject.toml` holds, or raise PagesError."""
    repo, version = REPOSITORY.search(pyproject), VERSION.search(pyproject)
    if repo is None or version is None:
        raise PagesError(
            "pyproject.toml has no version, or no address of the repository. Under "
            '[project.urls] it needs a line Repository = "https://github.com/owner/name".'
        )
    return Address(repo=repo[0], tag=f"v{version[1]}")


def with_links(notebook: NotebookNode, badges: str, way: str, address: Address) -> str:
    """Return a notebook's text with its links under the title, its set-up cell and its last cell.

    Those two cells are known by their ids, and made where they are missing.
    """
    first, *others = notebook.cells
    number = first.id.split("-")[0]
    set_up, last = f"{number}-set-up", f"{number}-navigation"
    kept = {cell.id: cell for cell in others}
    code = kept.pop(set_up, nbformat.v4.new_code_cell())
    code |= {"id": set_up, "metadata": COLLAPSED}
    code["source"] = SET_UP.format(url=address.url, tag=address.tag)
    end = kept.pop(last, nbformat.v4.new_markdown_cell())
    end |= {"id": last, "source": way}
    heading, *paragraphs = first.source.split("\n\n")
    if paragraphs and LINE_OF_LINKS.match(paragraphs[0]):
        del paragraphs[0]
    first.source = "\n\n".join([heading, f"{badges} · {way}", *paragraphs])
    notebook.cells = [first, code, *kept.values(), end]
    return nbformat.writes(notebook) + "\n"


def with_numbers(text: str, numbers: dict[str, float]) -> str:
    """Return the text with every quoted number as measured; PagesError names one that was not."""

    def quote(match: re.Match[str]) -> str:
        name, form = match["name"], match["format"]
        if name not in numbers:
            raise PagesError(
                f"README.md quotes {name}, which was not measured: make run, or bench."
            )
        number = format(numbers[name], form).replace("-", "−").replace("%", " %")
        return f"<!-- {name} {form} -->{number}"

    return NUMBER.sub(quote, text)


def pages(root: Path, repo: str | None = None) -> dict[Path, str]:
    """Return every page under `root` as it should be, with the address `repo`, or the one it has.

    Raises PagesError for a `repo` that is not of the form owner/name.
    """
    texts = {
        name: (root / name).read_text(encoding="utf-8")
        for name in ("pyproject.toml", "README.md", "CITATION.cff")
    }
    if repo:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
            raise PagesError(f"{repo!r} is no address: write owner/name, as in ada/vae-course.")
        texts["pyproject.toml"] = REPOSITORY.sub(repo, texts["pyproject.toml"])
    address = read_address(texts["pyproject.toml"])
    paths = sorted((root / "notebooks").glob("[0-9]*.ipynb"))
    notebooks = {path.name: nbformat.read(path, as_version=4) for path in paths}
    names, rows = list(notebooks), []
    # "1 · The data" of "# 1 · The data: many images"
    titles = [
        re.match("# (.+?)(:|$)", n.cells[0].source, re.MULTILINE)[1] for n in notebooks.values()
    ]
    links = [f"[{title}]({name})" for title, name in zip(titles, names, strict=True)]
    for place, name in enumerate(names):
        before = [f"previous: {link}" for link in links[:place][-1:]]
        way = " · ".join(before + [f"next: {link}" for link in links[place + 1 :][:1]])
        badges = address.badges(name)
        texts[f"notebooks/{name}"] = with_links(notebooks[name], badges, f"*{way}*", address)
        rows.append(f"| {titles[place]} | {badges} |\n")
    table = "".join(["| notebook | open it |\n|---|---|\n", *rows])
    bring = f"```\ngit clone --branch {address.tag} {address.url}\n```\n\n{table}"
    files = sorted((root / "figures").glob("*.json"))
    numbers = {
        name: value for file in files for name, value in json.loads(file.read_text()).items()
    }
    texts["README.md"] = with_numbers(
        README_LINKS.sub(lambda _: bring, texts["README.md"]), numbers
    )
    for key, value in (("repository-code", address.url), ("version", address.tag[1:])):
        line = re.compile(f"(?<=^{key}: ).*", re.MULTILINE)
        texts["CITATION.cff"] = line.sub(value, texts["CITATION.cff"])
    return {root / name: text for name, text in texts.items()}


def main(repo: str | None = None) -> int:
    """Write the pages that are not up to date, name them, and return the exit status."""
    root = project_root()
    try:
        texts = pages(root, repo)
    except PagesError as error:
        print(error, file=sys.stderr)
        return 1
    for path, text in texts.items():
        if path.read_text(encoding="utf-8") != text:
            write_atomically(path, text.encode())
            print(f"wrote {path.relative_to(root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
