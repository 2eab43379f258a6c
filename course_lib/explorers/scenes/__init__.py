"""The interactive figures of the chapters, one a file, made of what `course_lib.explorers` holds."""
