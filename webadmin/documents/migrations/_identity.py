def move(apps, schema_editor):
    pass
