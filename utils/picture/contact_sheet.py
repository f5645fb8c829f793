"""Many pictures on one, in rows and columns with captions."""

from itertools import accumulate, count, zip_longest

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils.picture.resize import reduced

GAP, CAPTION = 6, 20  # pixels


def contact_sheet(rows, captions, titles=None, height=256):
    """Lay out pictures.

    Args: rows list of rows, each a list of uint8 pictures (H, W) or (H, W, 3), None leaves a place empty; captions one
    line of text above each row; titles one word or two above each column, or None; height that every picture gets.

    Returns uint8 (H, W, 3), dark text on light grey, before which white alphas can be seen.
    """

    def scaled(picture):
        image = Image.fromarray(picture).convert("RGB")
        return image.resize((max(1, round(image.width * height / image.height)), height), Image.Resampling.LANCZOS)

    rows = [[None if picture is None else scaled(picture) for picture in row] for row in rows]
    widths = [max((picture.width for picture in filter(None, column)), default=0) for column in zip_longest(*rows)]
    *lefts, right = accumulate((width + GAP for width in widths), initial=GAP)
    top, step = CAPTION if titles else 0, height + CAPTION + GAP
    sheet = Image.new("RGB", (right, top + len(rows) * step + GAP), "lightgrey")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for left, title in zip(lefts, titles or []):
        draw.text((left, 3), title, fill="black", font=font)
    for y, row, caption in zip(count(top, step), rows, captions):
        draw.text((GAP, y + 3), caption, fill="black", font=font)
        for left, picture in zip(lefts, row):
            if picture is not None:
                sheet.paste(picture, (left, y + CAPTION))
    return np.asarray(sheet)


def debug_picture(src, bgr, pha):
    """Source, background as the network saw it, their difference (four times as strong) and alpha in one picture.

    Args: src, bgr uint8 (H, W, 3); pha uint8 (H, W). Returns uint8 (h, w, 3), each part at most 960 pixels long.
    """
    src, bgr, pha = (reduced(x, 960) for x in (src, bgr, pha))
    difference = cv2.convertScaleAbs(cv2.absdiff(src, bgr), alpha=4)
    captions = "source, background", "difference x4, alpha"
    return contact_sheet([[src, bgr], [difference, pha]], captions, height=len(src))
