#!/bin/sh
# Record what this version stores: golden events that are new, and its golden streams. Run right
# before a release; what was recorded of an earlier state of the same version is to be deleted first.
set -eu
cd "$(dirname "$0")/.."
MESSAGEDB_AGENT_NEW_GOLDEN=1 exec ./test tests/events/test_golden.py tests/engine/test_golden_streams.py
