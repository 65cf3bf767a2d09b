"""The benchmark works, on few images; no time is asserted, since machines differ."""

import json
import math

import pytest

from vaelib.authoring import benchmark, rivals


def test_small_benchmark_writes_its_numbers_and_its_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("VAELIB_FIGURES", str(tmp_path))
    # they are run by test_controls.py
    monkeypatch.setattr(benchmark.controls, "measure", lambda *_: {"accuracy_of_a_control": 0.5})
    benchmark.main(small=True)
    numbers = json.loads((tmp_path / "benchmark.json").read_text())
    assert {
        "epoch_vs_recipe_float32",
        "epoch_vs_recipe_best",
        "epoch_vs_pyro_float32",
        "epoch_vs_pyro_best",
        "epoch_vs_matmul_float32",
        "seconds_import",
        "time_to_original_quality_best",
        "time_to_recipe_quality_float32",
        "elbo_test_at_original_quality_float32",
        "growth_neighbours",
        "seconds_scale_clusters_half",
        "recall_faiss",
        *(f"accuracy_10_labels_{name}_mean" for name in methods()),
        *(f"seconds_draw_{name}" for name in methods()),
        "accuracy_of_a_control",
    } <= numbers.keys()
    assert ("spreading_vs_poisson_mbo" in numbers) == rivals.graphlearning_is_installed()
    shares = {name for name in numbers if name.endswith("_failures")}
    assert len(shares) == len(methods())
    assert all(0 <= numbers[name] <= 1 for name in shares)
    elbos = {name for name in numbers if name.startswith("elbo_")}
    assert all(numbers[name] < 0 for name in elbos)
    positive = [value for name, value in numbers.items() if name not in shares | elbos]
    assert all(math.isfinite(value) and value > 0 for value in positive)
    assert 0.9 < numbers["recall_faiss"] <= 1
    benchmark.draw(
        numbers | {"seconds_original_one_epoch_times_31": 9, "seconds_recipe_one_epoch_times_10": 9}
    )
    assert (tmp_path / "benchmark.png").stat().st_size > 10_000
    assert "time_to_recipe_quality_best" in capsys.readouterr().out


def methods():
    of_others = rivals.RIVALS if rivals.graphlearning_is_installed() else ()
    return ["ours", "sklearn_label_spreading", *of_others]


def test_rivals_alone_leave_the_other_numbers_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_FIGURES", str(tmp_path))
    monkeypatch.setattr(rivals, "graphlearning_is_installed", lambda: False)
    (tmp_path / "benchmark.json").write_text('{"seconds_import": 0.5, "seconds_draw_ours": -1}')
    benchmark.main(small=True, only=("rivals",))
    numbers = json.loads((tmp_path / "benchmark.json").read_text())
    assert numbers["seconds_import"] == 0.5
    assert numbers["seconds_draw_ours"] > 0
    assert not any(name.endswith("_laplace_mean") for name in numbers)
    assert {path.name for path in tmp_path.iterdir()} == {"benchmark.json"}


def test_nothing_is_measured_in_full_without_the_rivals(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_FIGURES", str(tmp_path))
    monkeypatch.setattr(rivals, "graphlearning_is_installed", lambda: False)
    with pytest.raises(SystemExit, match="graphlearning"):
        benchmark.main(small=False)
    assert list(tmp_path.iterdir()) == []


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


def test_a_ratio_does_not_outlive_the_measurement_that_gives_none(tmp_path, monkeypatch):
    """Where ours is not as good any more, the seconds are new and no ratio stands beside them."""
    monkeypatch.setenv("VAELIB_FIGURES", str(tmp_path))
    monkeypatch.setitem(benchmark.PARTS, "quality", lambda *_: {"seconds_original": 2.0})
    file = tmp_path / "benchmark.json"
    file.write_text('{"time_to_original_quality_best": 15, "seconds_import": 0.5}')
    benchmark.main(small=False, only=("quality",))
    assert json.loads(file.read_text()) == {"seconds_import": 0.5, "seconds_original": 2.0}
    assert [path.name for path in tmp_path.iterdir()] == ["benchmark.json"]  # and no picture
