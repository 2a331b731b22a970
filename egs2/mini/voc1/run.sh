#!/usr/bin/env bash
# Speech from units and voice conversion at mini scale: vocoders of k-means and RepCodec tokens, which are trained here first.
#   bash run.sh                             the embedded corpus (synthetic speech of 15 voices, made on the spot)
#   bash run.sh --size ci                   its smallest variant
#   bash run.sh --encoder logmel --layer 0  tokens of log-mel spectra: no Codec2Vec is trained
#   bash run.sh --tokens NAME=DIR,NAME=DIR  token stores that are there: DIR/train, DIR/valid, DIR/test
#   bash run.sh --audio_dir DIR --manifest TSV   your own recordings
# Any option of voc.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

# trained:1 and trained:2 are codebooks of the codec below the Codec2Vec, 0.4 kbps each.
bash ./voc.sh --size small --nj 1 --f0 true --convert true --codecs "trained:1 trained:2" "$@"
