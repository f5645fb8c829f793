"""Many pictures on one, in rows and columns with captions."""

from itertools import zip_longest

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.picture.resize import reduced

GAP, CAPTION = 6, 20  # pixels
TILE, STRENGTH = 960, 4  # of the debug picture: long side of a part in pixels, gain of the difference


def contact_sheet(rows, captions, titles=None, height=256):
    """Lay out pictures.

    Args:
        rows: list of rows, each a list of uint8 pictures (H, W) or (H, W, 3); None leaves a place empty.
        captions: one line of text above each row.
        titles: one word or two above each column, or None.
        height: every picture is scaled to this many rows.

    Returns uint8 (H, W, 3), dark text on light grey, before which white alphas can be seen.
    """
    scaled = [[None if picture is None else _scale(picture, height) for picture in row] for row in rows]
    columns = list(zip_longest(*scaled))
    widths = [max((picture.width for picture in column if picture is not None), default=0) for column in columns]
    top = CAPTION if titles else 0
    size = sum(widths) + GAP * (len(columns) + 1), top + len(rows) * (height + CAPTION + GAP) + GAP
    sheet = Image.new("RGB", size, "lightgrey")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=13)
    lefts = [GAP + sum(widths[:c]) + GAP * c for c in range(len(columns))]
    for left, title in zip(lefts, titles or []):
        draw.text((left, 3), title, fill="black", font=font)
    for number, (row, caption) in enumerate(zip(scaled, captions)):
        y = top + number * (height + CAPTION + GAP)
        draw.text((GAP, y + 3), caption, fill="black", font=font)
        for left, picture in zip(lefts, row):
            if picture is not None:
                sheet.paste(picture, (left, y + CAPTION))
    return np.asarray(sheet)


def _scale(picture, height):
    image = Image.fromarray(picture).convert("RGB")
    width = max(1, round(image.width * height / image.height))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def debug_picture(src, bgr, pha):
    """Source, background as the network saw it, their difference (four times as strong) and alpha in one picture.

    Args: src, bgr uint8 (H, W, 3); pha uint8 (H, W). Returns uint8 (h, w, 3), each part at most 960 pixels long.
    """
    src, bgr, pha = (reduced(x, TILE) for x in (src, bgr, pha))
    difference = cv2.convertScaleAbs(cv2.absdiff(src, bgr), alpha=STRENGTH)
    captions = "source, background", f"difference x{STRENGTH}, alpha"
    return contact_sheet([[src, bgr], [difference, pha]], captions, height=len(src))
