"""Django's PostgreSQL backend for prepared statements: they outlive a migration, and take a number of values."""
