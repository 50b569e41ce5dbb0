"""The engine of Likeness: everything that can be done to photos, faces, priors and people, without a screen."""

__version__ = "0.1.0"
