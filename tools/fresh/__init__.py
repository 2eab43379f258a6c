"""Bare Debian roots in which the course is set up as a newcomer would."""
