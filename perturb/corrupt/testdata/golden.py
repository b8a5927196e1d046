"""Make the golden pictures of package corrupt with other people's programs.

    python3 -m venv venv
    venv/bin/pip install numpy==2.4.6 scipy==1.17.1 scikit-image==0.26.0 opencv-python-headless==5.0.0.93 pillow==13.0.0 "setuptools<81"
    venv/bin/pip install --no-deps imagecorruptions==1.1.2
    venv/bin/python golden.py

imagecorruptions is the any-size version of ImageNet-C's generator. Its functions run as they are, but for names that newer
libraries have dropped, and but for chance: np.random is replaced by a counter-based sequence (splitmix64) that the Go test draws
too, so that random families can be compared pixel by pixel. Two things are ImageNet-C's own: clipped_zoom trims about the
middle, and elastic_transform moves corners first (its lengths, which are for 224 pixels, follow the side; see elastic_transform.go).

Writes golden_HxW.png: the input and below it every variant of golden_HxW.json, results rounded halves up; and moments.json: the
mean of the random families on the 64x64 picture, and their root mean square distance from it, in levels, over the pixels of many
runs with NumPy's own chance; severities 1, 3 and 5.
"""
import json
import sys
import types

import numpy as np
import scipy.ndimage
import skimage.filters
from PIL import Image

np.float_ = np.float64
shim = types.ModuleType("scipy.ndimage.interpolation")
shim.map_coordinates = scipy.ndimage.map_coordinates
sys.modules["scipy.ndimage.interpolation"] = shim

import cv2
import imagecorruptions.corruptions as ic


def gaussian(image, sigma, multichannel=False, mode="nearest", truncate=4.0):
    return skimage.filters.gaussian(image, sigma, mode=mode, truncate=truncate, channel_axis=-1 if multichannel else None)


def clipped_zoom(img, zoom):
    h, w = img.shape[:2]
    ch, cw = int(np.ceil(h / zoom)), int(np.ceil(w / zoom))
    top, left = (h - ch) // 2, (w - cw) // 2
    img = scipy.ndimage.zoom(img[top : top + ch, left : left + cw], (zoom, zoom, 1), order=1)
    top, left = (img.shape[0] - h) // 2, (img.shape[1] - w) // 2
    return img[top : top + h, left : left + w]


ic.gaussian, ic.clipped_zoom = gaussian, clipped_zoom


OWN = np.random.uniform, np.random.normal, np.random.randint


