"""The people of an account and what can happen to them: no HTTP in here."""
