# shellcheck shell=sh
# Prints the rules that lead to Services, and from there to pods.
# $families: of 4 and 6.
: "${families?}"
for family in $families; do
  case $family in
    6) ip6tables-save -t nat ;;
    *) iptables-save -t nat ;;
  esac
done | grep -e '^-A KUBE-SERVICES ' -e '^-A KUBE-SEP-.* -j DNAT ' || :
