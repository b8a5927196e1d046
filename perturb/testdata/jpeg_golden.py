"""Make the golden pictures of the jpeg family: what libjpeg-turbo really does to a picture.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 pillow==13.0.0
    venv/bin/python jpeg_golden.py

Writes jpeg_HxW.png (the input: gradients, edges, texture, saturated colours) and jpeg_HxW_qQ.png (after JPEG at quality Q,
4:2:0, baseline). Pillow 13.0.0 bundles libjpeg-turbo; its version is printed.
"""
import io

import numpy as np
from PIL import Image, features

print("pillow", Image.__version__, "libjpeg-turbo", features.version("libjpeg_turbo"))


def picture(h, w):
    rng = np.random.default_rng(h * 1000 + w)
    y, x = np.mgrid[0:h, 0:w].astype(float)
    r = 128 + 90 * np.sin(x / 17) * np.cos(y / 23)
    g = 255 * x / w
    b = 255 * y / h
    out = np.stack([r, g, b], -1)
    disc = (x - w / 2) ** 2 + (y - h / 2) ** 2 < (min(h, w) / 3) ** 2
    out[disc] = out[disc][:, ::-1] * .6 + [70, 40, 20]           # an edge through all three channels
    out[h // 8 : h // 4, w // 2 :] = [250, 5, 5]                 # saturated colour with straight edges
    out += rng.normal(0, 6, out.shape) + rng.normal(0, 10, (h, w, 1))  # grain in colour and in luma
    return np.clip(out + .5, 0, 255).astype(np.uint8)


for h, w in [(256, 256), (61, 75), (16, 16), (17, 40)]:
    source = Image.fromarray(picture(h, w))
    source.save(f"jpeg_{h}x{w}.png", optimize=True)
    for q in (90, 75, 60, 40, 25):
        data = io.BytesIO()
        source.save(data, "JPEG", quality=q, subsampling="4:2:0")
        Image.open(data).convert("RGB").save(f"jpeg_{h}x{w}_q{q}.png", optimize=True)
