"""Pictures of a folder as a Paddle data set."""

from paddle.io import Dataset

from .picture import PictureError, find_pictures, read_alpha, read_rgb, read_rgba

READERS = {"RGB": read_rgb, "L": read_alpha, "RGBA": read_rgba}


class ImagesDataset(Dataset):
    """All pictures below a folder, nested folders included, sorted by path.

    Args:
        root: path of a folder.
        mode: "RGB" -> uint8 (H, W, 3); "L" -> uint8 (H, W), for alpha mattes; "RGBA" -> uint8 (H, W, 4).
        transform: called with each array, its result is the item.

    Raises:
        PictureError: there is no such folder or no picture in it; or, when an item is read, the file is damaged.
    """

    def __init__(self, root, mode="RGB", transform=None):
        super().__init__()
        self.paths = find_pictures(root)
        if not self.paths:
            raise PictureError(f"{root} holds no pictures: put .jpg or .png files there")
        self.read = READERS[mode]
        self.transform = transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        picture = self.read(self.paths[index])
        return self.transform(picture) if self.transform else picture
