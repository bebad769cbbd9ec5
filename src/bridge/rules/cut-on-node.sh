# shellcheck shell=sh
# What the scripts of a cut on a node have in common.
: "${id?}"
. ./sandboxes.sh

# Each side has a folder of its own.
use_side() { dir=$state/cut-$id-$1; }
