"""Pictures of a folder as a Paddle data set."""

from paddle.io import Dataset, Subset

from .picture import PictureError, find_pictures, read_rgb


class ImagesDataset(Dataset):
    """All pictures below a folder, nested folders included, sorted by path: uint8 (H, W, 3), RGB.

    Raises PictureError: there is no such folder or no picture in it; or, when an item is read, the file is damaged.
    """

    def __init__(self, root):
        super().__init__()
        self.paths = find_pictures(root)
        if not self.paths:
            raise PictureError(f"{root} holds no pictures: put .jpg or .png files there")

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return read_rgb(self.paths[index])


def sampled(dataset, samples):
    """A data set of at most `samples` items of another, evenly spaced from its first."""
    return Subset(dataset, range(0, len(dataset), max(len(dataset) // max(samples, 1), 1))[:samples])
