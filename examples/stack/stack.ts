import { defineStack, nats, postgres, redis } from 'vitest-kubernetes'

/** The whole shop: one image, three workloads of it, three services, data in each. */
export const shop = defineStack({
  images: ['./shop'],
  kustomize: './k8s/overlays/test', // orders and mailer
  charts: { catalogue: { chart: './charts/catalogue', values: { replicas: 1, currency: 'CHF' } } },
  secrets: { 'shop-keys': './keys.enc.env' },
  sops: { ageKeyFile: './test.agekey' },
  services: { db: postgres({ database: 'shop' }), cache: redis(), events: nats() },
  seed: [
    { db: './seed/schema.sql', cache: './seed/rates.redis' },
    { 'deployment/catalogue': { http: '/admin/import', file: './seed/products.json' } },
    { cache: { exec: ['redis-cli', 'rpush', 'mails', 'Welcome'] } },
  ],
})
