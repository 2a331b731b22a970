#!/usr/bin/env bash
# Checks that the tables of a data dir fit together: validate_data_dir.sh [--no-text] [--check-audio] DIR
exec "$(dirname "${BASH_SOURCE[0]}")/data_dir.sh" validate "$@"
