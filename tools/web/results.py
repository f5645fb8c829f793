"""What the web page makes of an uploaded pair: files to look at and files to keep, all in one folder.

NAME_pha.png, NAME_fgr.png, NAME_com.png (cut-out, RGBA) and NAME_over.png (on the new background) at full size, as
predict.py writes them; `view_*.jpg` are small copies for the page.
"""

import re
import secrets
import time
from pathlib import Path

import numpy as np

from dataset.picture import PictureError, read_alpha, read_rgb
from tools.web.upload import VIEW, read_upload
from tools.web.words import Refused
from utils.background.checks import doubts, match_size
from utils.background.match import match_background
from utils.picture.blend import blend
from utils.picture.resize import cover, reduced
from utils.picture.write import write_picture
from utils.prediction.loop import clean_matte


def matte_pair(matting, src_path, bgr_path, correction, limits, folder):
    """Matte an uploaded pair with a Matting, a Correction and Limits; the results are written to a folder, a Path.

    Returns dict: `width`, `height`, `seconds` (of the network and what prepares for it) and `notes`, a list of Notes.
    Raises Refused, PictureError: a file cannot be used, or the two do not belong together.
    """
    src, bgr = read_upload(src_path, limits), read_upload(bgr_path, limits)
    bgr, resized = match_size(src, bgr)
    start = time.perf_counter()
    bgr, match = match_background(src, bgr, correction.align, correction.exposure)
    matte = clean_matte(matting, src, bgr, correction.alpha)
    seconds = time.perf_counter() - start
    name = result_name(src_path)
    for kind in ("pha", "fgr", "com"):
        write_picture(folder / f"{name}_{kind}.png", getattr(matte, kind))
    pha = reduced(matte.pha, VIEW)
    cut_out = blend(reduced(matte.fgr, VIEW), pha, chequers(*pha.shape))
    for kind, picture in (("src", reduced(src, VIEW)), ("pha", pha), ("com", cut_out)):
        write_picture(folder / f"view_{kind}.jpg", picture)
    notes = [*doubts(src, bgr, matte.pha), *resized, *match.notes]
    return {"height": src.shape[0], "width": src.shape[1], "seconds": seconds, "notes": notes}


def put_before(folder, colour, picture_path, limits):
    """Put the subject that `matte_pair` left in a folder before an uploaded picture, or if there is none a colour.

    Returns the paths of the composite and of its small copy, which has a new name each time: the browser keeps what it
    has seen under a name. Raises Refused: the folder is gone, or the picture cannot be used.
    """
    try:
        name = next(folder.glob("*_fgr.png")).name[: -len("_fgr.png")]
        fgr, pha = read_rgb(folder / f"{name}_fgr.png"), read_alpha(folder / f"{name}_pha.png")
    except (StopIteration, PictureError):
        raise Refused("gone") from None
    if picture_path:
        behind = cover(read_upload(picture_path, limits), *pha.shape)
    else:
        behind = np.broadcast_to(np.uint8(parse_colour(colour)), fgr.shape)
    composite = blend(fgr, pha, behind)
    for old in (*folder.glob("*_over.png"), *folder.glob("view_over_*.jpg")):
        old.unlink(missing_ok=True)
    paths = folder / f"{name}_over.png", folder / f"view_over_{secrets.token_hex(4)}.jpg"
    write_picture(paths[0], composite)
    write_picture(paths[1], reduced(composite, VIEW))
    return paths


def parse_colour(text):
    """Red, green, blue, 0..255, of `#rrggbb` or `rgb(r, g, b)`, `rgba(r, g, b, a)`; anything else is green."""
    text = str(text or "").strip()
    if match := re.fullmatch(r"#([0-9a-fA-F]{6})(?:[0-9a-fA-F]{2})?", text):
        return tuple(bytes.fromhex(match[1]))
    numbers = re.fullmatch(r"rgba?\(([\d., ]{1,80})\)", text)
    parts = re.findall(r"\d+(?:\.\d+)?", numbers[1])[:3] if numbers else []
    return tuple(min(255, round(float(part))) for part in parts) if len(parts) == 3 else (0, 255, 0)


def result_name(path):
    """What results are called after: letters, digits, - and _ of the uploaded name, without `_src`."""
    return re.sub(r"[^\w-]+", "_", Path(path).stem.removesuffix("_src")).strip("_")[:40] or "picture"


def chequers(height, width, side=16):
    """What stands for transparency: uint8 (height, width, 3), light and dark squares."""
    squares = (np.arange(height)[:, None] // side + np.arange(width) // side) % 2
    return np.repeat(np.where(squares, 255, 204).astype(np.uint8)[..., None], 3, axis=2)
