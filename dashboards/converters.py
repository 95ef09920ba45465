"""Names in addresses: of queues, tasks and workers, whatever characters they hold."""

from urllib.parse import unquote


class NameConverter:
    """One segment of a path; a slash in a name is written %2F, and a percent sign %25, before the address is quoted."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        return unquote(value)

    def to_url(self, value: str) -> str:
        return value.replace("%", "%25").replace("/", "%2F")

