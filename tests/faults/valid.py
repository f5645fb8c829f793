"""Small valid files of every kind that is read, for tests.faults.fuzz to damage: functions that give name -> bytes."""

import io
import struct
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from tests.picture_files import display_p3, profile_of, shot, table, write_raw
from tests.torch_file import torch_zip, write_torch
from utils.engine.int8 import FILES, pack

CHECKPOINTS = Path(__file__).resolve().parents[1] / "data" / "checkpoints"


def pictures():
    """Small pictures of every format and mode that cameras and programs write: name -> bytes."""
    rng = np.random.default_rng(0)
    rgb = np.repeat(np.repeat(rng.integers(0, 256, (5, 6, 3), np.uint8), 4, 0), 4, 1)[:17, :23]
    picture = Image.fromarray(rgb)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    wide = Image.fromarray(rng.integers(0, 65536, (17, 23)).astype(np.uint16))
    rgba, palette = picture.convert("RGBA"), picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=9)
    rgba.putalpha(120)
    cases = {
        **{f"png {mode}": (picture.convert(mode), "PNG", {}) for mode in ("1", "L", "LA", "RGB", "RGBA")},
        "png 16": (wide, "PNG", {}),
        "png palette": (palette, "PNG", {"transparency": bytes(range(9))}),
        "png tRNS": (picture, "PNG", {"transparency": (1, 2, 3), "exif": exif, "icc_profile": bytes(300)}),
        "jpeg": (picture, "JPEG", {"exif": exif, "quality": 90}),
        "jpeg progressive": (picture, "JPEG", {"progressive": True, "comment": b"x" * 40}),
        "jpeg grey": (picture.convert("L"), "JPEG", {"icc_profile": bytes(200)}),
        "jpeg CMYK": (picture.convert("CMYK"), "JPEG", {}),
        "jpeg MPO": (picture, "MPO", {"save_all": True, "append_images": [picture.rotate(180)]}),
        **{
            f"tiff {c}": (picture, "TIFF", {"compression": c})
            for c in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        },
        "tiff group4": (picture.convert("1"), "TIFF", {"compression": "group4"}),
        "tiff 16": (wide, "TIFF", {}),
        "tiff 16 lzw": (wide, "TIFF", {"compression": "tiff_lzw"}),
        "tiff float": (Image.fromarray(rgb[..., 0].astype(np.float32)), "TIFF", {}),
        **{f"tiff {mode}": (picture.convert(mode), "TIFF", {"exif": exif}) for mode in ("L", "CMYK", "LAB", "YCbCr")},
        "tiff RGBA": (rgba, "TIFF", {"compression": "tiff_lzw"}),
        "tiff palette": (palette, "TIFF", {}),
        "tiff pages": (picture, "TIFF", {"save_all": True, "append_images": [rgba], "big_tiff": True}),
        **{f"bmp {mode}": (picture.convert(mode), "BMP", {}) for mode in ("1", "L", "RGB", "RGBA")},
        "bmp palette": (palette, "BMP", {}),
        "webp": (picture, "WEBP", {"exif": exif}),
        "webp lossless": (rgba, "WEBP", {"lossless": True}),
        "webp moving": (picture, "WEBP", {"save_all": True, "append_images": [picture.rotate(180)]}),
        "gif": (palette, "GIF", {"save_all": True, "append_images": [palette.rotate(180)], "transparency": 3}),
    }
    files = {}
    for name, (image, kind, options) in cases.items():
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        files[name] = buffer.getvalue()
    files["png interlaced"] = interlaced(files["png L"])
    return files


def interlaced(data):
    """A grey PNG's header with the flag for interlacing; its pixels then lie in another order, which nobody minds."""
    return data[:28] + b"\1" + data[29:]


def pth():
    """Files of torch.save: those of PyTorch itself, and one of several tensors in each type."""
    names = ("zip.pth", "legacy.pth", "nested.pth", "script.pth", "module.pth")
    files = {name: (CHECKPOINTS / name).read_bytes() for name in names}
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        kinds = ("float32", "float16", "float64", "int64")
        state = {f"layer.{i}.weight": rng.random((i + 1, 3)).astype(kind) for i, kind in enumerate(kinds)}
        files["types"] = write_torch(Path(folder) / "a.pth", state).read_bytes()
    files["empty"] = torch_zip(b"\x80\x02}.", {})
    return files


