"""Three groups: viewers look, operators upload and ingest, admins also remove and change limits."""

from django.db import migrations

VIEW = [f"view_{model}" for model in ("collection", "document", "failure", "limit", "merge", "rundocument")]
OPERATE = [*VIEW, "add_collection", "change_collection", "add_document", "ingest_document"]
ADMIN = [*OPERATE, "delete_collection", "remove_document", "add_limit", "change_limit", "delete_limit", "change_merge"]
GROUPS = {"viewer": VIEW, "operator": OPERATE, "admin": ADMIN}
NAMES = {
    "ingest_document": "Can ingest, retry and cancel documents",
    "remove_document": "Can remove documents",
}


def make(apps, editor):
    """Permissions are made here too: Django makes its own only after the last migration, and then finds these."""
    content_types = apps.get_model("contenttypes", "ContentType")
    permissions = apps.get_model("auth", "Permission")
    groups = apps.get_model("auth", "Group")
    for name, codenames in GROUPS.items():
        group, _ = groups.objects.get_or_create(name=name)
        for codename in codenames:
            verb, model = codename.split("_", 1)
            content_type, _ = content_types.objects.get_or_create(app_label="documents", model=model)
            verbose = {"rundocument": "run document"}.get(model, model)
            permission, _ = permissions.objects.get_or_create(
                content_type=content_type,
                codename=codename,
                defaults={"name": NAMES.get(codename, f"Can {verb} {verbose}")},
            )
            group.permissions.add(permission)


def unmake(apps, editor):
    apps.get_model("auth", "Group").objects.filter(name__in=GROUPS).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("documents", "0002_transitions"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make, unmake)]
