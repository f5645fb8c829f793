"""The refiner: find the cells where the coarse matte is likely wrong, and compute only those at full resolution.

Lin et al. 2021, section 3.2. A cell is 4x4 pixels at full size and 2x2 at half size. Every selected cell is refined
from a patch: the cell with a margin of three half-size pixels, since two 3x3 convolutions at half size and two at full
size, none of them padded, use up that much.
"""

import paddle
from paddle import nn
from paddle.nn import functional as F
from paddle.vision.ops import roi_align

from .layers import BatchNorm2D, Conv2D
from .resize import bilinear, nearest, size_of


class Refiner(nn.Layer):
    """Refine a coarse alpha and foreground residual with the full-size pictures.

    Args:
        mode: `"sampling"` refines the `sample_pixels // 16` cells of each image with the largest predicted error,
            `"thresholding"` the cells whose error exceeds `threshold`, `"full"` the whole picture.
        sample_pixels: number of full-size pixels to refine in each image (sampling).
        threshold: predicted error, 0..1, above which a cell is refined (thresholding).
        kernel_size: 3, or 1 (no margins: faster, less accurate).
        prevent_oversampling: do not refine cells whose predicted error is exactly 0 (sampling), so that an easy image
            refines fewer than `sample_pixels`. Switch it off to measure a constant amount of work.

    `mode`, `sample_pixels`, `threshold` and `prevent_oversampling` may be changed at any time.
    """

    def __init__(self, mode, sample_pixels, threshold, kernel_size=3, prevent_oversampling=True):
        super().__init__()
        self.mode, self.sample_pixels, self.threshold = mode, sample_pixels, threshold
        self.kernel_size, self.prevent_oversampling = kernel_size, prevent_oversampling
        self.conv1 = Conv2D(42, 24, kernel_size)
        self.bn1 = BatchNorm2D(24)
        self.conv2 = Conv2D(24, 16, kernel_size)
        self.bn2 = BatchNorm2D(16)
        self.conv3 = Conv2D(22, 12, kernel_size)
        self.bn3 = BatchNorm2D(12)
        self.conv4 = Conv2D(12, 4, kernel_size, bias=True)

    @paddle.jit.not_to_static
    def forward(self, src, bgr, pha, fgr, err, hid):
        """Refine one batch.

        Args:
            src, bgr: (b, 3, h, w) float32, 0..1; h and w divisible by 4.
            pha: (b, 1, hc, wc) coarse alpha, 0..1.
            fgr: (b, 3, hc, wc) coarse foreground residual (foreground minus src), not clamped.
            err: (b, 1, hc, wc) predicted error of the coarse alpha, 0..1.
            hid: (b, 32, hc, wc) hidden features.

        Returns:
            pha (b, 1, h, w), not clamped; fgr residual (b, 3, h, w); ref (b, 1, h/4, w/4), 1 where a cell was refined.
        """
        maps = paddle.concat([hid, pha, fgr], axis=1)
        if self.mode == "full":
            refined, ref = self._refine_everything(src, bgr, maps), paddle.ones_like(src[:, :1, ::4, ::4])
        else:
            with paddle.no_grad():
                ref = self.select_cells(err.detach(), src)
            coarse = bilinear(paddle.concat([pha, fgr], axis=1), size_of(src))
            refined = self._refine_cells(src, bgr, maps, ref, coarse)
        return refined[:, :1], refined[:, 1:], ref

    def select_cells(self, err, src):
        """(b, 1, hc, wc) predicted error -> (b, 1, h/4, w/4) float32 map, 1 for the cells to refine, else 0."""
        height, width = size_of(src)
        err = bilinear(err, (height // 4, width // 4))
        if self.mode == "thresholding":
            return (err > self.threshold).astype("float32")
        flat = err.flatten(1)
        wanted, there = self.sample_pixels // 16, flat.shape[1]
        if there >= 0:
            wanted = min(wanted, there)
        else:
            there = paddle.shape(flat)[1]
            wanted = paddle.minimum(paddle.full_like(there, wanted), there)
        if isinstance(wanted, int) and wanted == 0:
            return paddle.zeros_like(err)
        _, cells = paddle.topk(flat, wanted, axis=1, sorted=False)
        ref = paddle.put_along_axis(
            paddle.zeros_like(flat, dtype="float32"), cells, paddle.ones_like(cells, dtype="float32"), axis=1
        )
        ref = ref.reshape(paddle.shape(err))
        return ref * (err > 0).astype("float32") if self.prevent_oversampling else ref

    def _refine_everything(self, src, bgr, maps):
        """The whole picture (b, 4, h, w) at once, with zeros around it in place of the patches' margins."""
        height, width = size_of(src)
        half = height // 2, width // 2
        pictures = paddle.concat([src, bgr], axis=1)
        x = paddle.concat([bilinear(maps, half), bilinear(pictures, half)], axis=1)
        margin = 0 if self.kernel_size == 1 else 1
        if margin:
            x = F.pad(x, [3, 3, 3, 3])
            pictures = F.pad(pictures, [2, 2, 2, 2])
        x = nearest(self._half_size(x), (height + 4 * margin, width + 4 * margin))
        return self._full_size(x, pictures)

    def _refine_cells(self, src, bgr, maps, ref, coarse):
        """Return `coarse` (b, 4, h, w) with the n cells that `ref` marks replaced by their refinement.

        The sizes in the comments are those of 3x3 kernels; with 1x1 kernels there are no margins: 2 for 8, 4 for 16.
        """
        tracing = not paddle.in_dynamic_mode()
        marked = ref[:, 0]
        if tracing:  # a program cannot skip empty work: let it compute one cell at least, and drop the result below
            first = paddle.arange(paddle.numel(marked)).reshape(paddle.shape(marked)) == 0
            marked = paddle.maximum(marked, first.astype("float32"))
        cells = paddle.nonzero(marked)  # image, row, column
        if not tracing and cells.shape[0] == 0:
            return coarse
        per_image = marked.sum(axis=[1, 2]).astype("int32")

        margin = 0 if self.kernel_size == 1 else 3
        windows = [_crop(picture, cells, per_image, 4, 2 * margin, (1, 1)) for picture in (src, bgr)]
        pixels = paddle.concat(windows, axis=1)  # (n, 6, 16, 16), full size
        height, width = size_of(src)
        hc, wc = size_of(maps)
        maps = _crop(maps, cells, per_image, 2, margin, (hc / (height // 2), wc / (width // 2)))  # (n, 36, 8, 8), half
        if margin:
            pixels = pixels * _inside(cells, 4, 2 * margin, (height, width)).astype(pixels.dtype)
            maps = maps * _inside(cells, 2, margin, (height // 2, width // 2)).astype(maps.dtype)
        halved = F.avg_pool2d(pixels, 2)  # bilinear by one half, with half-pixel centres, is the mean of 2x2
        if margin:
            pixels = pixels[:, :, 4:-4, 4:-4]

        x = self._half_size(paddle.concat([maps, halved], axis=1))  # (n, 16, 4, 4)
        x = F.interpolate(x, scale_factor=2, mode="nearest")  # (n, 16, 8, 8)
        x = self._full_size(x, pixels)  # (n, 4, 4, 4)
        return self._replace(coarse, cells, x, ref if tracing else None)

    def _half_size(self, x):
        """The convolutions at half size: (n, 42, h, w) -> (n, 16, h - 4, w - 4), of 1x1 kernels the size stays."""
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))

    def _full_size(self, x, pictures):
        """Those at full size: (n, 16, h, w) and both pictures (n, 6, h, w) -> (n, 4, h - 4, w - 4)."""
        x = F.relu(self.bn3(self.conv3(paddle.concat([x, pictures], axis=1))))
        return self.conv4(x)

    @staticmethod
    def _replace(picture, cells, patches, ref):
        """Write patches (cells, 4, 4, 4) over the cells of a picture (b, 4, h, w), as rows of four pixels.

        Where `ref` (b, 1, h/4, w/4) is given, cells that it does not mark keep what the picture holds.
        """
        height, width = size_of(picture)
        row = cells[:, 1].reshape([-1, 1, 1]) * 4 + paddle.arange(4, dtype="int64").reshape([1, 1, 4])
        channel = cells[:, 0].reshape([-1, 1, 1]) * 4 + paddle.arange(4, dtype="int64").reshape([1, 4, 1])
        index = ((channel * height + row) * (width // 4) + cells[:, 2].reshape([-1, 1, 1])).flatten()
        rows, patches = picture.reshape([-1, 4]), patches.reshape([-1, 4])
        if ref is not None:
            keep = paddle.gather_nd(ref[:, 0], cells).reshape([-1, 1]).expand([-1, 16]).reshape([-1, 1]) == 0
            patches = paddle.where(keep.expand([-1, 4]), paddle.gather(rows, index), patches)
        return paddle.scatter(rows, index, patches, overwrite=True).reshape(paddle.shape(picture))


def _crop(x, cells, per_image, step, margin, ratio):
    """Windows of `x` (b, c, h, w) around cells, at the pixel centres of a picture `1 / ratio` times as large.

    cells: (n, 3) image, row, column; grouped by image, `per_image` (b,) of each. step: size of a cell in the window,
    where cell i begins at i * step; margin: pixels around it. ratio: vertical and horizontal.

    Returns (n, c, step + 2 * margin, step + 2 * margin), bilinear; what lies outside `x` is undefined.
    """
    (ratio_y, ratio_x), size = ratio, step + 2 * margin
    if x.dtype != paddle.float64:
        x = x.astype("float32")  # coordinates of a large picture do not fit a 16-bit number
    top = (cells[:, 1] * step - margin).astype(x.dtype) * ratio_y
    left = (cells[:, 2] * step - margin).astype(x.dtype) * ratio_x
    boxes = paddle.stack([left, top, left + size * ratio_x, top + size * ratio_y], axis=1)
    return roi_align(x, boxes, per_image, size, spatial_scale=1.0, sampling_ratio=1, aligned=True)


def _inside(cells, step, margin, size):
    """(n, 1, s, s) bool: true where a cell's window lies inside a picture of `size`, false where zeros stand."""
    offsets = paddle.arange(-margin, step + margin, dtype="int64")
    rows, columns = (cells[:, axis : axis + 1] * step + offsets for axis in (1, 2))
    rows, columns = (paddle.logical_and(at >= 0, at < length) for at, length in zip((rows, columns), size))
    return paddle.logical_and(rows.unsqueeze([1, 3]), columns.unsqueeze([1, 2]))
