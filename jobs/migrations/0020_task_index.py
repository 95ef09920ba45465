from django.db import migrations, models

from jobs.migrations._online import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False
    dependencies = [("jobs", "0019_lost_index")]

    operations = [
        AddIndexOnline(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state__in", ["blocked", "cancelled", "dead", "succeeded"])),
                fields=["task", "id"],
                name="jobs_job_task",
            ),
        ),
    ]
