"""A square to draw a digit on with the mouse or a finger, and what becomes of the drawing.

The pad is a canvas of 28 × 28 dots, enlarged. When a stroke ends, its ink goes as text into the
hidden text field beside it, which is how a page talks to the kernel without a plug-in.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vaelib.data import IMAGE_SHAPE, N_PIXELS

BOX = 20  # MNIST's digits were scaled to fit 20 × 20 and set with their ink's middle in the centre

_POINT = "const k=28/this.clientWidth,x=event.offsetX*k,y=event.offsetY*k,g=this.getContext('2d');"
_STROKE = (
    _POINT + "if(event.buttons!==1){this.at=null;return}"
    "g.lineWidth=2.2;g.lineCap='round';g.strokeStyle='black';g.beginPath();"
    "const p=this.at||[x,y];g.moveTo(p[0],p[1]);g.lineTo(x,y+0.01);g.stroke();this.at=[x,y];"
)
_SEND = (
    "this.at=null;const d=this.getContext('2d').getImageData(0,0,28,28).data;let t='';"
    "for(let i=3;i<d.length;i+=4)t+=d[i].toString(16).padStart(2,'0');"
    "const f=this.closest('.vaelib-pad').querySelector('textarea');f.value=t;"
    "for(const n of ['input','change'])f.dispatchEvent(new Event(n,{bubbles:true}));"
)
_CLEAR = (
    "const c=this.parentElement.querySelector('canvas');c.getContext('2d').clearRect(0,0,28,28);"
)
DRAWING_PAD = (
    '<div><p style="margin:4px 0">or draw one here:</p>'
    '<canvas width="28" height="28" aria-label="a square to draw a digit on" '
    'style="width:196px;height:196px;background:white;border:1px solid #999;'
    'touch-action:none;cursor:crosshair;image-rendering:pixelated" '
    f'onpointerdown="{_STROKE}" onpointermove="{_STROKE}" onpointerup="{_SEND}"></canvas><br>'
    f'<button style="margin-top:4px" onclick="{_CLEAR}">clear</button></div>'
)


def ink_from_text(text: str) -> Tensor:
    """Return the ink that the pad has sent, two hexadecimal digits a dot: uint8 (28, 28).

    Raises ValueError for a text that is not such.
    """
    if len(text) != 2 * N_PIXELS:
        raise ValueError(f"A drawing has {2 * N_PIXELS} hexadecimal digits, not {len(text)}.")
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8).view(IMAGE_SHAPE)


def centred(ink: Tensor) -> Tensor:
    """Scale and place a drawing as MNIST's digits were: uint8 (28, 28), same out.

    The longer side of the ink becomes 20 dots, and the middle of its mass the image's middle. An
    empty drawing stays empty.
    """
    rows, columns = ink.any(dim=1).nonzero(), ink.any(dim=0).nonzero()
    if not len(rows):
        return ink
    part = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].numpy()
    scale = BOX / max(part.shape)
    size = [max(1, round(side * scale)) for side in reversed(part.shape)]
    digit = np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BILINEAR))
    middles = [
        (digit.sum(axis=1 - axis) @ np.arange(digit.shape[axis])) / max(digit.sum(), 1)
        for axis in (0, 1)
    ]
    result = np.zeros(IMAGE_SHAPE, dtype=np.uint8)
    top, left = (
        int(np.clip(round(13.5 - middle), 0, 28 - side))
        for middle, side in zip(middles, digit.shape, strict=True)
    )
    result[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return torch.from_numpy(result)
