"""Which tests of deployment are collected."""

import os

# Nobody lacks anything who does not run it, so it is no skip: a build takes minutes, and needs an engine and a base.
collect_ignore = [] if os.environ.get("SALIENT_TEST_IMAGE") else ["test_image.py"]
