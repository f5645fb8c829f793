"""Predictions to score: files of any program, or the network's own, in batches of one size."""

import sys
from pathlib import Path

from dataset.errors import PictureError
from dataset.picture import read_alpha, read_rgb
from utils.evaluation.samples import by_name

# What one picture may fail with; anything else is a mistake in the program and ends it.
PICTURE_FAILURES = (ValueError, OSError, MemoryError, RuntimeError)


class PredictionFolder:
    """Predictions of any program on disk: DIR/NAME.png, or DIR/pha/NAME.png with DIR/fgr/NAME.png beside it.

    Call it with a Sample to get its (pha, fgr); raises PictureError naming a missing, wrong-sized or damaged file.
    """

    def __init__(self, folder):
        folder = Path(folder)
        self.folder = folder / "pha" if (folder / "pha").is_dir() else folder
        self.pha = by_name(self.folder)
        self.fgr = by_name(folder / "fgr") if self.folder != folder and (folder / "fgr").is_dir() else {}

    def __call__(self, sample):
        if sample.name not in self.pha:
            raise PictureError(f"{self.folder / sample.name}.png is missing: predict this picture too")
        pha = self._read(read_alpha, self.pha[sample.name], sample)
        fgr = self._read(read_rgb, self.fgr[sample.name], sample) if sample.name in self.fgr else None
        return pha, fgr

    def extra(self, names):
        """Files that belong to no sample, sorted."""
        return sorted(str(path) for name, path in self.pha.items() if name not in set(names))

    @staticmethod
    def _read(read, path, sample):
        picture = read(path)
        (height, width), (true_height, true_width) = picture.shape[:2], sample.pha.shape
        if (height, width) != (true_height, true_width):
            raise PictureError(f"{path} is {width}x{height}, its truth {true_width}x{true_height}: they must agree")
        return picture


def _predict(predictor, loaded, batch_size):
    """Yields (index, sample, (pha, fgr), error) in order."""
    paddle = sys.modules.get("paddle")  # whoever has a network has imported it
    if paddle is None or not isinstance(predictor, paddle.nn.Layer):
        for index, sample, error in loaded:
            prediction = None
            if error is None:
                try:
                    prediction = predictor(sample)
                except PICTURE_FAILURES as failure:
                    error = failure
            yield index, sample, prediction, error
        return
    training = predictor.training
    predictor.eval()
    try:
        for batch in _batches(loaded, batch_size):
            yield from _predict_batch(predictor, batch)
    finally:
        if training:
            predictor.train()


def _batches(loaded, batch_size):
    batch = []
    for item in loaded:
        fits = batch and item[2] is None and batch[-1][2] is None and item[1].src.shape == batch[-1][1].src.shape
        if batch and (not fits or len(batch) == batch_size):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _predict_batch(model, batch):
    import paddle

    from utils.picture.tensor import to_tensor

    if batch[0][2] is not None:
        index, _, error = batch[0]
        yield index, None, None, error
        return
    try:
        with paddle.no_grad():
            pairs = [to_tensor(sample.src, sample.bgr) for _, sample, _ in batch]
            src, bgr = (paddle.concat(list(part)) for part in zip(*pairs))
            pha, fgr = (result.numpy() for result in model(src, bgr)[:2])
    except PICTURE_FAILURES as error:
        for index, sample, _ in batch:
            yield index, sample, None, error
        return
    for (index, sample, _), pha_one, fgr_one in zip(batch, pha, fgr):
        yield index, sample, (pha_one[0], fgr_one.transpose(1, 2, 0)), None
