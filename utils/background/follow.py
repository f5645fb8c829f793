"""The background as each frame of a clip needs it: the same for a fixed camera, followed for a hand-held one."""

from utils.background.align import estimate_alignment, follow_alignment, look, stood_still
from utils.background.exposure import estimate_exposure
from utils.background.match import match_background
from utils.system.notes import Note

LIGHT_EVERY = 10  # frames between two looks at the exposure
DRIFT = 0.008  # change of exposure that is followed, 0..1: two levels; less would only flicker
MOST_PATIENCE = 64  # frames, at most, until the next attempt after the track was lost


class ClipBackground:
    """Aligns a captured background with each frame of a clip, in their order.

    The first frame is matched as a single picture is (utils.background.match). After that a small copy of each frame
    tells whether the camera moved; only then the homography is followed, and estimated anew where the track is lost.

    Args:
        bgr: uint8 (H, W, 3), RGB, of the frames' size.
        align, match_exposure: as in match_background.

    Attributes:
        first: Match of the first frame.
        frames, moved, anew, lost, exposed: numbers of frames: all; for which the background was moved; for which it
            was estimated anew; to which it could not be fitted, so that the last fit was kept; at which the exposure
            was matched anew.
    """

    def __init__(self, bgr, align="auto", match_exposure="auto"):
        self.bgr, self.align, self.match_exposure = bgr, align, match_exposure
        self.first = None
        self.frames = self.moved = self.anew = self.lost = self.exposed = 0
        self._patience, self._pause = 1, 0

    def __call__(self, src):
        """The background for the next frame, uint8 (H, W, 3): the very same array while nothing changes."""
        self.frames += 1
        if self.first is None:
            laid, self.first = match_background(src, self.bgr, self.align, self.match_exposure)
            self.alignment, self.exposure = self.first.alignment, self.first.exposure
            self._keep(laid)
            return self._laid
        moved = self.align != "off" and not self._paused()
        moved = moved and not stood_still(src, self._small) and self._follow(src)
        if (self.match_exposure == "auto" and self.frames % LIGHT_EVERY == 0 and self._expose(src)) or moved:
            self._keep(self.alignment.apply(self.bgr, src, self.exposure))
        return self._laid

    @property
    def notes(self):
        """Notes on what was done to the background after the first frame, and on what could not be."""
        notes = []
        if self.moved or self.lost:
            notes.append(Note("followed", moved=self.moved, frames=self.frames))
        if self.anew:
            notes.append(Note("found_anew", times=self.anew))
        if self.exposed:
            notes.append(Note("exposed_again", times=self.exposed, frames=self.frames))
        if self.lost:
            notes.append(Note("lost", lost=self.lost, frames=self.frames))
        return notes

    def _keep(self, laid):
        self._laid, self._small = laid, look(laid)

    def _paused(self):
        self._pause -= 1
        if self._pause >= 0:
            self.lost += 1
        return self._pause >= 0

    def _follow(self, src):
        found = follow_alignment(self.alignment, src, self.bgr, self.exposure)
        if found is None:
            found = estimate_alignment(src, self.bgr, "homography")
            if found.reason is not None:
                self.lost += 1
                self._pause, self._patience = self._patience, min(2 * self._patience, MOST_PATIENCE)
                return False
            self.anew += 1
        self.alignment, self._patience = found, 1
        self.moved += 1
        return True

    def _expose(self, src):
        laid = self.alignment.apply(self.bgr, src)
        now = estimate_exposure(src, self.exposure.apply(laid))
        if now.reason is not None or now.before - now.after < DRIFT:
            return False
        self.exposure = estimate_exposure(src, laid)
        self.exposed += 1
        return True
