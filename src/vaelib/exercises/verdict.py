"""What a checker says, and how it gets there: attempts, usual mistakes, hints."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import Tensor

NOT_YET = "Not yet: the stub is still empty. Fill it in and run the cell again."


class Hint(Exception):  # noqa: N818 (it is advice, not an error)
    """The attempt is wrong; the text says how, and where to look."""


class Empty(Exception):  # noqa: N818
    """The stub has not been filled in."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check: `passed` is None while the stub is empty; `words` say why."""

    passed: bool | None
    words: str

    def __repr__(self) -> str:
        sign = {None: "○", False: "✗", True: "✓"}[self.passed]
        return f"{sign} {self.words}"


def checker(check: Callable[..., str]) -> Callable[..., Verdict]:
    """Turn a check that returns praise, or raises `Hint` or `Empty`, into one with a verdict."""

    @wraps(check)
    def verdict(*arguments: object) -> Verdict:
        try:
            return Verdict(True, check(*arguments))
        except Empty:
            return Verdict(None, NOT_YET)
        except Hint as hint:
            return Verdict(False, str(hint))

    return verdict


def attempt(function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
    """Call the reader's function. Raises Empty for no answer, Hint where it stops with an error."""
    try:
        answer = function(*arguments)
    except Exception as error:
        raise Hint(
            f"{function.__name__} stopped with {type(error).__name__}: {error} "
            "Call it by itself in a new cell to see the line."
        ) from error
    if answer is None or answer is Ellipsis:
        raise Empty
    return answer


def compare(
    answer: object, right: Tensor, mistakes: Mapping[str, Tensor], tolerance: float
) -> None:
    """Return where the answer is right; else raise the hint of the mistake whose value it has.

    `mistakes` maps each hint to what the answer would be. Where none fits, the hint names the
    shape or the numbers.
    """
    found, right = as_tensor(answer), right.detach()
    if _close(found, right, tolerance):
        return
    for hint, wrong in mistakes.items():
        if _close(found, wrong.detach(), tolerance):
            raise Hint(hint)
    if not torch.isfinite(found.double()).all():
        raise Hint(
            "There are values that are not finite numbers: a logarithm or exponential ran over."
        )
    if found.shape != right.shape:
        raise Hint(f"The shape is {tuple(found.shape)}, and should be {tuple(right.shape)}.")
    first = tuple(int(i) for i in (found.double() - right.double()).abs().flatten().argmax()[None])
    raise Hint(
        f"The shape is right, the numbers are not: one is {found.flatten()[first].item():.4g} and "
        f"should be {right.flatten()[first].item():.4g}. It is none of the usual slips."
    )


def as_tensor(answer: object) -> Tensor:
    """Return the answer as a tensor on the CPU. Raises Hint for what is no array of numbers."""
    try:
        if isinstance(answer, Tensor):
            return answer.detach().cpu()
        return torch.as_tensor(np.asarray(answer))
    except (TypeError, ValueError) as error:
        raise Hint(f"The answer should be numbers, not {type(answer).__name__}.") from error


def _close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    return found.shape == expected.shape and torch.allclose(
        found.double(), expected.double(), rtol=tolerance, atol=tolerance, equal_nan=True
    )
