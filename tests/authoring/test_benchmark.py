"""The benchmark works, on few images; no time is asserted, since machines differ."""

import json
import math

from vaelib.authoring import benchmark


def test_small_benchmark_writes_its_numbers_and_its_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("VAELIB_FIGURES", str(tmp_path))
    benchmark.main(small=True)
    numbers = json.loads((tmp_path / "benchmark.json").read_text())
    assert {
        "epoch_vs_recipe_float32",
        "epoch_vs_recipe_best",
        "epoch_vs_pyro_float32",
        "epoch_vs_pyro_best",
        "epoch_vs_matmul_float32",
        "classifier_vs_original",
        "seconds_import",
    } <= numbers.keys()
    assert all(math.isfinite(value) and value > 0 for value in numbers.values())
    assert (tmp_path / "benchmark.png").stat().st_size > 10_000
    assert "classifier_vs_original" in capsys.readouterr().out


def test_what_the_notebooks_took_is_summed_up():
    numbers = benchmark.of_the_notebooks(
        {
            "01_data": {"seconds": 10.0, "peak_gb": 0.5, "cells": {"01-01": 2.0}},
            "02_vae": {"seconds": 20.0, "peak_gb": 0.7, "cells": {"02-20": 15.0}},
            "03_latent": {"seconds": 0.0, "peak_gb": None, "cells": {}},
        }
    )
    assert numbers["seconds_make_run"] == 30
    assert numbers["peak_gb_max"] == numbers["peak_gb_02_vae"] == 0.7
    assert "peak_gb_03_latent" not in numbers
    assert numbers["seconds_cell_02_20"] == 15
    assert "seconds_cell_01_01" not in numbers
