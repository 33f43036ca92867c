"""pyarrow without pandas, which it imports for the first value that it is given, to know one of pandas' own by."""

import functools
import sys
import threading


@functools.cache
def leave_pandas_out() -> None:
    """1.3 s of every command, and 60 MB. pyarrow asks once a process: what works on pandas imports it afterwards."""
    import pyarrow as pa

    absent = _NoPandas()
    sys.meta_path.insert(0, absent)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(absent)


class _NoPandas:
    def __init__(self) -> None:
        self._thread = threading.get_ident()  # another one may be importing it for itself

    def find_spec(self, name: str, *_: object) -> None:
        if name == "pandas" and threading.get_ident() == self._thread:
            raise ImportError(name)
