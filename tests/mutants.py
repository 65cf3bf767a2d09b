"""Change the numeric core in one place at a time and see whether the tests notice.

`python tests/mutants.py [function ...]` makes every mutant of the functions in CORE. One process
imports everything and runs the tests once, unchanged, which shows what functions each test calls.
For each mutant a fork of that process changes the function's code and runs the tests that call
it, the quickest first, up to the first that fails. Those mutants that no test kills are listed.
Each of them is either a hole in the tests or equivalent: it then stands in EQUIVALENT with the
reason why no number changes.
"""

import contextlib
import io
import itertools
import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path

from mutation import ROOMS, UNCHANGED, Mutant, function_of, mutants_of

ROOT = Path(__file__).parents[1]
# module → the functions to change; all, where there is none
CORE: dict[str, tuple[str, ...]] = {
    "objective": (),
    "graph": (),
    "sampling": ("fit", "noise_penalty", "noise_cost"),
    "logistic": ("fit_logistic_regression",),
    "backpropagation": (),
}
TESTS = [f"tests/test_{name}.py" for name in (*CORE, "properties", "stand_in_device")]
WORKERS = 2
SECONDS = 60  # of computing, for one mutant: one that never ends is noticed, too
PATIENCE = 600  # seconds by the clock, after which a mutant counts as not tried
SURVIVED, KILLED, BROKEN = range(3)  # how a fork ends
# module, function, the change → why it changes no number
EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        "objective",
        "log_importance_weights",
        "log_likelihood.cpu().double() → log_likelihood.cpu()",
    ): ("the other term is float64, and so is their sum"),
    (
        "objective",
        "log_importance_weights",
        "log_prior_ratio.cpu().double() → log_prior_ratio.cpu()",
    ): ("the other term is float64, and so is their sum"),
    ("objective", "log_importance_weights", "True → False in strict=True"): (
        "a model encodes each image once: no sequence is shorter"
    ),
    ("objective", "log_importance_weights", "500 → 501"): (
        "decides the memory, not the weights, as a test with two chunks shows"
    ),
    ("objective", "log_importance_weights", "500 → 499"): "the same",
    (
        "graph",
        "neighbour_graph",
        "np.clip(1 - values[order], 0, None).astype(np.float32) → "
        "np.clip(1 - values[order], 0, None)",
    ): "the eigenvalues of a float32 matrix are float32 already",
    (
        "graph",
        "neighbour_graph",
        "np.random.default_rng(0).standard_normal(len(features)).astype(np.float32) → "
        "np.random.default_rng(0).standard_normal(len(features))",
    ): "eigsh turns its start into the matrix's type",
    (
        "graph",
        "neighbour_graph",
        "(scale @ links @ scale).astype(np.float32) → scale @ links @ scale",
    ): "float32 halves the memory; the modes are the same within TOLERANCE, and kept as float32",
    ("graph", "neighbour_graph", "0 → 1 in np.random.default_rng(0)"): (
        "another start, from which eigsh finds the same modes within TOLERANCE"
    ),
    ("graph", "link_neighbours", "0 → 1 in np.random.default_rng(0)"): (
        "another ring, as faint: which one is no law, only that it is the same every time"
    ),
    ("graph", "spread_labels", "1e-06 → 1.2499999999999999e-06 in flowed.clamp_min(1e-06)"): (
        "makes heat positive, as the balance needs; far below what decides for a class"
    ),
    (
        "graph",
        "spread_labels",
        "(share @ modes.T).T / root_degree → (share @ modes.T).T * root_degree",
    ): "a factor of an image's row, which the balance takes out again",
    ("graph", "spread_labels", "float(graph.rates[n_classes - 1]) → graph.rates[n_classes - 1]"): (
        "a numpy scalar divides as a float does"
    ),
    ("graph", "_gaussian", "1e-12 → 1.25e-12 in np.maximum(distances[:, -1:], 1e-12)"): (
        "keeps 0 / 0 away where all neighbours are copies: their distances are 0 either way"
    ),
    (
        "graph",
        "spread_labels",
        "0 <= chosen.min() <= chosen.max() < n → 0 <= chosen.min() < chosen.max() < n",
    ): "two classes or more need two rows or more, and no row may come twice",
    ("sampling", "noise_cost", "float(np.mean(drawn)) → np.mean(drawn)"): (
        "numpy's float64 is a float"
    ),
    **{
        ("logistic", "fit_logistic_regression", change): reason
        for reason, changes in {
            "where the numbers lie in memory": (
                "weight.contiguous() → weight",
                "F.one_hot(labels).float().T.contiguous() → F.one_hot(labels).float().T",
            ),
            "torch turns the whole numbers 0 and 1 into floats where it multiplies": (
                "F.one_hot(labels).float() → F.one_hot(labels)",
            ),
            "scipy turns what it is given into float64": (
                "loss.item() → loss",
                "(slope @ scale.T).double().numpy() → (slope @ scale.T).double()",
                "(slope @ scale.T).double() → slope @ scale.T",
            ),
            "both are cut at the same rows": ("True → False in strict=True",),
        }.items()
        for change in changes
    },
    **{
        (
            "backpropagation",
            "WrittenOut._layers",
            change,
        ): "four layers have four weights and biases"
        for change in ("True → False in strict=True", "True → False in strict=True (2)")
    },
}


