# shellcheck shell=sh
. ./bridge-in-pod.sh
. ./own-connections.sh

ip=$3 ip6=$4
each_forward forget_own
