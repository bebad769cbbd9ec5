# shellcheck shell=sh
# Gives new connections back to a pod. Each table that changes costs some 10 ms: the one that filters is left alone where
# nothing has been refused.
# $refused: families that have refused connections all the time. $uncut4, $uncut6 and $ended: rules; $cut and $input: chains.
: "${refused?}" "${uncut4?}" "${uncut6?}" "${ended?}" "${cut?}" "${input?}"
. ./bridge-in-pod.sh

for family in $families; do
  case $family in 6) uncut=$uncut6 ;; *) uncut=$uncut4 ;; esac
  case " $refused " in *" $family "*) has_refused=yes ;; *) has_refused= ;; esac
  if [ -n "$has_refused" ] || [ -e "$1/cut-$2" ]; then restore_or_remove "$family" "$uncut" "filter:$cut"; fi
  restore_or_remove "$family" "$ended" "nat:$input"
done
each_forward flush_udp
