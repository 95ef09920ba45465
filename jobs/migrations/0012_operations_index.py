from django.db import migrations, models

from jobs.migrations._online import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False
    dependencies = [("jobs", "0011_operations")]

    operations = [
        AddIndexOnline(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(("operation_id__isnull", False)),
                fields=["operation_id", "id"],
                name="jobs_auditentry_operation",
            ),
        ),
    ]
