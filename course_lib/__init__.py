"""The small library behind the course on deep generative models.

Data flows one way: ``data`` → a model family → a loss → ``training.fit`` → ``figures``.
Each chapter has its own folder; importing this package imports none of them.
"""

__version__ = "0.1.0"
