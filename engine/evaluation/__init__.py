"""Measuring what Likeness does: the demo with the sample person, the table over people, speed, and self-checks."""
