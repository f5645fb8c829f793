"""The error of everything that reads pictures, and errors as one line of text."""


class PictureError(ValueError):
    """A picture file cannot be used; the message is one sentence that names the file and the remedy."""


def one_line(error):
    """What an exception says, on one line; the name of its class if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
