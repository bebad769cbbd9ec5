import { defineStack, postgres, rabbitmq, redis } from 'vitest-kubernetes'

/** A shop for maps of cities: three subgraphs, their gateway, and the front end. */
export const shop = defineStack({
  images: ['./backend', './web'],
  kustomize: './k8s/overlays/test', // products, orders, accounts and web
  charts: { gateway: { chart: './charts/gateway', values: { replicas: 1 } } },
  secrets: { 'shop-keys': './keys.enc.env' },
  sops: { ageKeyFile: './test.agekey' },
  services: { db: postgres({ database: 'shop', storage: 'persistent' }), cache: redis(), queue: rabbitmq() },
  seed: [
    { db: './seed/schema.sql', cache: './seed/accounts.redis' },
    { 'deployment/products': { exec: ['node', 'src/products/import.ts'], durable: true } }, // 171,075 products
  ],
  // One field of each subgraph: the gateway has composed them.
  ready: { 'service/gateway': ['Product', 'Order', 'Subscription'].map((type) => ({ graphql: '/graphql', type })) },
  ports: { web: 8080, gateway: 4000 },
})
