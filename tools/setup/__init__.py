"""The set-up of the course: from a bare Python to an environment with every pinned package."""
