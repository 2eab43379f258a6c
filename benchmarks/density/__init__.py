"""Which model gives a binary data set the highest likelihood: `python -m benchmarks.density`."""