def pdparams():
    """Files of paddle.save, of Paddle 2 and 3, in several protocols."""
    return {path.name: path.read_bytes() for path in sorted(CHECKPOINTS.glob("*.pdparams"))}


def drawn():
    """A small picture for lossy formats, uint8 (H, W, 3)."""
    rng = np.random.default_rng(0)
    return np.repeat(np.repeat(rng.integers(0, 256, (5, 6, 3), np.uint8), 8, 0), 8, 1)[:37, :43]


def saved(suffix, picture, **options):
    """The bytes of a picture, uint8 array, as Pillow writes it."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, suffix, **options)
    return file.getvalue()


def heic():
    """Of phones: with EXIF, a profile, transparency, several pictures."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    rgb = drawn()
    files = {"plain": saved("HEIF", rgb), "phone": saved("HEIF", rgb, exif=shot(6), icc_profile=display_p3())}
    files["clear"] = saved("HEIF", np.dstack([rgb, rgb[..., 0]]), chroma=444)
    files["grey"] = saved("HEIF", rgb[..., 0], quality=-1)
    files["several"] = saved("HEIF", rgb, save_all=True, append_images=[Image.fromarray(rgb[::-1])])
    wide = pillow_heif.from_bytes("RGB;16", (43, 37), (rgb.astype(np.uint16) * 257).tobytes())
    file = io.BytesIO()
    wide.save(file)
    return {**files, "12 bits": file.getvalue()}


def avif():
    rgb = drawn()
    files = {"plain": saved("AVIF", rgb), "phone": saved("AVIF", rgb, exif=shot(6), icc_profile=display_p3())}
    files["clear"] = saved("AVIF", np.dstack([rgb, rgb[..., 0]]), subsampling="4:4:4")
    return {**files, "moving": saved("AVIF", rgb, save_all=True, append_images=[Image.fromarray(rgb[::-1])])}


def jxl():
    import pillow_jxl  # noqa: F401

    rgb = drawn()
    clear = np.dstack([rgb, rgb[..., 0]])
    return {"plain": saved("JXL", rgb), "phone": saved("JXL", rgb, exif=shot(6)), "clear": saved("JXL", clear)}


def exr():
    """Every compression, type of number and arrangement."""
    import OpenEXR

    rgb = drawn().astype(np.float32) / 255
    rgba, grey = np.dstack([rgb, rgb[..., 0]]), np.ascontiguousarray(rgb[..., 0])
    kinds = [name for name in dir(OpenEXR) if name.endswith("_COMPRESSION") and not name.startswith("NUM")]
    cases = {name: ({"compression": getattr(OpenEXR, name)}, {"RGBA": rgba.astype(np.float16)}) for name in kinds}
    cases["float"] = {}, {"RGB": rgb}
    cases["grey, whole numbers"] = {}, {"Y": (grey * 1000).astype(np.uint32)}
    cases["many"] = {}, {**{f"layer{n}.R": grey for n in range(30)}, "R": grey, "G": grey, "B": grey}
    square = np.array([2, 3], np.int32), np.array([30, 20], np.int32)
    cases["window"] = {"displayWindow": square}, {"RGB": rgb}
    tiles = {"type": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription()}
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.exr"
        for name, (header, channels) in {**cases, "tiles": (tiles, {"RGB": rgb})}.items():
            OpenEXR.File({"type": OpenEXR.scanlineimage, **header}, channels).write(str(path))
            files[name] = path.read_bytes()
        parts = [OpenEXR.Part({"type": OpenEXR.scanlineimage}, {"RGB": rgb}, name) for name in ("one", "two")]
        OpenEXR.File(parts).write(str(path))
        return {**files, "parts": path.read_bytes()}


