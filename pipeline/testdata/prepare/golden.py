"""Writes decode.json and resize.json: pictures, and the RGB that Pillow and OpenCV make of them; and means.json: of
pictures that others have, the means over 8x8 boxes.

    pip install pillow==13.0.0 opencv-python-headless==5.0.0.* numpy==2.4.6
    python golden.py GOROOT/src/image/testdata X_IMAGE/testdata ACCEPTANCE/media-meso

Pillow 13.0.0 (libjpeg-turbo 3.2.0, libwebp 1.6.0) decodes; OpenCV 5.0.0 resizes, except that Pillow does nearest.
"""
import base64, io, json, pathlib, struct, sys, zlib
import cv2, numpy as np
from PIL import Image, ImageOps

rng = np.random.default_rng(20261122)


def picture(w, h):
    """Coloured edges, a gradient and noise: what separates one chroma up-sampling or rounding from another."""
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([x * 255 // max(w - 1, 1), y * 255 // max(h - 1, 1), (x * 7 + y * 13) % 256], -1).astype(np.int64)
    a[(x - w / 3) ** 2 + (y - h / 2) ** 2 < (h / 3) ** 2] = (250, 20, 30)
    a[:, 3 * w // 4:] = (10, 60, 240)
    return np.clip(a + rng.integers(-25, 26, a.shape), 0, 255).astype(np.uint8)


def b64(b):
    return base64.b64encode(b).decode()


def saved(im, fmt, **kw):
    f = io.BytesIO()
    im.save(f, fmt, **kw)
    return f.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(w, h, depth, colour, rows, *extra):
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, 0)) + b"".join(extra)
            + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows))) + chunk(b"IEND", b""))


decode = []


def add(name, data, high=None):
    """high: 16 bit samples whose high byte is expected, where Pillow does something else."""
    if high is not None:
        want = (high >> 8).astype(np.uint8)
    else:
        want = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    decode.append({"name": name, "data": b64(data), "width": want.shape[1], "height": want.shape[0], "rgb": b64(want.tobytes())})


base = Image.fromarray(picture(23, 17))
for s in ("4:4:4", "4:2:2", "4:2:0"):
    add("jpeg " + s, saved(base, "JPEG", quality=90, subsampling=s))
    add("jpeg progressive " + s, saved(base, "JPEG", quality=70, subsampling=s, progressive=True))
for name, factor in (("4:4:0", 0x121111), ("4:1:1", 0x411111)):
    ok, buf = cv2.imencode(".jpg", np.asarray(base)[:, :, ::-1], [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor, cv2.IMWRITE_JPEG_QUALITY, 85])
    add("jpeg " + name, buf.tobytes())
for w, h in ((1, 1), (3, 5), (4, 4), (5, 3), (6, 2), (16, 16), (33, 31), (40, 24)):
    add(f"jpeg 4:2:0 {w}x{h}", saved(Image.fromarray(picture(w, h)), "JPEG", quality=92, subsampling="4:2:0"))
add("jpeg grey", saved(base.convert("L"), "JPEG", quality=90))
add("jpeg cmyk", saved(base.convert("CMYK"), "JPEG", quality=95))
add("jpeg rgb", saved(base, "JPEG", quality=95, keep_rgb=True))

rgba = base.copy()
rgba.putalpha(Image.fromarray(rng.integers(0, 256, (17, 23)).astype(np.uint8)))
add("webp lossy", saved(base, "WEBP", quality=80))
add("webp lossy 40x24", saved(Image.fromarray(picture(40, 24)), "WEBP", quality=90))
add("webp lossy 1x1", saved(Image.fromarray(picture(1, 1)), "WEBP", quality=90))
add("webp lossy alpha", saved(rgba, "WEBP", quality=80, exact=True))
add("webp lossless alpha", saved(rgba, "WEBP", lossless=True, exact=True))

add("png rgb", saved(base, "PNG"))
add("png rgba", saved(rgba, "PNG"))
add("png la", saved(rgba.convert("LA"), "PNG"))
add("png 1 bit", saved(base.convert("1"), "PNG"))
add("png palette", saved(base.quantize(200), "PNG"))
add("png palette 4 bit", saved(base.quantize(13), "PNG", bits=4))
add("png palette alpha", saved(base.quantize(90), "PNG", transparency=bytes(rng.integers(0, 256, 90).astype(np.uint8))))
for depth in (2, 4):
    v = rng.integers(0, 1 << depth, (5, 8))
    rows = [int("".join(format(x, f"0{depth}b") for x in r), 2).to_bytes(depth, "big") for r in v]
    add(f"png grey {depth} bit", png(8, 5, depth, 0, rows))
