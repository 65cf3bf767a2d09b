"""A square to draw a digit on with the mouse or a finger, and how the drawing comes back.

The pad is a canvas of 28 × 28 dots, enlarged. When a stroke ends, its ink goes as text into the
hidden text field beside it, which is how a page talks to the kernel without a plug-in.
"""

import torch
from torch import Tensor

from vaelib.data.images import IMAGE_SHAPE, N_PIXELS

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
