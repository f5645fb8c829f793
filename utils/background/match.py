"""Make the captured background fit what the network sees with it: a picture, or each frame of a clip."""

from dataclasses import dataclass, replace

from utils.background.align import estimate_alignment, follow_alignment, look, nothing_to_do
from utils.background.exposure import AS_IT_IS, estimate_exposure
from utils.system.notes import Note

EXPOSURE_MODES = ("auto", "off")


@dataclass(frozen=True)
class Correction:
    """What may be corrected around the network."""

    align: str = "auto"  # one of utils.background.align.MODES
    exposure: str = "auto"  # one of EXPOSURE_MODES
    alpha: bool = True  # whether alpha is corrected, see utils.prediction.loop


AUTOMATIC = Correction()


def match_background(src, bgr, align="auto", match_exposure="auto"):
    """Align the background with the source and bring it to the source's exposure, each where it is needed.

    Args: src, bgr uint8 (H, W, 3), RGB, of equal size; align one of utils.background.align.MODES; match_exposure one
    of EXPOSURE_MODES. Returns bgr, uint8 (H, W, 3), the very same array where nothing was to be done; and the
    Alignment, which says what was done.
    """
    alignment, light = estimate_alignment(src, bgr, align), AS_IT_IS
    if match_exposure != "off":
        light = alignment.light or estimate_exposure(src, replace(alignment, light=None).apply(bgr, src))
    alignment = replace(alignment, light=light)
    return alignment.apply(bgr, src), alignment


class ClipBackground:
    """Aligns a captured background with each frame of a clip, in their order.

    The first frame is matched as a single picture is. After that a small copy of each frame tells whether the camera
    moved; only then the homography is followed, and estimated anew where the track is lost.

    Args: bgr uint8 (H, W, 3), RGB, of the frames' size; align, match_exposure as in match_background.

    Attributes:
        first, alignment: Alignment of the first frame, and the last one.
        frames, moved, lost, exposed: numbers of frames: all; for which the background was moved; to which it could not
            be fitted, so that the last fit was kept; at which the exposure was matched anew.
    """

    def __init__(self, bgr, align="auto", match_exposure="auto"):
        self.bgr, self.align, self.match_exposure, self.first = bgr, align, match_exposure, None
        self.frames = self.moved = self.lost = self.exposed = 0
        self._patience, self._paused = 1, 0  # frames; number of the last frame for which the track is not sought

    def __call__(self, src):
        """The background for the next frame, uint8 (H, W, 3): the very same array while nothing changes."""
        self.frames += 1
        if self.first is None:
            self._laid, self.first = match_background(src, self.bgr, self.align, self.match_exposure)
            self.alignment = self.first
        elif any([self._follow(src), self._expose(src)]):
            self._laid = self.alignment.apply(self.bgr, src)
        else:
            return self._laid
        self._look = look(self._laid)
        return self._laid

    @property
    def notes(self):
        """Notes on what was done to the background after the first frame, and on what could not be."""
        notes = [
            (self.moved or self.lost, Note("followed", moved=self.moved, frames=self.frames)),
            (self.exposed, Note("exposed_again", times=self.exposed, frames=self.frames)),
            (self.lost, Note("lost", lost=self.lost, frames=self.frames)),
        ]
        return [note for due, note in notes if due]

    def _follow(self, src):
        """Whether the background has to be moved for this frame: then `alignment` says how."""
        if self.frames > self._paused:
            if self.align == "off" or nothing_to_do(src, *self._look):
                return False
            found = follow_alignment(self.alignment, src, self.bgr)
            if found.matrix is None:
                found = replace(estimate_alignment(src, self.bgr, "homography"), light=self.alignment.light)
            if found.matrix is not None:
                self.alignment, self._patience = found, 1
                self.moved += 1
                return True
            self._paused, self._patience = self.frames + self._patience, min(2 * self._patience, 64)
        self.lost += 1
        return False

    def _expose(self, src):
        """Whether the light has changed: then `alignment` says how. Every tenth frame is looked at."""
        if self.match_exposure == "off" or self.frames % 10:
            return False
        laid = replace(self.alignment, light=None).apply(self.bgr, src)
        now = estimate_exposure(src, self.alignment.light.apply(laid))
        if now.before - now.after < 0.008:  # two levels: less would only flicker
            return False
        self.alignment = replace(self.alignment, light=estimate_exposure(src, laid))
        self.exposed += 1
        return True
