from django.db import migrations, models

from jobs.migrations._online import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False
    dependencies = [("jobs", "0018_vacuum_often")]

    operations = [
        AddIndexOnline(
            model_name="job",
            index=models.Index(
                condition=models.Q(("loss_count__gt", 0), ("published_at__isnull", True), ("state", "queued")),
                fields=["queue", "-priority", "id"],
                name="jobs_job_lost",
            ),
        ),
    ]
