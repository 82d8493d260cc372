"""What keeps: one SQLite file, its rows and its history. SQL lives here and nowhere else; no rules live here."""
