"""The background as each frame of a clip needs it: prepared once for a fixed camera, followed for a hand-held one."""

from utils.background.align import estimate_alignment, follow_alignment, look, stood_still
from utils.background.exposure import estimate_exposure
from utils.background.match import match_background

LIGHT_EVERY = 10  # frames between two looks at the exposure
DRIFT = 0.008  # change of exposure that is followed, 0..1: two levels; less would only flicker
MOST_PATIENCE = 64  # frames, at most, until the next attempt after the track was lost


class ClipBackground:
    """Lays a captured background over each frame of a clip, in their order.

    The first frame is matched as a single picture is (utils.background.match). After that a small copy of each frame
    tells whether the camera moved; only then the homography is followed, and estimated anew where the track is lost.

    Args:
        matting: utils.predictor.Matting.
        bgr: uint8 (H, W, 3), RGB, of the frames' size.
        align, match_exposure: as in match_background.

    Attributes:
        first: Match of the first frame.
        frames, moved, anew, lost, exposed: numbers of frames: all; for which the background was moved; for which it
            was estimated anew; to which it could not be fitted, so that the last fit was kept; at which the exposure
            was matched anew.
    """

    def __init__(self, matting, bgr, align="auto", match_exposure="auto"):
        self.matting, self.bgr, self.align, self.match_exposure = matting, bgr, align, match_exposure
        self.first = None
        self.frames = self.moved = self.anew = self.lost = self.exposed = 0
        self._patience, self._pause = 1, 0

    def __call__(self, src):
        """The background for the next frame, uint8 (H, W, 3): what Matting.background made of it."""
        self.frames += 1
        if self.first is None:
            laid, self.first = match_background(src, self.bgr, self.align, self.match_exposure)
            self.alignment, self.exposure = self.first.alignment, self.first.exposure
            self._prepare(laid)
            return self.prepared
        moved = self.align != "off" and not self._paused() and not stood_still(src, self._small)
        if moved and not self._follow(src):
            moved = False
        if (self.match_exposure == "auto" and self.frames % LIGHT_EVERY == 0 and self._expose(src)) or moved:
            self._prepare(self.alignment.apply(self.bgr, src, self.exposure))
        return self.prepared

    @property
    def notes(self):
        """Lines on what was done to the background over the clip so far."""
        lines = list(self.first.notes) if self.first else []
        if self.moved or self.lost:
            anew = f" ({self.anew} times estimated anew)" if self.anew else ""
            lines.append(f"camera moved: background followed in {self.moved} of {self.frames} frames{anew}")
        if self.exposed:
            lines.append(f"light changed: exposure matched again {self.exposed} times")
        return lines

    @property
    def warnings(self):
        """Sentences on what could not be done."""
        if not self.lost:
            return []
        return [
            f"in {self.lost} of {self.frames} frames the background could not be laid over: put the camera on a stand, "
            "or move it less and more slowly"
        ]

    def _prepare(self, laid):
        self.prepared, self._small = self.matting.background(laid), look(laid)

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
