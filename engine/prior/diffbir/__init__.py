"""The real base: DiffBIR v1, v2 and v2.1 on Stable Diffusion 2.1, from the files as their authors publish them.

The networks are diffusers' and transformers' own; `keys` says what each of their tensors is called in a published file,
`convert` stores them once as safetensors, `load` makes a `Prior` of what was stored. Facts: DiffBIR@3f8b530, and for
version 1 @ea13481.
"""
