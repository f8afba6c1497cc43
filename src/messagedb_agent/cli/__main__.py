"""`python -m messagedb_agent.cli`."""

from messagedb_agent.cli.main import entry_point

if __name__ == "__main__":
    entry_point()
