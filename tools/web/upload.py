"""Files that visitors of the web page send: measured before anything is decoded."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tools.web.decoder import Decoder, Undecodable
from tools.web.words import Refused

LONGEST_SIDE = 16_000  # pixels


@dataclass(frozen=True)
class Limits:
    """What is taken from visitors."""

    megabytes: int = 30  # of a picture's file
    megapixels: int = 64  # of a picture, millions
    clip_megabytes: int = 100
    seconds: int = 20  # of a clip
    minutes: int = 10  # after which files are deleted


def read_upload(path, limits, decode=True):
    """Read a picture that somebody has sent.

    Args:
        path: file, whose name is the visitor's.
        limits: Limits. A file that is beyond them is refused before its pixels are decoded.
        decode: False: only look whether it would be.

    Returns:
        uint8 (H, W, 3), sRGB; its height and width if it is not decoded.

    Raises:
        Refused: with what is wrong and the remedy; it names the file, never its folder.
    """
    check_weight(path, limits.megabytes)
    decoder = decoder_of(limits.megapixels)
    try:
        return decoder.read(path) if decode else decoder.size(path)
    except Undecodable as error:
        raise Refused(error.key, name=shown_name(path), **error.values) from None


@lru_cache(1)
def decoder_of(megapixels):
    """The process that decodes; there is one."""
    return Decoder(megapixels, LONGEST_SIDE)


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
