"""The real tallyd and tally against the gateway."""