def dpx():
    """8 to 16 bits, in both orders of bytes."""
    import av

    files = {}
    for pixels in ("gbrp10le", "gbrp10be", "gbrp12le", "rgb24", "rgba", "rgb48be", "gray"):
        encoder = av.CodecContext.create("dpx", "w")
        encoder.height, encoder.width, encoder.pix_fmt, encoder.time_base = 37, 43, pixels, Fraction(1, 25)
        frame = av.VideoFrame.from_ndarray(drawn(), "rgb24").reformat(format=pixels)
        files[pixels] = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    return files


def raw():
    """A DNG, and what makes LibRaw take it for other cameras' files: their names and their first bytes."""
    values = np.random.default_rng(0).integers(0, 4096, (48, 64)).astype(np.uint16)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dng"
        write_raw(path, values)
        data = path.read_bytes()
    makers = (b"Canon", b"NIKON", b"SONY ", b"Pento", b"Kodak", b"Leica", b"Sinar", b"Phase", b"Adobe")
    starts = (b"IIRO", b"IIRS", b"IIU\0")
    files = {maker.decode(): data.replace(b"Maker", maker) for maker in makers}
    files.update({start.decode(): start + data[4:] for start in starts})
    return {"dng": data, "CR2": data[:8] + b"CR\2\0" + data[12:], **files}


def profiles():
    """ICC profiles of RGB, grey and CMYK: curves and matrices, tables, with and without a way back."""
    p3, srgb = display_p3(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    files = {
        "Display P3": p3,
        "sRGB": srgb,
        "grey": profile_of(b"GRAY", {b"kTRC": b"curv" + bytes(4) + struct.pack(">IH", 1, 563)}),
    }
    return {
        **files,
        "scanner": profile_of(b"RGB ", {b"A2B0": table(3, 3)}),
        "CMYK": profile_of(b"CMYK", {b"A2B0": table(4, 3)}),
    }


def clips():
    """Every container and many codecs, with and without sound, turned, interlaced, of 10 bits."""
    import av

    from tests.video_files import frames, turn, write_clip

    pictures = frames(6, 48, 64)[0]
    cases = {
        "mp4": {"sound": "aac"},
        "mov": {"encoder": "prores_ks", "pixels": "yuv422p10le", "sound": "pcm_s16le"},
        "webm": {"encoder": "libvpx-vp9", "sound": "libopus"},
        "mkv": {"encoder": "ffv1", "sound": "flac"},
        "avi": {"encoder": "mpeg4", "sound": "mp3"},
        "ts": {"encoder": "mpeg2video", "sound": "mp2"},
        "gif": {"encoder": "gif", "pixels": "rgb8"},
        "y4m": {"encoder": "wrapped_avframe"},
        "flv": {"encoder": "flv"},
        "mxf": {"encoder": "mpeg2video"},
        "wmv": {"encoder": "wmv2"},
        "mpg": {"encoder": "mpeg1video", "sound": "mp2"},
        "hevc.mp4": {"encoder": "libx265", "pixels": "yuv420p10le", "options": HLG},
        "interlaced.mp4": {"options": {"x264-params": "tff=1"}},
        "jittery.mp4": {"times": [0, 3000, 7000, 7001, 20_000, 20_500]},
        "moving.mkv": {"encoder": "mjpeg", "pixels": "yuvj420p"},
    }
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, options in cases.items():
            path = Path(folder) / f"clip.{name}"
            try:
                write_clip(path, pictures, **options)
            except (av.error.FFmpegError, ValueError) as error:
                raise RuntimeError(f"{name}: {error}") from error
            files[name] = path.read_bytes()
        turn(path.with_name("clip.mp4"), (0, 1, -1, 0))
        return {**files, "turned": path.with_name("clip.mp4").read_bytes()}


HLG = {"x265-params": "log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"}


def int8():
    """A file of programs; `fuzz` does not run them, since only those of a known SHA-256 are."""
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(FILES):
            (Path(folder) / name).write_bytes(bytes([number]) * 300)
        pack(folder, "0" * 64, Path(folder) / "a.zip")
        return {"programs": (Path(folder) / "a.zip").read_bytes()}
