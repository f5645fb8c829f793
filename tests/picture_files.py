"""Picture files that tests write: ICC profiles, and a camera's RAW."""

import struct

import numpy as np
from PIL import Image

DATE = "2024:05:06 07:08:09"


def fixed(*numbers):
    """ICC's numbers: signed, 16 bits before the point and 16 behind it."""
    return b"".join(struct.pack(">i", round(x * 65536)) for x in numbers)


def display_p3():
    """An ICC profile of Display P3, bytes: its primaries adapted to D50, the curve of sRGB (ICC.1:2010)."""
    text = b"mluc\0\0\0\0" + struct.pack(">II", 1, 12) + b"enUS" + struct.pack(">II", 4, 28) + "P3".encode("utf-16-be")
    curve = b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    points = {
        b"wtpt": (0.9642, 1, 0.82491),
        b"rXYZ": (0.51512, 0.2412, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.1571, 0.06657, 0.78407),
    }
    tags = {b"desc": text, b"cprt": text, **{name: b"XYZ \0\0\0\0" + fixed(*xyz) for name, xyz in points.items()}}
    tags.update(dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))
    table, data = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    head = struct.pack(">I4sI12s", 128 + len(table + data), b"none", 0x04300000, b"mntrRGB XYZ ")
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(0.9642, 1, 0.82491)
    return head.ljust(128, b"\0") + table + data


def profile_of(space, tags):
    """An ICC profile, version 2, of a colour space and some tags; Lab between."""
    tags = {b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249), **tags}
    entries, data = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        entries += name + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(body))
        data += body + bytes(-len(body) % 4)
    head = struct.pack(">I4sI4s4s4s", 128 + len(entries + data), b"none", 0x02400000, b"prtr", space, b"Lab ")
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + entries + data


def table(inputs, outputs, steps=3):
    """ICC's lut8Type: straight curves, and any colours between."""
    curve = bytes(range(256))
    colours = np.random.default_rng(0).integers(0, 256, steps**inputs * outputs, np.uint8).tobytes()
    matrix = fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return b"mft1" + bytes(4) + bytes([inputs, outputs, steps, 0]) + matrix + curve * inputs + colours + curve * outputs


def shot(orientation=1):
    """EXIF of a camera's picture: maker, date, 300 dots an inch, place, and which way up it was held."""
    exif = Image.Exif()
    exif.update({0x010F: "Maker", 0x0132: DATE, 0x011A: 300.0, 0x011B: 300.0, 0x0128: 2, 0x0112: orientation})
    exif[0x8769] = {0x9003: DATE, 0x927C: b"secret"}
    exif[0x8825] = {1: "N", 2: (50.0, 1.0, 2.0)}
    return exif.tobytes()


def write_raw(path, values):
    """A camera's RAW, DNG, of uint16 (H, W): the pattern red green, green blue; 12 bits, no tint."""
    import tifffile

    matrix = [int(10000 * x) for x in (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.204, 1.057)]
    tags = [
        (50706, "B", 4, (1, 4, 0, 0), True),
        (50708, "s", 0, "Test camera", True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, (0, 1, 1, 2), True),
        (50717, "I", 1, 4095, True),
        (50721, "2i", 9, tuple(x for n in matrix for x in (n, 10000)), True),
        (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),
        (50778, "H", 1, 21, True),
        (271, "s", 0, "Maker", True),
    ]
    tifffile.imwrite(path, np.asarray(values), photometric=32803, extratags=tags, metadata=None)
