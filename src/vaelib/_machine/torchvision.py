"""Import torchvision's data sets, also where its compiled part does not match torch's build.

A CPU build of torch beside torchvision's usual wheel fails with "operator torchvision::nms does
not exist": torchvision registers shape functions for detection operators that its compiled part,
which could not be loaded, would have declared. The data sets need none of them. Declaring the
operators' signatures, without any implementation, lets the import through.
"""

import sys
from types import ModuleType

import torch

_SIGNATURES = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[torch.library.Library] = []  # a declaration lives as long as its Library


def import_datasets() -> ModuleType:
    """Return the module `torchvision.datasets`."""
    try:
        import torchvision.datasets
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]  # what the failed import left half made
        _declare_missing_operators()
        import torchvision.datasets
    return torchvision.datasets


def _declare_missing_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    _declared.append(library)
    for signature in _SIGNATURES:
        if not hasattr(torch.ops.torchvision, signature.split("(")[0]):
            library.define(signature)
