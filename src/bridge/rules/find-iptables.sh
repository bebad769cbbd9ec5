# shellcheck shell=sh
# What iptables-restore and iptables-save are on the node: k3s' are wrappers that look for the backend anew each time, and take
# three times as long as the program itself.
case $(iptables --version) in *nf_tables*) backend=nft ;; *) backend=legacy ;; esac
for family in '' 6; do
  for action in restore save; do
    program=ip${family}tables-$backend-$action
    command -v "$program" >/dev/null || program=ip${family}tables-$action
    export "ip${family}tables_$action=$program"
  done
done
