"""Files that somebody may upload who wants the page no good: name -> (file name, data)."""

import io
import itertools
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

from tests.app_server import SAMPLE


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width, height, data, depth=8, colour=0, more=b""):
    """A PNG file that claims a size, whatever its data."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff_of(**tags):
    """A TIFF of 16x16 grey pixels, with other values for some tags."""
    values = {
        256: 16,
        257: 16,
        258: 8,
        259: 1,
        262: 1,
        273: 8,
        277: 1,
        278: 16,
        279: 256,
        **{int(name[1:]): value for name, value in tags.items()},
    }
    values = {tag: value for tag, value in values.items() if value is not None}
    body = zlib.compress(bytes(256)) + bytes(300)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(values.items()))
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(values)) + entries + bytes(4)


def tiles(width, height):
    """A TIFF of 1 KB whose tiles are much larger than its picture."""
    where = {"t273": None, "t278": None, "t279": None, "t324": 8, "t325": 300}
    return tiff_of(t259=8, t322=width, t323=height, **where)


def saved(kind, size=(64, 48), mode="RGB", **options):
    file = io.BytesIO()
    picture = Image.effect_noise(size, 60).convert(mode)
    picture.save(file, kind, **options)
    return file.getvalue()


def scans(count):
    """A progressive JPEG of few bytes, white, whose last scan comes again and again."""
    file = io.BytesIO()
    Image.new("RGB", (1600, 1200), "white").save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + data[-2:]


def exr_of(channels):
    """The header of an EXR of 16x16 pixels and so many channels."""

    def attribute(name, kind, value):
        return name + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value

    names = [b"B", b"G", b"R", *(b"c%06d" % number for number in range(channels - 3))]
    entries = b"".join(name + b"\0" + struct.pack("<IB3xII", 1, 0, 1, 1) for name in names) + b"\0"
    attributes = [(b"channels", b"chlist", entries)]
    attributes += [(name, name, b"\0") for name in (b"compression", b"lineOrder")]
    attributes += [(name + b"Window", b"box2i", struct.pack("<4i", 0, 0, 15, 15)) for name in (b"data", b"display")]
    attributes += [(name, b"float", struct.pack("<f", 1)) for name in (b"pixelAspectRatio", b"screenWindowWidth")]
    attributes += [(b"screenWindowCenter", b"v2f", bytes(8))]
    return b"\x76\x2f\x31\x01\x02\0\0\0" + b"".join(attribute(*x) for x in attributes) + b"\0" + bytes(16 * 8)


def zipped(name, data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return file.getvalue()


def box(kind, data):
    return struct.pack(">I", 8 + len(data)) + kind + data


def pictures(good):
    """What is uploaded as a picture; `good` is the data of a sound PNG."""
    zeros, hundred = zlib.compress(bytes(30_000_000), 9), zlib.compress(bytes(100_000_000), 1)
    broken = bytearray(good)
    broken[60] ^= 255
    jpeg, webp = SAMPLE["src"].read_bytes(), saved("WEBP")
    sof = jpeg.index(b"\xff\xc0")
    huge_jpeg = jpeg[: sof + 5] + b"\xff\xff\xff\xff" + jpeg[sof + 9 :]
    ftyp = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    exr = b"\x76\x2f\x31\x01\x02\0\0\0"
    bmp = struct.pack("<IIiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0, 0)
    cases = {
        "cut off": good[: len(good) // 2],
        "cut off in the header": good[:20],
        "empty": b"",
        "one byte": b"\x89",
        "text": b"not a picture\n" * 100,
        "html": ("a.html", b"<script>alert(1)</script>"),
        "svg": ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'),
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
        "postscript with a picture's header": b"\xc5\xd0\xd3\xc6" + bytes(26) + b"%!PS\n",
        "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
        "gif": b"GIF89a" + bytes(50),
        "icon": b"\0\0\1\0\1\0" + b"\0\0\0\0\1\0\x20\0\x40\0\0\0\x16\0\0\0" + good,
        "psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 300_000, 300_000, 8, 3),
        "dicom": bytes(128) + b"DICM" + bytes(100),
        "fits": b"SIMPLE  =                    T" + b" " * 50,
        "zip": zipped("../../a.png", bytes(10_000_000)),
        "pickle": b"\x80\x04cposix\nsystem\n(S'true'\ntR.",
        "numpy": b"\x93NUMPY\1\0" + bytes(100),
        "a playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "two billion rows": png_of(2**31 - 1, 2**31 - 1, zlib.compress(b"0")),
        "bomb: 65,535 squared": png_of(65_535, 65_535, zeros),
        "bomb: 30,000 squared in one bit": png_of(30_000, 30_000, zeros, depth=1),
        "bomb: 8,000 squared, 64 million": png_of(8_001, 8_000, zeros),
        "bomb: one long row": png_of(30_000_000, 1, zeros),
        "bomb: less than it claims": png_of(6000, 6000, zlib.compress(bytes(100))),
        "bomb: text": good[:33] + chunk(b"zTXt", b"Comment\0\0" + zeros) + good[33:],
        "bomb: profile": good[:33] + chunk(b"iCCP", b"icc\0\0" + zeros) + good[33:],
        "bomb: profile of 100 MB": good[:33] + chunk(b"iCCP", b"icc\0\0" + hundred) + good[33:],
        "profile of noise": good[:33] + chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(range(256)) * 9)) + good[33:],
        "no pixels": png_of(0, 0, zlib.compress(b"")),
        "wrong depth": png_of(16, 16, zlib.compress(bytes(300)), depth=7),
        "wrong colours": png_of(16, 16, zlib.compress(bytes(300)), colour=5),
        "no palette": png_of(16, 16, zlib.compress(bytes(300)), colour=3),
        "flipped bits": bytes(broken),
        "a chunk of 4 GB": good[:33] + b"\xff\xff\xff\xf0IDAT" + good[41:],
        "moving, a million pictures": good[:33] + chunk(b"acTL", struct.pack(">II", 10**6, 0)) + good[33:],
        "tiff, huge": tiff_of(t256=0x7FFFFFFF, t257=0x7FFFFFFF),
        "tiff, endless": b"II*\0\x08\0\0\0\x01\0\0\1\4\0\1\0\0\0\1\0\0\0\x08\0\0\0",
        "tiff, tiles of 900 million": tiles(30_000, 30_000),
        "tiff, tiles of 4 billion": tiles(65_520, 65_520),
        "tiff, one wide tile": tiles(0x7FFFFFF0, 16),
        "tiff, strips beyond the file": tiff_of(t273=10**9),
        "tiff, rows of a strip": tiff_of(t259=8, t278=0x7FFFFFFF, t279=0x7FFFFFFF),
        "tiff, 60,000 samples": tiff_of(t277=60_000, t259=8),
        "tiff, no bits": tiff_of(t258=0),
        "tiff, unknown packing": tiff_of(t259=34_712),
        "bigtiff, huge": b"II+\0\x08\0\0\0" + struct.pack("<QQ", 2**62, 0),
        "jpeg, cut off": ("a.jpg", jpeg[:4000]),
        "jpeg, 65,535 squared": ("a.jpg", huge_jpeg),
        "jpeg, 20,000 scans": ("a.jpg", scans(20_000)),
        "jpeg, nothing but markers": ("a.jpg", b"\xff\xd8" + b"\xff\xe1\xff\xff" + bytes(65_533) + b"\xff\xd9"),
        "jpeg, endless fill": ("a.jpg", b"\xff\xd8" + b"\xff" * 500_000),
        "bmp, negative": ("a.bmp", b"BM" + bytes(8) + struct.pack("<IIiiHHI", 54, 40, -5, -5, 1, 24, 0) + bytes(24)),
        "bmp, huge": ("a.bmp", b"BM" + bytes(8) + struct.pack("<I", 54) + bmp),
        "webp, empty": ("a.webp", b"RIFF\x04\0\0\0WEBP"),
        "webp, cut off": ("a.webp", webp[: len(webp) // 2]),
        "webp, 16,384 squared": ("a.webp", webp[:12] + b"VP8X\x0a\0\0\0\0\0\0\0\xff\x3f\0\xff\x3f\0"),
        "heic, nothing but its name": ("a.heic", ftyp),
        "heic, a box of 4 GB": ("a.heic", ftyp + b"\xff\xff\xff\xffmeta" + bytes(100)),
        "heic, boxes in boxes": ("a.heic", ftyp + box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", b"")) * 5000)),
        "avif, nothing but its name": ("a.avif", box(b"ftyp", b"avif\0\0\0\0mif1avif")),
        "jpeg xl, cut off": ("a.jxl", b"\xff\x0a\xff\xff\xff\xff"),
        "exr, no header": ("a.exr", exr),
        "exr, 5,000 channels": ("a.exr", exr_of(5000)),
        "exr, huge": ("a.exr", exr + b"dataWindow\0box2i\0\x10\0\0\0" + struct.pack("<4i", 0, 0, 2**30, 2**30) + b"\0"),
        "raw of a camera": ("a.dng", tiff_of()),
        "two megabytes": good + bytes(2_000_001),
        "path upwards": ("../../../../tmp/evil.png", b"x"),
        "path from the root": ("/etc/cron.d/evil.png", b"x"),
        "path of Windows": ("..\\..\\C:\\evil.png", b"x"),
        "markup in the name": ("<img src=x onerror=alert(1)>.png", b"x"),
        "name of 3,000 letters": ("a" * 3000 + ".png", b"x"),
        "letters that turn the writing": ("\u202egnp.\u202c.png", b"x"),
        "device name": ("CON.png", b"x"),
        "nothing but dots": ("..", b"x"),
    }
    return {name: case if isinstance(case, tuple) else ("a.png", case) for name, case in cases.items()}


def clips(good, av):
    """What is uploaded as a clip; `good` is the data of a sound MP4 of a second."""
    growing = moving(48, 64, 4) + moving(6000, 6000, 2)
    return {
        "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "concatenation": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "dash": b"\x1aE\xdf\xa3<MPD profiles='urn:mpeg:dash:profile:isoff-on-demand:2011'>",
        "cut off in the header": good[:40],
        "without its index": good[:-900],
        "picture": png_of(16, 16, zlib.compress(bytes(300))),
        "transport stream": growing,
        "an hour of sound": with_sound(av),
        "no picture track": with_sound(av, picture=False),
    }


def moving(height, width, frames, container="mpegts"):
    """Frames in a stream that may change its size."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for level in itertools.islice(itertools.count(60), frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((height, width, 3), level, np.uint8))))
        out.mux(stream.encode())
    return file.getvalue()


def with_sound(av, picture=True, seconds=3600):
    """A Matroska file of two pictures and an hour of silence."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        video = out.add_stream("mpeg4", rate=25) if picture else None
        sound = out.add_stream("libopus", rate=8000, layout="mono")
        if picture:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            for _ in range(2):
                out.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
            out.mux(video.encode())
        for second in range(0, seconds, 600):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 160), np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = 8000, second * 8000
            out.mux(sound.encode(frame))
        out.mux(sound.encode())
    return file.getvalue()
