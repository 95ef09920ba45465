from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("jobs", "0015_groups")]

    operations = [
        migrations.AddField(
            model_name="worker",
            name="asked",
            field=models.CharField(blank=True, db_default="", default="", max_length=8),
        ),
    ]
