"""Data for the chapters: digits that arrive with installed packages, toy densities, time series.

Nothing here touches the network, except `mnist(download=True)`.
"""

from course_lib.data.digits import digits_8x8, mnist_5k
from course_lib.data.images import ImageData, Split, binarize, flatten
from course_lib.data.mnist_archive import mnist
from course_lib.data.time_series import ar_process
from course_lib.data.toy import ToyDensity, toy_density

__all__ = [
    "ImageData",
    "Split",
    "ToyDensity",
    "ar_process",
    "binarize",
    "digits_8x8",
    "flatten",
    "mnist",
    "mnist_5k",
    "toy_density",
]
