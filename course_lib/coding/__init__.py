"""Any model is a compressor: range coding, bits back and local bits back, in files that notice damage."""

from course_lib.coding.autoregressive import AutoregressiveCode
from course_lib.coding.bits_back import BitsBackCode, BitsBackReport
from course_lib.coding.codec import code_of, compress, decompress
from course_lib.coding.container import CodingError, fingerprint
from course_lib.coding.flow import FlowCode
from course_lib.coding.gaussian_grid import GaussianGrid
from course_lib.coding.vae import VaeCode

__all__ = [
    "AutoregressiveCode",
    "BitsBackCode",
    "BitsBackReport",
    "CodingError",
    "FlowCode",
    "GaussianGrid",
    "VaeCode",
    "code_of",
    "compress",
    "decompress",
    "fingerprint",
]
