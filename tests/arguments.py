"""Arguments of any shape and type, as hypothesis draws them, and what a function makes of them.

Whether an argument is valid is decided by the tests, by its definition, and not by the library:
where it is valid the function must answer, and rightly; where it is not, a ValueError must say so.
"""

import math

import hypothesis.extra.numpy as hnp
import numpy as np
import torch
from hypothesis import strategies as st

DTYPES = st.sampled_from([np.float32, np.float32, np.float64, np.uint8, np.int64, np.bool_])
SHAPES = st.one_of(
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
FLOATS = st.one_of(
    st.floats(-30, 30, width=32),
    st.floats(0, 1, width=32),
    st.sampled_from([0, 1, math.nan, math.inf, -math.inf]),
)


@st.composite
def tensors(draw, shapes=SHAPES, dtypes=DTYPES, elements=FLOATS):
    """Tensors; `elements` are those of floats."""
    dtype = draw(dtypes)
    elements = elements if np.issubdtype(dtype, np.floating) else None
    return torch.from_numpy(np.asarray(draw(hnp.arrays(dtype, draw(shapes), elements=elements))))


@st.composite
def pairs(draw, elements=FLOATS):
    """Two tensors, most of them of one shape and type; `elements` are those of the second."""
    first = draw(tensors())
    shape, dtype = st.just(tuple(first.shape)), st.just(first.numpy().dtype)
    return first, draw(st.one_of(*[tensors(shape, dtype, elements)] * 3, tensors()))


def matrices(first, second):
    """Whether two tensors are floats of one shape (B, ·)."""
    return (
        first.ndim == 2
        and first.shape == second.shape
        and bool(first.is_floating_point() and second.is_floating_point())
    )


def outcome(function, *arguments):
    """Return the result and no error, or no result and an error, which must be a sentence."""
    try:
        return function(*arguments), None
    except ValueError as error:
        assert len(str(error)) > 25
        return None, error
