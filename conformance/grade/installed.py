"""The official Python client with our transport: reveille grade -- python3 conformance/grade/installed.py"""

import os
import runpy

import reveille_sandbox

reveille_sandbox.install(run_url=os.environ["BL_RUN_URL"], api_url=os.environ["BL_API_URL"])
# An address that is forced is asked for nothing else, no probe either.
del os.environ["BL_SANDBOX_BOX_URL"]
runpy.run_path(os.path.join(os.path.dirname(__file__), "python.py"))
