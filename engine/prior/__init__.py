"""The diffusion model and its parts, as values and pure functions.

A `Prior` is the denoiser, the autoencoder, the text encoder, the guide, the cleaner and the noise schedule. Nothing
here knows people, folders of photos or a person's prompt, and nothing here changes a prior: a variant is a new value.
"""