class Trial:
    """A pytest plugin that runs the collected tests on each mutant, rather than once."""

    def __init__(self, mutants: list[Mutant]) -> None:
        self.mutants = mutants
        self.failures: list[str] = []
        self.callers: dict[object, list[object]] = {}  # a function's code → the tests that call it
        self.outcomes: list[tuple[Mutant, int]] = []

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failures.append(f"{report.nodeid} ({report.when})\n{report.longrepr}")

    def pytest_collectreport(self, report):
        if report.failed:
            self.failures.append(str(report.longrepr))

    def pytest_runtestloop(self, session):
        """Run the tests without a change, then those that matter on each mutant."""
        if self.failures:
            return True
        self._run_unchanged(session.items)
        running: dict[int, Mutant] = {}
        waiting = [] if self.failures else self.mutants[::-1]
        while waiting or running:
            while waiting and len(running) < WORKERS:
                mutant = waiting.pop()
                running[self._fork(mutant)] = mutant
            child, status = os.wait()
            if child in running:  # a test may have left processes of its own
                self._note(running.pop(child), status)
        return True

    def _run_unchanged(self, items: list) -> None:
        """Run every test once and remember which functions it calls, in order of time."""
        taken = []
        for item in items:
            elsewhere = next(other for other in items if other.path != item.path)
            called: set[object] = set()
            began = time.perf_counter()
            sys.setprofile(lambda frame, event, _, called=called: called.add(frame.f_code))
            # with a next test of another file, what fixtures made for this file is made anew
            with contextlib.redirect_stdout(io.StringIO()):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=elsewhere)
            sys.setprofile(None)
            taken.append((time.perf_counter() - began, item, called))
        for _, item, called in sorted(taken, key=lambda row: row[0]):
            for code in called:
                self.callers.setdefault(code, []).append(item)

    def _fork(self, mutant: Mutant) -> int:
        child = os.fork()
        if child:
            return child
        status = BROKEN
        try:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(PATIENCE)
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 1)
            status = self._try(mutant)
        except BaseException as error:
            print(f"{mutant.function}: {mutant.change}: {error!r}", file=sys.stderr)
        finally:
            os._exit(status)

    def _try(self, mutant: Mutant) -> int:
        room = f"vaelib.{ROOMS[mutant.module]}.{mutant.module}"
        function = function_of(import_module(room), mutant.function)
        items = self.callers.get(function.__code__, [])
        mutant.take_effect()
        for item, following in itertools.pairwise([*items, None]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failures:
                return KILLED
        return SURVIVED

    def _note(self, mutant: Mutant, status: int) -> None:
        endless = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
        outcome = os.WEXITSTATUS(status) if os.WIFEXITED(status) else BROKEN
        self.outcomes.append((mutant, KILLED if endless else outcome))


def main(functions: list[str]) -> int:
    """Try all mutants, print those that survive unexplained, and return how many did.

    `functions` are the names of those to be changed; all, where there is none.
    """
    began = time.monotonic()
    os.chdir(ROOT)
    os.environ["OMP_NUM_THREADS"] = "1"  # a fork must not inherit half a pool of threads
    chosen = [m for module, names in CORE.items() for m in mutants_of(module, names)]
    chosen = [m for m in chosen if not functions or m.function in functions]
    trial = Trial(chosen)
    _run_pytest(trial)
    if trial.failures:
        print("Tests fail without any change:", *trial.failures, sep="\n\n")
        return len(trial.failures)
    changed = [row for row in trial.outcomes if row[0].change != UNCHANGED]
    survivors = [mutant for mutant, outcome in changed if outcome == SURVIVED]
    wrong = [f"SURVIVED {_name(m)}" for m in survivors if m[:3] not in EQUIVALENT]
    wrong += [f"COULD NOT BE TRIED {_name(m)}" for m, end in trial.outcomes if end == BROKEN]
    wrong += [
        f"KILLED WITHOUT ANY CHANGE {_name(mutant)}"
        for mutant, outcome in trial.outcomes
        if mutant.change == UNCHANGED and outcome == KILLED
    ]
    tried = {mutant.function for mutant in chosen}
    expected = {key for key in EQUIVALENT if key[1] in tried or not functions}
    stale = expected - {mutant[:3] for mutant in survivors}
    wrong += [f"LISTED AS EQUIVALENT, BUT KILLED OR GONE {key}" for key in sorted(stale)]
    print(
        *wrong,
        f"{len(changed)} mutants, {len(survivors)} survived, {len(expected - stale)} of them "
        f"equivalent, {time.monotonic() - began:.0f} s",
        sep="\n",
    )
    return len(wrong)


def _name(mutant: Mutant) -> str:
    return f"{mutant.module}.py:{mutant.line} {mutant.function}: {mutant.change}"


def _run_pytest(trial: Trial) -> None:
    import pytest

    options = ["-p", "no:terminal", "-p", "no:cacheprovider", "--capture=no", "--timeout=0"]
    pytest.main([*options, "--hypothesis-profile=mutants", *TESTS], plugins=[trial])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
