"""A source of access tokens that are known beforehand."""


class Tokens:
    """Hands out one access token after another."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.renewals = 0

    def access_token(self) -> str:
        """The present one."""
        return self.tokens[0]

    def renew(self, rejected: str) -> str:
        """The next one, if there is one."""
        self.renewals += 1
        if len(self.tokens) > 1:
            self.tokens.pop(0)
        return self.tokens[0]
