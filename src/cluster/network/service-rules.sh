# shellcheck shell=sh
# Prints the rules that lead to Services or refuse them, from there to pods, and through the network policies of pods.
# $families: of 4 and 6.
: "${families?}"
for family in $families; do
  case $family in
    6) ip6tables-save ;;
    *) iptables-save ;;
  esac
done | grep -e '^-A KUBE-SERVICES ' -e '^-A KUBE-SEP-.* -j DNAT ' -e '^-A KUBE-ROUTER-.* -j KUBE-POD-FW-' || :
