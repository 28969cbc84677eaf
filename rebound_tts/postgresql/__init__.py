"""Django's PostgreSQL backend, whose prepared statements outlive a migration."""
