"""Registers the 200 tasks of the sample: pages and metrics treat a task that no code registers otherwise."""

from types import ModuleType

from demo.sample_names import TASKS
from jobs.definition import registry, task


def _register(name: str) -> None:
    module_name, _, attribute = name.rpartition(".")

    def nothing(**kwargs: object) -> None:
        pass

    nothing.__module__, nothing.__qualname__ = module_name, attribute
    module = ModuleType(module_name)
    setattr(module, attribute, task(nothing))
    registry.register_module(module)


for each in TASKS:
    _register(each)
