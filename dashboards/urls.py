"""Addresses of the pages, of the probes and of /metrics."""

from django.urls import path, register_converter

from dashboards import bulk, views
from dashboards.actions import verb_view
from dashboards.converters import NameConverter
from dashboards.export import export
from dashboards.job_verbs import job_verb
from dashboards.pages import jobs
from dashboards.pages.edit import edit
from dashboards.pages.failures import failures
from dashboards.pages.job import job
from dashboards.pages.operations import operation, operations
from dashboards.pages.overview import overview
from dashboards.pages.queues import queue, queues
from dashboards.pages.schedule_edit import schedule_edit
from dashboards.pages.schedules import schedules
from dashboards.pages.tasks import task, tasks
from dashboards.pages.workers import workers

register_converter(NameConverter, "name")

app_name = "dashboards"
urlpatterns = [
    path("", overview, name="overview"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/count/", jobs.count, name="jobs_count"),
    path("jobs/suggest/", jobs.suggestions, name="jobs_suggest"),
    path("jobs/export/", export, name="jobs_export"),
    path("jobs/<uuid:job_id>/", job, name="job"),
    path("jobs/<uuid:job_id>/edit/", edit, name="job_edit"),
    path("jobs/<uuid:job_id>/<slug:verb_name>/", job_verb, name="job_verb"),
    path("queues/", queues, name="queues"),
    path("queues/<name:name>/", queue, name="queue"),
    path("queues/<name:key>/<slug:verb_name>/", verb_view("queue"), name="queue_verb"),
    path("failures/", failures, name="failures"),
    path("workers/", workers, name="workers"),
    path("workers/<name:key>/<slug:verb_name>/", verb_view("worker"), name="worker_verb"),
    path("schedules/", schedules, name="schedules"),
    path("schedules/<int:key>/edit/", schedule_edit, name="schedule_edit"),
    path("schedules/<int:key>/<slug:verb_name>/", verb_view("schedule"), name="schedule_verb"),
    path("tasks/", tasks, name="tasks"),
    path("tasks/<name:name>/", task, name="task"),
    path("operations/", operations, name="operations"),
    path("operations/preview/", bulk.preview, name="operation_preview"),
    path("operations/<int:key>/", operation, name="operation"),
    path("operations/<int:key>/<slug:verb_name>/", bulk.act, name="operation_act"),
    path("snapshot.json", views.snapshot_json, name="snapshot"),
    path("series.json", views.series_json, name="series"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics_text, name="metrics"),
]
