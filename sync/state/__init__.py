"""What the program remembers between and during runs: the state database and its locks."""
