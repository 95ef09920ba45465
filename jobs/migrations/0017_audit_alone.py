from django.db import migrations, models

from jobs.migrations._online import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False
    dependencies = [("jobs", "0016_worker_asked")]

    operations = [
        AddIndexOnline(
            model_name="auditentry",
            index=models.Index(
                condition=models.Q(("operation_id__isnull", True)),
                fields=["id"],
                name="jobs_auditentry_alone",
            ),
        ),
    ]
