"""Write the README's numbers from `figures/metrics.json`: `python -m vaelib.readme`.

A number in the README stands behind a comment that names it and its format, as in
`<!-- elbo_test .1f -->−102.7`. Nobody types the number; `make run` does.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from vaelib._machine.files import figures_folder, project_root, write_atomically

QUOTE = re.compile(r"<!-- (?P<name>\w+) (?P<format>[.\w%,]+) -->[−\d.,]*(?: %)?")


def with_current_numbers(text: str, metrics: Mapping[str, float]) -> str:
    """Return the text with every quoted number as it is in `metrics`.

    Raises KeyError for a name that is not there.
    """

    def quote(match: re.Match[str]) -> str:
        number = format(metrics[match["name"]], match["format"])
        number = number.replace("-", "−").replace("%", " %")
        return f"<!-- {match['name']} {match['format']} -->{number}"

    return QUOTE.sub(quote, text)


def main(readme: Path, metrics: Path) -> None:
    """Bring the README up to date."""
    text = readme.read_text(encoding="utf-8")
    write_atomically(readme, with_current_numbers(text, json.loads(metrics.read_text())).encode())


if __name__ == "__main__":
    main(project_root() / "README.md", figures_folder() / "metrics.json")
