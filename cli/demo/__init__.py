"""`fixstream demo`: the whole loop on this machine, with a sample shop that fails for real."""
