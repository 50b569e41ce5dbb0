"""Official numbers that the ports are held against: the rule that makes parameters and inputs, and what came out.

`<id>.json` holds for each case what the official network of a named repository and commit gave; `make_<id>.py CHECKOUT`
made it, by importing that repository's own module. Nothing of it is copied, and nothing that the rule can make is
stored.
"""
