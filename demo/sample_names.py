"""The names of the sample: 20 queues and 200 tasks, of which one is rare."""

RARE_TASK = "sample.reports.yearly"
QUEUES = [f"sample-{name}" for name in (
    "mail", "bulk", "billing", "search", "images", "video", "exports", "imports", "webhooks", "reports",
    "sync", "audit", "push", "sms", "feeds", "backup", "cleanup", "crawl", "pricing", "default",
)]  # fmt: skip
_NOUNS = ("invoices", "orders", "users", "carts", "photos", "teams", "plans", "files", "events", "tickets")
_VERBS = (
    "charge", "notify", "index", "resize", "export", "import", "sync", "expire", "merge", "score",
    "archive", "check", "refund", "rank", "render", "fetch", "parse", "publish", "rotate", "trim",
)  # fmt: skip
TASKS = [*[f"sample.{noun}.{verb}" for verb in _VERBS for noun in _NOUNS][:199], RARE_TASK]
