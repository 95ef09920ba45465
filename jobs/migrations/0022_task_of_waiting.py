from django.db import migrations, models

from jobs.migrations._online import AddIndexOnline, RemoveIndexOnline


class Migration(migrations.Migration):

    atomic = False
    dependencies = [("jobs", "0021_notices")]

    operations = [
        AddIndexOnline(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state", "queued")), fields=["published_at", "task"], name="jobs_job_queued"
            ),
        ),
        AddIndexOnline(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state__in", ["retrying", "scheduled"])),
                fields=["due_at", "task"],
                name="jobs_job_later",
            ),
        ),
        RemoveIndexOnline(model_name="job", name="jobs_job_published"),
        RemoveIndexOnline(model_name="job", name="jobs_job_due"),
    ]
