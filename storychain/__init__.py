"""storychain: a YAML story in, one film out, nothing paid twice."""

__version__ = "0.1.0"
__all__ = ["__version__"]
