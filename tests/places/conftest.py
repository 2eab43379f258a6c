"""Fixtures that several of these tests share."""

from tests.places.people import small_disk, somebody

__all__ = ["small_disk", "somebody"]
