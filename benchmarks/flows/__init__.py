"""How well the flows fit, and how fast they train and sample: `python -m benchmarks.flows`."""
