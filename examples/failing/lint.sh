#!/bin/sh
# A linter that always finds something.
echo "lint.sh:2:1: error: comment too short"
exit 3