g8 = rng.integers(0, 256, (5, 8)).astype(np.uint8)
add("png grey trns", png(8, 5, 8, 0, [r.tobytes() for r in g8], chunk(b"tRNS", struct.pack(">H", int(g8[2, 3])))))
c8 = rng.integers(0, 256, (5, 8, 3)).astype(np.uint8)
add("png rgb trns", png(8, 5, 8, 2, [r.tobytes() for r in c8], chunk(b"tRNS", struct.pack(">HHH", *map(int, c8[2, 3])))))
for name, colour, n in (("grey", 0, 1), ("rgb", 2, 3), ("la", 4, 2), ("rgba", 6, 4)):
    v = rng.integers(0, 65536, (5, 8, n)).astype(">u2")
    high = v[:, :, :3] if n >= 3 else np.repeat(v[:, :, :1], 3, 2)
    data = png(8, 5, 16, colour, [r.tobytes() for r in v])
    add(f"png {name} 16 bit", data, high)
    cv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    print(name, 16, "OpenCV equal:", np.array_equal(cv, high >> 8), "max", np.abs(cv.astype(int) - (high >> 8)).max())
v = rng.integers(0, 65536, (5, 8, 1)).astype(">u2")
add("png grey 16 bit trns", png(8, 5, 16, 0, [r.tobytes() for r in v], chunk(b"tRNS", struct.pack(">H", int(v[2, 3, 0])))), np.repeat(v, 3, 2))

pal = base.quantize(31)
add("gif", saved(pal, "GIF"))
add("gif transparent", saved(pal, "GIF", transparency=5))


def gif(screen, frame, transparent, local):
    """A frame inside a larger screen, coded with clear codes only (7 bits + 1), so that no encoder tidies it up."""
    (sw, sh), (x, y, w, h) = screen, frame
    table = rng.integers(0, 256, 3 * 128).astype(np.uint8).tobytes()
    out = b"GIF89a" + struct.pack("<HHBBB", sw, sh, 0x86, 3, 0) + table
    if transparent is not None:
        out += b"\x21\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    out += b"\x21\xfe\x03abc\0" + b"\x2c" + struct.pack("<HHHHB", x, y, w, h, 0x86 if local else 0)
    if local:
        out += rng.integers(0, 256, 3 * 128).astype(np.uint8).tobytes()
    body = b""
    for i, p in enumerate(rng.integers(0, 128, w * h)):
        if i % 100 == 0:
            body += b"\x80"
        body += bytes([p])
    body += b"\x81"
    out += b"\x07"
    while body:
        out += bytes([min(len(body), 255)]) + body[:255]
        body = body[255:]
    return out + b"\0\x3b"


add("gif inside", gif((9, 7), (2, 1, 5, 4), None, False))
add("gif inside transparent", gif((9, 7), (2, 1, 5, 4), 77, False))
add("gif inside local", gif((9, 7), (2, 1, 5, 4), 12, True))

small = Image.fromarray(picture(7, 5))
for o in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = o
    add(f"orientation {o} jpeg", saved(base, "JPEG", quality=92, subsampling="4:2:0", exif=exif))
    add(f"orientation {o} png", saved(small, "PNG", exif=exif))
    add(f"orientation {o} webp", saved(small, "WEBP", lossless=True, exif=exif))
json.dump(decode, open("decode.json", "w"), indent=0)

methods = {"bilinear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "bicubic": cv2.INTER_CUBIC}
sources, cases = [], []
for w, h in ((23, 17), (64, 48), (61, 53)):
    a = picture(w, h)
    sources.append({"width": w, "height": h, "rgb": b64(a.tobytes())})
    for tw, th in ((16, 16), (32, 24), (16, 12), (30, 40), (23, 8), (9, 29), (1, 1), (2, 60)):
        for name, m in methods.items():
            out = cv2.resize(a, (tw, th), interpolation=m)
            cases.append({"source": len(sources) - 1, "method": name, "width": tw, "height": th, "rgb": b64(out.tobytes())})
        out = np.asarray(Image.fromarray(a).resize((tw, th), Image.NEAREST))
        cases.append({"source": len(sources) - 1, "method": "nearest", "width": tw, "height": th, "rgb": b64(out.tobytes())})
json.dump({"sources": sources, "cases": cases}, open("resize.json", "w"), indent=0)

means = {}
for folder in sys.argv[1:]:
    for f in sorted(pathlib.Path(folder).iterdir()):
        if f.suffix not in (".jpeg", ".jpg", ".png", ".gif", ".webp"):
            continue
        try:
            a = np.asarray(Image.open(f).convert("RGB"))
        except OSError as e:
            print(f.name, "refused:", e)
            continue
        small = cv2.resize(a, (8, 8), interpolation=cv2.INTER_AREA)
        means[f.name] = {"width": a.shape[1], "height": a.shape[0], "rgb": b64(small.tobytes())}
json.dump(means, open("means.json", "w"), indent=0)
