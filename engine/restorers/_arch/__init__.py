"""Networks that no library has, written here from their papers and held against the authors' own by parity tests."""
