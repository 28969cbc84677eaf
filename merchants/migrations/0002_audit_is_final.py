"""The database itself refuses to change an entry of the audit log, and to delete one of the last 365 days."""

from django.db import migrations

REFUSED = "An entry of the audit log is final."
SQLITE = [
    f"""
    CREATE TRIGGER audit_entry_is_not_changed BEFORE UPDATE ON merchants_auditentry
    BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END
    """,
    f"""
    CREATE TRIGGER audit_entry_is_not_deleted BEFORE DELETE ON merchants_auditentry
    WHEN OLD.at > datetime('now', '-365 days')
    BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END
    """,
]
POSTGRESQL = [
    f"""
    CREATE FUNCTION audit_entry_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '{REFUSED}' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER audit_entry_is_not_changed BEFORE UPDATE ON merchants_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_is_final()
    """,
    """
    CREATE TRIGGER audit_entry_is_not_deleted BEFORE DELETE ON merchants_auditentry
    FOR EACH ROW WHEN (OLD.at > now() - interval '365 days') EXECUTE FUNCTION audit_entry_is_final()
    """,
]
UNDO_SQLITE = ["DROP TRIGGER audit_entry_is_not_changed", "DROP TRIGGER IF EXISTS audit_entry_is_not_deleted"]
UNDO_POSTGRESQL = [
    "DROP TRIGGER audit_entry_is_not_changed ON merchants_auditentry",
    "DROP TRIGGER audit_entry_is_not_deleted ON merchants_auditentry",
    "DROP FUNCTION audit_entry_is_final()",
]


def forwards(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


def backwards(apps, schema_editor):
    for statement in UNDO_POSTGRESQL if schema_editor.connection.vendor == "postgresql" else UNDO_SQLITE:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    replaces = [("merchants", "0006_audit_is_final")]
    dependencies = [("merchants", "0001_first_release")]
    operations = [migrations.RunPython(forwards, backwards)]
