"""contact-sync: a company's contacts, every day, in its Constant Contact account."""
