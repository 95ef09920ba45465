from django.db import migrations, models

from jobs.migrations._online import AddIndexOnline


class Migration(migrations.Migration):

    atomic = False
    dependencies = [("jobs", "0013_failures")]

    operations = [
        AddIndexOnline(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state", "dead")), fields=["fingerprint", "id"], name="jobs_job_dead_alike"
            ),
        ),
    ]
