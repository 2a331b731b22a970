#!/usr/bin/env bash
# Keeps some utterances: subset_data_dir.sh [--first|--last|--shortest|--per-spk|--speakers] SRC N DEST, or --utt-list FILE SRC DEST
exec "$(dirname "${BASH_SOURCE[0]}")/data_dir.sh" subset "$@"
