"""The authorization: the one visit of a person, and the token pair that lives from then on."""
