"""The shipped tables are what the installed ms-swift says of itself."""

from __future__ import annotations

import json

import pytest

from swiftagent.backend import option_table

pytestmark = pytest.mark.needs_swift


@pytest.mark.filterwarnings("ignore")
def test_shipped_tables_equal_the_class():
    import swift

    shipped = json.loads(option_table.TABLE.read_text())
    if shipped["ms_swift"] != swift.__version__:
        pytest.skip(f"the table is of ms-swift {shipped['ms_swift']}, installed is {swift.__version__}")
    assert option_table.build_table() == shipped
    assert option_table.build_models() == json.loads(option_table.MODELS.read_text())