class Chance:
    """splitmix64 by counter; the top 53 bits are a number of [0,1)."""

    def __init__(self, seed):
        self.at, self.seed = 0, seed

    def take(self, n):
        with np.errstate(over="ignore"):
            z = np.uint64(self.seed) + np.arange(self.at + 1, self.at + n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
        self.at += n
        return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def uniform(self, low=0.0, high=1.0, size=None):
        u = low + (high - low) * self.take(1 if size is None else int(np.prod(size)))
        return u[0] if size is None else u.reshape(size)

    def normal(self, loc=0.0, scale=1.0, size=None):  # near enough: twelve uniform numbers less six
        n = int(np.prod(size))
        return (loc + scale * (self.take(12 * n).reshape(n, 12).sum(1) - 6)).reshape(size)

    def randint(self, low, high, size):
        return low + np.floor(self.take(int(np.prod(size))).reshape(size) * (high - low)).astype(int)


def elastic_transform(image, severity):
    c = [(2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)][severity - 1]
    image = np.array(image, dtype=np.float32) / 255.0
    h, w = image.shape[:2]
    side = min(h, w) / 224
    alpha, sigma, affine = c[0] * 244 * side * side, c[1] * 244 * side, c[2] * 244 * side
    centre, arm = np.array([w // 2, h // 2]), min(h, w) // 3
    corners = np.float32([centre + arm, [centre[0] + arm, centre[1] - arm], centre - arm])
    moved = corners + np.random.uniform(-affine, affine, size=corners.shape).astype(np.float32)
    m = cv2.getAffineTransform(corners, moved)
    image = cv2.warpAffine(image, m, (w, h), borderMode=cv2.BORDER_REFLECT_101)
    dx = gaussian(np.random.uniform(-1, 1, size=(h, w)), sigma, mode="reflect", truncate=3) * alpha
    dy = gaussian(np.random.uniform(-1, 1, size=(h, w)), sigma, mode="reflect", truncate=3) * alpha
    y, x = np.mgrid[0:h, 0:w].astype(float)
    out = [scipy.ndimage.map_coordinates(image[..., k], [y + dy, x + dx], order=1, mode="reflect") for k in range(3)]
    return np.clip(np.stack(out, -1), 0, 1) * 255


def picture(h, w):
    rng = np.random.default_rng(h * 1000 + w)
    y, x = np.mgrid[0:h, 0:w].astype(float)
    out = np.stack([128 + 90 * np.sin(x / 7) * np.cos(y / 9), 255 * x / w, 255 * y / h], -1)
    disc = (x - w / 2) ** 2 + (y - h / 2) ** 2 < (min(h, w) / 3) ** 2
    out[disc] = out[disc][:, ::-1] * 0.6 + [70, 40, 20]
    out += rng.normal(0, 4, out.shape) + rng.normal(0, 5, (h, w, 1))
    out[h // 8 : h // 4, w // 2 :] = [250, 5, 5]  # straight edges, saturated
    out[-h // 4 :, : w // 4] = np.linspace(0, 255, w // 4)[None, :, None].round()  # pure grey
    return np.clip(out + 0.5, 0, 255).astype(np.uint8)


# family here: function there, parameters of severity 1..5 as the published generator lists them
TABLE = {
    "shot_noise": (ic.shot_noise, [[60], [25], [12], [5], [3]]),
    "impulse_noise": (ic.impulse_noise, [[0.03], [0.06], [0.09], [0.17], [0.27]]),
    "speckle_noise": (ic.speckle_noise, [[0.15], [0.2], [0.35], [0.45], [0.6]]),
    "defocus_blur": (ic.defocus_blur, [[3, 0.1], [4, 0.5], [6, 0.5], [8, 0.5], [10, 0.5]]),
    "glass_blur": (ic.glass_blur, [[0.7, 1, 2], [0.9, 2, 1], [1, 2, 3], [1.1, 3, 2], [1.5, 4, 2]]),
    "zoom_blur": (ic.zoom_blur, [[1.11, 0.01], [1.16, 0.01], [1.21, 0.02], [1.26, 0.02], [1.31, 0.03]]),
    "gaussian_blur_sigma": (ic.gaussian_blur, [[1], [2], [3], [4], [6]]),
    "snow": (ic.snow, [[0.1, 0.3, 3, 0.5, 10, 4, 0.8], [0.2, 0.3, 2, 0.5, 12, 4, 0.7], [0.55, 0.3, 4, 0.9, 12, 8, 0.7],
                       [0.55, 0.3, 4.5, 0.85, 12, 8, 0.65], [0.55, 0.3, 2.5, 0.85, 12, 12, 0.55]]),
    "fog": (ic.fog, [[1.5, 2], [2, 2], [2.5, 1.7], [2.5, 1.5], [3, 1.4]]),
    "spatter": (ic.spatter, [[0.65, 0.3, 4, 0.69, 0.6, 0], [0.65, 0.3, 3, 0.68, 0.6, 0], [0.65, 0.3, 2, 0.68, 0.5, 0],
                             [0.65, 0.3, 1, 0.65, 1.5, 1], [0.67, 0.4, 1, 0.65, 1.5, 1]]),
    "contrast": (ic.contrast, [[0.4], [0.3], [0.2], [0.1], [0.05]]),
    "saturate": (ic.saturate, [[0.3, 0], [0.1, 0], [2, 0], [5, 0.1], [20, 0.2]]),
    "elastic_transform": (elastic_transform, [[2, 0.7, 0.1], [2, 0.08, 0.2], [0.05, 0.01, 0.02], [0.07, 0.01, 0.02], [0.12, 0.01, 0.02]]),
    "pixelate": (ic.pixelate, [[0.6], [0.5], [0.4], [0.3], [0.25]]),
    "jpeg": (ic.jpeg_compression, [[25], [18], [15], [10], [7]]),
}

# runs of the random families: so many that mean and distance are known to a few parts in a thousand
RUNS = {"shot_noise": 300, "impulse_noise": 600, "speckle_noise": 300, "glass_blur": 500, "snow": 2000, "fog": 6000, "spatter": 3000,
        "elastic_transform": 4000}

for h, w in [(64, 64), (61, 75)]:
    source = picture(h, w)
    rows, index = [source], []
    for family, (function, parameters) in TABLE.items():
        if family.endswith("_noise"):  # drawn in another way here: compared by distribution alone
            continue
        for severity in (1, 2, 3, 4, 5):
            chance = Chance(h * 1000 + severity)
            np.random.uniform, np.random.normal, np.random.randint = chance.uniform, chance.normal, chance.randint
            result = np.asarray(function(Image.fromarray(source), severity), dtype=np.float64)
            rows.append(np.clip(np.floor(result + 0.5), 0, 255).astype(np.uint8))
            index.append({"family": family, "severity": severity, "parameters": parameters[severity - 1]})
    Image.fromarray(np.concatenate(rows)).save(f"golden_{h}x{w}.png", optimize=True)
    with open(f"golden_{h}x{w}.json", "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(row) for row in index) + "\n]\n")

np.random.uniform, np.random.normal, np.random.randint = OWN
np.random.seed(1)
source = picture(64, 64)
rows = []
for family, runs in RUNS.items():
    function, parameters = TABLE[family]
    for severity in (1, 3, 5):
        total = squares = 0.0
        for _ in range(runs):
            out = np.asarray(function(Image.fromarray(source), severity), dtype=np.float64)
            total += out.mean() / runs
            squares += ((out - source) ** 2).mean() / runs
        rows.append({"family": family, "severity": severity, "parameters": parameters[severity - 1], "runs": runs,
                     "mean": round(total, 4), "distance": round(squares**0.5, 4)})
with open("moments.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
