"""Pictures. Every function takes arrays or callables, never a model, and returns a matplotlib figure or axes."""
