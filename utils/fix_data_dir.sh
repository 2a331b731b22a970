#!/usr/bin/env bash
# Sorts a data dir and removes, with reasons, what cannot be used: fix_data_dir.sh [--require-text] [--check-audio] DIR
exec "$(dirname "${BASH_SOURCE[0]}")/data_dir.sh" fix "$@"
