"""Writes pillow.json: pictures, what Pillow's antialiased resizes make of them, and torchvision's Resize and CenterCrop.

    pip install pillow==13.0.0 numpy==2.4.6 torchvision==0.29.2
    python pillow.py
"""
import base64, json
import numpy as np
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

rng = np.random.default_rng(20261123)


def picture(w, h):
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([x * 255 // max(w - 1, 1), y * 255 // max(h - 1, 1), (x * 7 + y * 13) % 256], -1).astype(np.int64)
    a[(x - w / 3) ** 2 + (y - h / 2) ** 2 < (h / 3) ** 2] = (250, 20, 30)
    a[:, 3 * w // 4:] = (10, 60, 240)
    return np.clip(a + rng.integers(-40, 41, a.shape), 0, 255).astype(np.uint8)


def b64(b):
    return base64.b64encode(b).decode()


sources, cases = [], []
methods = {"pillow_bilinear": Image.BILINEAR, "pillow_bicubic": Image.BICUBIC, "pillow_lanczos": Image.LANCZOS}
for w, h, sizes in ((47, 31, ((16, 16), (47, 9), (12, 31), (90, 70), (13, 60))), (64, 64, ((32, 32), (17, 5))), (5, 3, ((20, 20), (1, 1))), (19, 50, ((19, 16), (40, 16)))):
    a = picture(w, h)
    sources.append({"width": w, "height": h, "rgb": b64(a.tobytes())})
    for tw, th in sizes:
        for name, m in methods.items():
            out = np.asarray(Image.fromarray(a).resize((tw, th), m))
            cases.append({"source": len(sources) - 1, "width": tw, "height": th, "method": name, "rgb": b64(out.tobytes())})
crops = []
for w, h in ((47, 31), (31, 48), (64, 64), (37, 90), (20, 20)):
    a = picture(w, h)
    sources.append({"width": w, "height": h, "rgb": b64(a.tobytes())})
    for side in (16, 18, 19, 25):
        out = np.asarray(Compose([Resize(side, InterpolationMode.BILINEAR), CenterCrop(16)])(Image.fromarray(a)))
        crops.append({"source": len(sources) - 1, "width": 16, "height": 16, "side": side, "method": "pillow_bilinear", "rgb": b64(out.tobytes())})
json.dump({"sources": sources, "cases": cases, "crops": crops}, open("pillow.json", "w"), indent=0)
