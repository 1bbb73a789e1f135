"""Starts contact-sync; `python main.py --help` tells the rest."""

from sync.cli import main

if __name__ == "__main__":
    main()
