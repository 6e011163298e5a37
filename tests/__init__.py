"""Everything that makes tally's tests real."""
