"""Files that visitors of the web page send: measured before anything is decoded."""

import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dataset.picture import FORMATS, PictureError, read_rgb
from tools.web.words import Refused

LONGEST_SIDE = 16_000  # pixels


@dataclass(frozen=True)
class Limits:
    """What is taken from visitors."""

    megabytes: int = 30  # of a picture's file
    megapixels: int = 40  # of a picture, millions
    clip_megabytes: int = 100
    seconds: int = 20  # of a clip
    minutes: int = 10  # after which files are deleted


def read_upload(path, limits):
    """Read a picture that somebody has sent.

    Args:
        path: file, whose name is the visitor's.
        limits: Limits. A file that is beyond them is refused before its pixels are decoded.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        Refused: with what is wrong and the remedy; it names the file, never its folder.
    """
    path = Path(path)
    check_weight(path, limits.megabytes)
    name, limit = shown_name(path), limits.megapixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                width, height = image.size
    except Image.DecompressionBombError:
        raise Refused("too_large", name=name, width="?", height="?", limit=limit, side=LONGEST_SIDE) from None
    except MemoryError:
        raise
    except Exception:  # decoders raise nearly anything on damaged headers
        raise Refused("no_picture", name=name) from None
    if width * height > limit * 10**6 or max(width, height) > LONGEST_SIDE:
        raise Refused("too_large", name=name, width=width, height=height, limit=limit, side=LONGEST_SIDE)
    try:
        return read_rgb(path)
    except PictureError:
        raise Refused("damaged", name=name) from None


def check_weight(path, megabytes):
    """Refuse a file that is missing, empty or larger."""
    path = Path(path)
    if not path.is_file():
        raise Refused("gone")
    size = path.stat().st_size
    if size == 0:
        raise Refused("damaged", name=shown_name(path))
    if size > megabytes * 10**6:
        raise Refused("too_heavy", name=shown_name(path), size=size / 10**6, limit=megabytes)


def shown_name(path, longest=40):
    """A file's name without its folder, shortened, without what HTML would take for a tag."""
    name = "".join(letter for letter in Path(path).name if letter.isprintable() and letter not in "<>&\"'`")
    return name if len(name) <= longest else f"{name[: longest - 9]}…{name[-8:]}"
