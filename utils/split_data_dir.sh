#!/usr/bin/env bash
# Splits into DIR/splitN/1 to DIR/splitN/N, whole speakers unless --per-utt: split_data_dir.sh [--per-utt] DIR N
exec "$(dirname "${BASH_SOURCE[0]}")/data_dir.sh" split "$@"
