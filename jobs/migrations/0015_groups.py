"""The groups of users come and go with this migration; `jobs/groups.py` says why it does not make them itself."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [("jobs", "0014_failures_index")]

    operations = [migrations.RunPython(migrations.RunPython.noop, migrations.RunPython.noop)]
