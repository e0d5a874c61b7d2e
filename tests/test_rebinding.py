"""What may assign a parameter without saying so is refused, and what only looks is not."""

import pytest

from mlops_helpers.parameters import Refused, read_notebook
from tests.tiny import write_notebook

PHASE = "03_monitoring"

HIDING = [
    "from os import *",
    "globals().update({'seed': 1})",
    "globals()[name] = 1",
    "names = globals()",
    "vars().update(x)",
    "locals()[name] = 1",
    "del globals()[name]",
    "globals().pop(name)",
    "import __main__",
    "setattr(sys.modules['__main__'], name, 1)",
    "import_module('__main__').seed = 1",
    "%run other.py",
    "%store -r",
    "%reset -f",
    "get_ipython().push({'seed': 1})",
    "get_ipython().run_cell('seed = 1')",
    "get_ipython().ex('seed = 1')",
    "get_ipython().user_ns['seed'] = 1",
    "shell = get_ipython()",
    "get_ipython().run_line_magic(name, '')",
    "exec(text)",
]
READING = [
    "print(globals()['seed'], globals().get('seed'))",
    "'seed' in globals()",
    "if __name__ == '__main__':\n    print(1)",
    "%matplotlib inline",
    "%store seed",
    "files = !ls",
    "vars(table)",
    "setattr(table, name, 1)",
]


@pytest.mark.parametrize("source", HIDING)
def test_what_may_assign_any_name_is_refused(tmp_path, source):
    """A way to bind names that the source does not show is named with its cell."""
    path = write_notebook(tmp_path, PHASE, "print(seed)", source)
    with pytest.raises(Refused, match=r"03_monitoring.*in code cell 3 may assign a parameter"):
        read_notebook(path)


@pytest.mark.parametrize("source", READING)
def test_looking_at_names_is_allowed(tmp_path, source):
    """What only reads a name, or runs a command, is no assignment."""
    assert read_notebook(write_notebook(tmp_path, PHASE, source)).name == PHASE
