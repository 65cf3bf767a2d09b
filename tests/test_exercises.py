"""Every exercise as a reader meets it: the empty stub, the folded solution, the usual mistakes."""

import re

import numpy as np
import pytest
import torch
from attempts import (
    EXERCISES,
    LONG_MISTAKES,
    MISTAKES,
    NOTEBOOKS,
    checker_call,
    written_out,
)

import vaelib
from vaelib.classifier.few_labels import Labels
from vaelib.exercises import Verdict, check_kl
from vaelib.latent import Posterior


@pytest.fixture(scope="module")
def surroundings(mnist):
    """What the notebooks have defined where the exercises stand; pixels' PCA for the latents."""
    train, test = mnist.train[:6000], mnist.test[:2000]
    rows = vaelib.to_pixels(train.images)
    middle = rows.mean(dim=0)
    _, _, axes = torch.linalg.svd(rows - middle, full_matrices=False)

    def posterior(split):
        mean = (vaelib.to_pixels(split.images) - middle) @ axes[:30].T / 2
        return Posterior(mean.numpy(), np.zeros((len(split), 30), dtype=np.float32))

    return {
        "mnist": mnist,
        "train": posterior(train),
        "test": posterior(test),
        "labels": Labels(train.labels, train.labels, test.labels),
    }


def verdict_on(name, attempt, surroundings):
    """Run an attempt in place of the stub, then the stub cell's call of its checker."""
    imports = EXERCISES[name][0]
    names = dict(surroundings)
    torch.manual_seed(0)
    exec(f"{imports}\n{attempt}", names)
    return eval(checker_call(name), names)


def test_there_are_two_to_four_exercises_a_notebook():
    for path in NOTEBOOKS:
        count = sum(name.startswith(path.stem[:2]) for name in EXERCISES)
        assert 2 <= count <= 4


@pytest.mark.parametrize("name", EXERCISES)
def test_an_empty_stub_is_told_not_yet(name, surroundings):
    _, stub, _ = EXERCISES[name]
    verdict = verdict_on(name, stub.partition("\n\n\n")[0], surroundings)
    assert verdict.passed is None
    assert repr(verdict).startswith("○ Not yet")


@pytest.mark.parametrize("name", EXERCISES)
def test_the_folded_solution_passes(name, surroundings):
    verdict = verdict_on(name, EXERCISES[name][2], surroundings)
    assert verdict.passed is True, verdict
    assert repr(verdict).startswith("✓ ")


@pytest.mark.parametrize(("name", "attempt", "hint"), MISTAKES + LONG_MISTAKES)
def test_a_usual_mistake_gets_its_own_hint(name, attempt, hint, surroundings):
    verdict = verdict_on(name, written_out(name, attempt), surroundings)
    assert verdict.passed is False
    assert re.search(hint, verdict.words), verdict


def test_every_exercise_knows_a_mistake():
    assert {name for name, *_ in MISTAKES + LONG_MISTAKES} == set(EXERCISES)


def test_hints_of_one_exercise_differ(surroundings):
    for exercise in EXERCISES:
        hints = {hint for name, _, hint in MISTAKES + LONG_MISTAKES if name == exercise}
        rows = [row for row in MISTAKES + LONG_MISTAKES if row[0] == exercise]
        assert len(hints) >= len(rows) - 2


def test_an_error_in_the_attempt_is_put_in_words():
    def my_kl(mean, log_variance):
        return mean @ log_variance

    verdict = check_kl(my_kl)
    assert verdict.passed is False
    assert "my_kl stopped with RuntimeError" in verdict.words


def test_an_answer_that_is_no_number_is_put_in_words():
    verdict = check_kl(lambda mean, log_variance: "thirty")
    assert "should be numbers, not str" in verdict.words


def test_a_wrong_number_that_is_no_usual_mistake_is_named():
    verdict = check_kl(lambda mean, log_variance: mean.sum(dim=1) * 7)
    assert "none of the usual slips" in verdict.words


def test_a_verdict_shows_as_its_words():
    assert repr(Verdict(False, "The sign.")) == "✗ The sign."
