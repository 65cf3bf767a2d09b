"""Every exercise as a reader meets it: the empty stub, the folded solution, the usual mistakes."""

import ast
import re
from collections import Counter

import pytest
import torch
from attempts import EXERCISES, MISTAKES, NOTEBOOKS, checker_call, written_out
from torch.distributions import Normal

import vaelib
from vaelib.exercises import Verdict, check_kl

ATTEMPTS = [(name, *pair) for name, attempts in MISTAKES.items() for pair in attempts.items()]


@pytest.fixture(scope="module")
def surroundings(mnist):
    """What the notebooks have defined where the exercises stand; pixels' PCA for the latents."""
    train, test = mnist.train[:6000], mnist.test[:2000]
    rows = vaelib.to_pixels(train.images)
    middle = rows.mean(dim=0)
    _, _, axes = torch.linalg.svd(rows - middle, full_matrices=False)

    def posterior(split):
        return Normal((vaelib.to_pixels(split.images) - middle) @ axes[:30].T / 2, 1.0)

    return {
        "mnist": mnist,
        "z": {"train": posterior(train), "test": posterior(test)},
        "labels": {"train": train.labels, "test": test.labels},
    }


def verdict_on(name, attempt, surroundings):
    """Run an attempt in place of the stub, then the stub cell's call of its checker."""
    imports = EXERCISES[name][0]
    names = dict(surroundings)
    torch.manual_seed(0)
    *before, call = ast.parse(checker_call(name)).body
    exec(f"{imports}\n{attempt}\n" + "\n".join(map(ast.unparse, before)), names)
    return eval(ast.unparse(call), names)


def test_there_are_two_to_four_exercises_a_notebook_and_each_knows_mistakes():
    counts = Counter(name[:2] for name in EXERCISES)
    assert set(counts) == {path.stem[:2] for path in NOTEBOOKS}
    assert set(counts.values()) <= {2, 3, 4}
    assert EXERCISES.keys() == MISTAKES.keys()


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


@pytest.mark.parametrize(("name", "attempt", "hint"), ATTEMPTS)
def test_a_usual_mistake_gets_its_own_hint(name, attempt, hint, surroundings):
    verdict = verdict_on(name, written_out(name, attempt), surroundings)
    assert verdict.passed is False
    assert re.search(hint, verdict.words), verdict


def test_hints_of_one_exercise_differ():
    for attempts in MISTAKES.values():
        assert len(set(attempts.values())) >= len(attempts) - 1


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (lambda mean, log_variance: mean @ log_variance, "<lambda> stopped with RuntimeError"),
        (lambda mean, log_variance: "thirty", "should be numbers, not str"),
        (lambda mean, log_variance: mean.sum(dim=1) * 7, "none of the usual slips"),
        (lambda mean, log_variance: mean.sum(dim=1).log(), "not finite numbers"),
    ],
)
def test_any_other_answer_is_put_in_words(attempt, words):
    verdict = check_kl(attempt)
    assert verdict.passed is False
    assert words in verdict.words


def test_a_verdict_shows_as_its_words():
    assert repr(Verdict(False, "The sign.")) == "✗ The sign."
