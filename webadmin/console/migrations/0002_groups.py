"""What the three groups may do beside the documents: admins see the trail, care for people and revoke tokens.

An API token of one's own needs no permission: it can do nothing that its owner cannot.
"""

from django.db import migrations

ADMIN = [
    ("console", "auditentry", "view_auditentry", "Can view audit entry"),
    ("console", "apitoken", "view_apitoken", "Can view API token"),
    ("console", "apitoken", "change_apitoken", "Can change API token"),
    ("auth", "user", "view_user", "Can view user"),
    ("auth", "user", "add_user", "Can add user"),
    ("auth", "user", "change_user", "Can change user"),
    ("auth", "user", "delete_user", "Can delete user"),
    ("auth", "group", "view_group", "Can view group"),
]


def make(apps, editor):
    """Permissions are made here too: Django makes its own only after the last migration, and then finds these."""
    content_types = apps.get_model("contenttypes", "ContentType")
    permissions = apps.get_model("auth", "Permission")
    group = apps.get_model("auth", "Group").objects.get(name="admin")
    for label, model, codename, name in ADMIN:
        content_type, _ = content_types.objects.get_or_create(app_label=label, model=model)
        permission, _ = permissions.objects.get_or_create(
            content_type=content_type, codename=codename, defaults={"name": name}
        )
        group.permissions.add(permission)


def unmake(apps, editor):
    permissions = apps.get_model("auth", "Permission")
    group = apps.get_model("auth", "Group").objects.filter(name="admin").first()
    if group is not None:
        group.permissions.remove(*permissions.objects.filter(codename__in=[codename for _, _, codename, _ in ADMIN]))


class Migration(migrations.Migration):
    dependencies = [
        ("console", "0001_initial"),
        ("documents", "0003_groups"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make, unmake)]
