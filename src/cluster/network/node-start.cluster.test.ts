import { expect, test } from 'vitest'

import { shellScript } from '../../support/shell-script.ts'
import { startNodeContainer } from '../../testing/node-container.ts'

const nodeStart = shellScript<'ranges' | 'ipv6'>(import.meta.dirname, 'node-start.sh')

test('a node keeps packets for Services, refuses without a limit and sends no redirects, however often its script runs', async () => {
  await using node = await startNodeContainer()
  const script = nodeStart({ ranges: '10.43.0.0/16 fd76:6b38:7300:4300::/112', ipv6: 'yes' })
  await node.run(script)
  await node.run(script)
  expect(await node.run('iptables-save -t mangle | grep ^-A; ip6tables-save -t mangle | grep ^-A')).toBe(
    '-A POSTROUTING -d 10.43.0.0/16 -j DROP\n-A POSTROUTING -d fd76:6b38:7300:4300::/112 -j DROP\n',
  )
  const switches = await node.run(
    `cd /proc/sys/net; cat ipv4/conf/*/send_redirects ipv4/icmp_ratemask ipv6/icmp/ratelimit ipv6/conf/all/disable_ipv6 | sort -u`,
  )
  expect(switches).toBe('0\n')
})

test("k3d's entrypoint drains no node that is stopped, and everybody else may", async () => {
  await using node = await startNodeContainer()
  const script = nodeStart({ ranges: '10.43.0.0/16', ipv6: 'no' })
  await node.run(script)
  await node.run(script)
  const drain = 'kubectl --help >/dev/null && kubectl drain "$HOSTNAME" --server=http://127.0.0.1:1 2>&1; echo "exit code $?"'
  await node.run(`echo '${drain}' > /bin/k3d-entrypoint.sh; echo '${drain}' > /bin/other.sh`)
  expect(await node.run('sh /bin/k3d-entrypoint.sh server')).toBe('exit code 0\n')
  expect(await node.run('sh /bin/other.sh')).toMatch(/connection refused[^]*exit code 1\n$/)
})

test('a node whose rules cannot be set does not start, and says why in its log', async () => {
  await using node = await startNodeContainer()
  const { name, text } = nodeStart({ ranges: '10.43.0.0/99', ipv6: 'no' })
  await expect(node.run({ name, text })).rejects.toThrow(
    'vitest-kubernetes: Packets for Services (10.43.0.0/99) cannot be kept on this node.',
  )
})
