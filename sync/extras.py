"""Which of the project's extras brings the driver of a database."""

# By SQLAlchemy's name of the database: the extra, and how an address of its driver begins.
_EXTRAS = {
    "postgresql": ("postgresql", "postgresql+psycopg"),
    "mysql": ("mariadb", "mysql+pymysql"),
    "mariadb": ("mariadb", "mariadb+pymysql"),
    "mssql": ("mssql", "mssql+pyodbc"),
    "oracle": ("oracle", "oracle+oracledb"),
}


def how_to_install(package: str | None, start: str, option: str) -> str:
    """What to do about a missing package of the address that begins so, in the named option."""
    extra, usual = _EXTRAS.get(start.partition("+")[0], ("", ""))
    if not extra:
        return f"pip install {package}"
    install = f"pip install 'contact-sync[{extra}]'"
    return install if start == usual else f"begin {option} with {usual}:// and {install}"
