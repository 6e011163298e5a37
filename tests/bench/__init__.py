"""tally held against what else there is: `make bench`."""
