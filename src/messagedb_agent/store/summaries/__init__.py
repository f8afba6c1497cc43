"""What lists tell of threads, added up by the database, and kept of long ones."""
