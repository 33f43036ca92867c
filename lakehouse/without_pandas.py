"""pyarrow without pandas, which it imports for the first value that it is given, to know one of pandas' own by."""

import functools
import sys


@functools.cache
def leave_pandas_out() -> None:
    """1.3 s of every command, and 60 MB. pyarrow asks once a process: what works on pandas imports it afterwards."""
    import pyarrow as pa

    sys.meta_path.insert(0, _NoPandas)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(_NoPandas)


class _NoPandas:
    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ImportError(name)
