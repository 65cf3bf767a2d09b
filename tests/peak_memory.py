"""A plugin of pytest for make test: no notebook may take more than a gigabyte, on all images.

nbval executes the cells; after each its kernel's peak is read, as `make run` reads it.
"""

from nbval.plugin import IPyNbCell

from vaelib.authoring.execute import peak_memory

MOST = 1.1  # GB: a tenth of room for other processors, and other numbers of threads


def pytest_runtest_teardown(item):
    if isinstance(item, IPyNbCell):
        peak = peak_memory(item.parent.kernel.km.provisioner.pid)
        assert peak is None or peak < MOST, f"{peak:.2f} GB after {item.nodeid}"
