"""Training the embedded prior from a folder of aligned faces: the cleaner first, then prior and guide together.

Shipped weights come from here and nowhere else. It runs the same on a CPU and on CUDA, stops and resumes exactly, and
writes only averaged half-precision weights.
"""
