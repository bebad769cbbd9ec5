# shellcheck shell=sh
# Runs at each start of a node, before k3s; and again by hand where that came first.
# $ranges: of the cluster's Services. $ipv6: "yes" where the cluster has it.
: "${ranges?}" "${ipv6?}"
. ./restore-on-node.sh

# k3d has a log of its own for such scripts, which nobody sees; this is the container's.
fail() {
  echo "vitest-kubernetes: $1" | tee /proc/1/fd/2 >&2
  exit 1
}

# Docker leaves the kernel's main switch off, also on a network with IPv6: kube-proxy takes that for a machine without
# (kubernetes/kubernetes, cmd/kube-proxy/app/server_linux.go).
[ "$ipv6" != yes ] || echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || fail 'IPv6 cannot be turned on.'

# Whoever is in the cluster's network and has a route to Services by a node would be told of a shorter one, which there is not.
for file in /proc/sys/net/ipv4/conf/*/send_redirects; do echo 0 > "$file"; done
# Connections to a Service without pods are refused by ICMP, at most one a second for each caller, in which its redirects count:
# all others would wait for an answer (icmp_ratemask and icmp/ratelimit in Documentation/networking/ip-sysctl.rst).
echo 0 > /proc/sys/net/ipv4/icmp_ratemask
[ ! -e /proc/sys/net/ipv6/icmp/ratelimit ] || echo 0 > /proc/sys/net/ipv6/icmp/ratelimit

# No packet leaves a node whose destination is still the address of a Service. kube-proxy (iptables mode, which k3s uses) refuses
# those of a Service without endpoints, but its rules come and go in two steps, and k3s' controller of NetworkPolicies, which
# writes the whole table as it has found it, takes the refusal back now and then (kube-router 2.6, fullPolicySync). What slips
# through goes to the network that this machine is in, whoever has that address there, and is remembered so: all that belongs to
# the connection follows, whatever endpoints the Service gets. Dropped before it is remembered, it is translated when it is sent
# again, a second later.
for range in $ranges; do
  case $range in *:*) family=6 ;; *) family=4 ;; esac
  save_rules $family mangle | grep -q -e "^-A POSTROUTING -d $range -j DROP" && continue
  restore_on_node "*mangle
-A POSTROUTING -d $range -j DROP
COMMIT" $family || fail "Packets for Services ($range) cannot be kept on this node."
done

# k3d's entrypoint drains a server that is stopped (kubectl drain --force --delete-emptydir-data), so that bare pods and what is in
# emptyDir volumes would be gone after a reboot or a restart of Docker. What is stopped comes back as it was instead.
wrapper=/usr/local/sbin/kubectl
if ! [ -e $wrapper ]; then
  kubectl=$(command -v kubectl)
  mkdir -p ${wrapper%/*}
  cat > $wrapper <<SCRIPT
#!/bin/sh
case "\$1 \$(tr '\\\\0' ' ' 2>/dev/null < /proc/\$PPID/cmdline)" in 'drain '*/k3d-entrypoint.sh*) exit 0 ;; esac
exec $kubectl "\$@"
SCRIPT
  chmod +x $wrapper
fi
