import { expect, test } from 'vitest'

import { cutRules, endedPodRules, nodeRules, optionsFor, podRules, removedNodeRules, forgottenPodRules, uncutPodRules } from './rules.ts'

const options = {
  id: 'abcd',
  forwards: [
    { protocol: 'tcp', port: 3000, address: '172.20.0.5', targetPort: 8080 },
    { protocol: 'udp', port: 53, address: '172.20.0.5', targetPort: 5353 },
  ],
  keepProbes: true,
} as const

test('sends the ports of a pod to the local side, and lets probes pass', () => {
  expect(podRules(options)).toMatchInlineSnapshot(`
    "*filter
    :VK-abcd-CUT - [0:0]
    -A VK-abcd-CUT -p tcp -m tcp --dport 3000 -m conntrack --ctstate INVALID -j DROP
    -A VK-abcd-CUT -s 172.20.0.5/32 -p tcp -m tcp --sport 8080 -m conntrack --ctstate INVALID -j DROP
    -A VK-abcd-CUT -m dscp --dscp 43 -j RETURN
    -A VK-abcd-CUT -m dscp --dscp 42 -j RETURN
    -I INPUT -j VK-abcd-CUT
    COMMIT
    *nat
    :VK-abcd-IN - [0:0]
    :VK-abcd-OUT - [0:0]
    -A VK-abcd-IN -m dscp --dscp 43 -j RETURN
    -A VK-abcd-IN -m dscp --dscp 42 -j RETURN
    -A VK-abcd-IN -p tcp -m addrtype --dst-type LOCAL -m tcp --dport 3000 --syn -j DNAT --to-destination 172.20.0.5:8080
    -A VK-abcd-IN -p udp -m addrtype --dst-type LOCAL -m udp --dport 53 -j DNAT --to-destination 172.20.0.5:5353
    -A VK-abcd-OUT -d 172.20.0.5/32 -p tcp -m tcp --dport 8080 -j MASQUERADE
    -A VK-abcd-OUT -d 172.20.0.5/32 -p udp -m udp --dport 5353 -j MASQUERADE
    -I PREROUTING -j VK-abcd-IN
    -I OUTPUT -j VK-abcd-IN
    -I POSTROUTING -j VK-abcd-OUT
    COMMIT
    "
  `)
  expect(podRules({ ...options, keepProbes: false })).not.toContain('--dscp 42')
})

test('each family has rules for its own addresses, and refuses the ports that only the other has', () => {
  const dual = { ...options, forwards: [...options.forwards, { ...options.forwards[0], address: 'fd00::5', targetPort: 8086 }] }
  expect(optionsFor('4', dual)).toEqual({ ...options, refused: [] })
  const ipv6 = optionsFor('6', dual)
  expect(podRules(ipv6)).toContain('-j DNAT --to-destination [fd00::5]:8086\n-A VK-abcd-OUT -d fd00::5/128 -p tcp')
  expect(podRules(ipv6)).not.toMatch(/udp.* DNAT/)
  expect(podRules(ipv6)).toContain('-A VK-abcd-CUT -p udp -m udp --dport 53 -j REJECT\n-I INPUT')
  expect(podRules(optionsFor('6', options))).toContain(
    '-A VK-abcd-CUT -p tcp -m tcp --dport 3000 -j REJECT --reject-with tcp-reset\n-A VK-abcd-CUT -p udp',
  )
})

test('resets the next request of an older connection', () => {
  expect(cutRules(options)).toMatchInlineSnapshot(`
    "*filter
    -A VK-abcd-CUT -p tcp -m tcp --dport 3000 --tcp-flags PSH PSH -j REJECT --reject-with tcp-reset
    COMMIT
    "
  `)
})

test('takes away what it has set, and nothing else, in three steps', () => {
  expect(uncutPodRules(options)).toMatchInlineSnapshot(`
    "*filter
    -F VK-abcd-CUT
    -A VK-abcd-CUT -p tcp -m tcp --dport 3000 -m conntrack --ctstate INVALID -j DROP
    -A VK-abcd-CUT -s 172.20.0.5/32 -p tcp -m tcp --sport 8080 -m conntrack --ctstate INVALID -j DROP
    COMMIT
    "
  `)
  expect(endedPodRules(options)).toMatchInlineSnapshot(`
    "*nat
    -D PREROUTING -j VK-abcd-IN
    -D OUTPUT -j VK-abcd-IN
    -F VK-abcd-IN
    -X VK-abcd-IN
    COMMIT
    "
  `)
  expect(forgottenPodRules(options)).toMatchInlineSnapshot(`
    "*nat
    -D POSTROUTING -j VK-abcd-OUT
    -F VK-abcd-OUT
    -X VK-abcd-OUT
    COMMIT
    *filter
    -D INPUT -j VK-abcd-CUT
    -F VK-abcd-CUT
    -X VK-abcd-CUT
    COMMIT
    "
  `)
})

test('marks what the node itself sends to its pods, and what these send to the local side', () => {
  expect(nodeRules(options, '10.42.1.0/24')).toMatchInlineSnapshot(`
    "*mangle
    :VK-abcd-PROBE - [0:0]
    :VK-abcd-ALLOW - [0:0]
    -A VK-abcd-PROBE -d 10.42.1.0/24 -p tcp -m tcp --dport 3000 -j DSCP --set-dscp 42
    -A VK-abcd-ALLOW -s 10.42.1.0/24 -d 172.20.0.5/32 -p tcp -m tcp --dport 8080 -j MARK --set-xmark 0x10000/0x10000
    -A VK-abcd-ALLOW -s 10.42.1.0/24 -d 172.20.0.5/32 -p udp -m udp --dport 5353 -j MARK --set-xmark 0x10000/0x10000
    -A OUTPUT -j VK-abcd-PROBE
    -A FORWARD -j VK-abcd-ALLOW
    COMMIT
    "
  `)
  expect(removedNodeRules(options)).toMatchInlineSnapshot(`
    "*mangle
    -D OUTPUT -j VK-abcd-PROBE
    -D FORWARD -j VK-abcd-ALLOW
    -F VK-abcd-PROBE
    -F VK-abcd-ALLOW
    -X VK-abcd-PROBE
    -X VK-abcd-ALLOW
    COMMIT
    "
  `)
})

test('names of chains stay below the 29 characters that iptables refuses', () => {
  for (const [, chain = ''] of podRules({ ...options, id: 'ffffffff' }).matchAll(/^:(\S+)/gm)) expect(chain.length).toBeLessThan(29)
})
