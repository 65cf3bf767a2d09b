"""Timing codes against each other: in one process, in turns, medians."""

import statistics
import sys
import time
from collections.abc import Callable, Mapping

Numbers = dict[str, float]
Code = Callable[[], object]


def seconds_of(codes: Mapping[str, Code], rounds: int) -> Numbers:
    """Run all codes in turns (A B A B …), a first time to warm up; return each one's median.

    What disturbs the machine so disturbs all alike.
    """
    times: dict[str, list[float]] = {name: [] for name in codes}
    for turn in range(rounds + 1):
        for name, run in codes.items():
            began = time.perf_counter()
            run()
            seconds = time.perf_counter() - began
            if turn > 0:
                times[name].append(seconds)
            say(f"round {turn} of {rounds}: {name:40} {seconds:7.2f} s")
    return {name: statistics.median(values) for name, values in times.items()}


def say(text: str) -> None:
    """Tell how far a measurement has come, on stderr."""
    print(text, file=sys.stderr, flush=True)
