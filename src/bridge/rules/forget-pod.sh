# shellcheck shell=sh
# Takes away what leave-pod.sh leaves. With a fifth argument, the connections to the local side are forgotten.
# $forgotten: rules; $output and $cut: chains.
: "${forgotten?}" "${output?}" "${cut?}"
. ./bridge-in-pod.sh
. ./own-connections.sh

turn_off() {
  others=$(echo "$state"/bridge-*/pod-"$1")
  { [ -e "${others%% *}" ] || ! [ -e "$note" ]; } && return
  read -r was was_localnet was6 < "$note"
  switch del "$was" "$was_localnet" "$was6"
  rm -f "$note"
}

[ -z "$5" ] || each_forward flush_tcp
for family in $families; do
  restore_or_remove "$family" "$forgotten" "nat:$output" "filter:$cut"
done
in_turn turn_off "$2"
ip=$3 ip6=$4
each_forward forget_own >/dev/null 2>&1 &
