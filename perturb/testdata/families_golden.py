"""Make the golden pictures of motion_blur, social and pixelation, and the figures of gaussian_noise_ycbcr.

    python3 -m venv venv
    venv/bin/pip install numpy==2.4.6 pillow==13.0.0 opencv-python-headless==5.0.0.93 scikit-image==0.26.0 numba==0.68.1
    venv/bin/pip install --no-deps imagecorruptions==1.1.2
    venv/bin/python families_golden.py

Reads jpeg_HxW.png (see jpeg_golden.py). Motion blur is done by imagecorruptions, the other resizing by OpenCV, JPEG by
Pillow. The hash that gives the angle is written anew here, from its definition.
"""
import hashlib
import io

import cv2
import numpy as np
from imagecorruptions import corruptions
from PIL import Image

PRIME = 2**31 - 1


def seed31(*words):
    text = "".join(f"{len(w)}:{w};" for w in words)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % PRIME


def word(seed, *name):
    multiply, add = 1 + seed31(*name, "multiply") % (PRIME - 1), seed31(*name, "add")
    v = seed * multiply % PRIME
    for _ in range(3):
        v = (v + add) % PRIME
        v = v * v % PRIME * multiply % PRIME
    return v


def read(size):
    return np.asarray(Image.open(f"jpeg_{size}.png").convert("RGB"))


def save(name, x):
    Image.fromarray(np.clip(np.floor(x + .5), 0, 255).astype(np.uint8)).save(name, optimize=True)


def resize(x, w, h):  # on floats: on bytes, OpenCV interpolates with 11 bits and cuts off
    return cv2.resize(x.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)


for seed, radius, sigma in [(1, 10, 3), (1, 20, 15), (2, 15, 8), (77, 15, 12), (2147483646, 15, 5)]:
    angle = -45 + (word(seed, "motion_blur", "angle") * 360 // PRIME + .5) / 4
    x = corruptions._motion_blur(read("61x75").astype(np.float64), radius, sigma, angle)
    print("motion", seed, angle)
    save(f"motion_61x75_seed{seed}_r{radius}_s{sigma}.png", x)

for size, side, q in [("61x75", 40, 75), ("61x75", 33, 60), ("256x256", 100, 70), ("17x40", 20, 85)]:
    x = read(size)
    h, w = x.shape[:2]
    scale = side / max(h, w)
    small = cv2.resize(x, (int(np.floor(w * scale + .5)), int(np.floor(h * scale + .5))), interpolation=cv2.INTER_AREA)
    data = io.BytesIO()
    Image.fromarray(small).save(data, "JPEG", quality=q, subsampling="4:2:0")
    small = np.asarray(Image.open(data).convert("RGB"))
    save(f"social_{size}_side{side}_q{q}.png", resize(small, w, h))

for size, factor in [("61x75", 2), ("61x75", 5), ("17x40", 3)]:
    x = read(size)
    h, w = x.shape[:2]
    save(f"pixelation_{size}_f{factor}.png", resize(np.floor(resize(x, w // factor, h // factor) + .5), w, h))


def to_ycbcr(bgr):  # DeeperForensics-1.0: studio range, in [0,1] for pixels in [0,1]
    y = cv2.cvtColor(bgr.astype(np.float32), cv2.COLOR_BGR2YCR_CB)[:, :, (0, 2, 1)]
    return np.dstack([y[:, :, 0] * 219 + 16, y[:, :, 1] * 224 + 16, y[:, :, 2] * 224 + 16]) / 255


def to_bgr(ycbcr):
    y = ycbcr * 255
    y = np.dstack([(y[:, :, 0] - 16) / 219, (y[:, :, 1] - 16) / 224, (y[:, :, 2] - 16) / 224])
    return cv2.cvtColor(y[:, :, (0, 2, 1)].astype(np.float32), cv2.COLOR_YCR_CB2BGR)


# what a unit of noise in Y, Cb or Cr does to R, G and B, and the covariance of R, G, B for unit noise in all three
grey = np.full((1, 1, 3), .5, np.float32)
turn = np.stack([(to_bgr(to_ycbcr(grey) + .1 * np.eye(3)[k]) - grey)[0, 0, ::-1] / .1 for k in range(3)], -1)
print("turn\n", turn.round(4), "\ncovariance\n", (turn @ turn.T).round(4))
