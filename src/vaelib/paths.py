"""Where things stand on disk: the data, the trained models, the figures."""

import os
from pathlib import Path


def project_root() -> Path:
    """Return the folder that holds `notebooks/` and `data/`.

    It is looked for from the working directory upwards, then beside the package's source, so
    that a notebook finds it wherever Jupyter was started. Without one (an installed package,
    an empty folder) it is the working directory.
    """
    here = Path.cwd()
    for folder in [here, *here.parents, Path(__file__).resolve().parents[2]]:
        if (folder / "pyproject.toml").is_file() and (folder / "notebooks").is_dir():
            return folder
    return here


def data_folder() -> Path:
    """Return the folder of the archives: `data/`, or the variable `VAELIB_DATA`."""
    return Path(os.environ.get("VAELIB_DATA") or project_root() / "data")


def runs_folder() -> Path:
    """Return the folder of trained models: `data/runs/`, or the variable `VAELIB_RUNS`."""
    return Path(os.environ.get("VAELIB_RUNS") or project_root() / "data" / "runs")


def figures_folder() -> Path:
    """Return the folder of pictures and `metrics.json`: `figures/`, or `VAELIB_FIGURES`."""
    return Path(os.environ.get("VAELIB_FIGURES") or project_root() / "figures")
